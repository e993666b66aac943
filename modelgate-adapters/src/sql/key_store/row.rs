//! A key as its row holds it.

use diesel::prelude::*;
use modelgate_domain::quota::{Balance, Quota};
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Period;
use modelgate_domain::{AllowList, ApiKey, KeyId, KeyName, KeyStatus, ModelName, Role, Timestamp};
use modelgate_ports::driven::StoreError;

use crate::sql::row::{Column, count, counted, list, millis, time};
use crate::sql::schema::api_keys;

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub(super) struct KeyRow {
    id: i64,
    name: String,
    role: String,
    status: String,
    tier: Option<String>,
    default_model: Option<String>,
    allowed_models: String,
    allowed_ips: String,
    rpm: Option<i64>,
    burst: Option<i64>,
    tpm: Option<i64>,
    max_parallel: Option<i64>,
    quota: Option<i64>,
    quota_period: Option<String>,
    quota_since: i64,
    used: i64,
    reserved: i64,
    expires_at: Option<i64>,
    pub(super) last_used_at: Option<i64>,
    created_at: i64,
}

impl KeyRow {
    pub(super) fn balance(&self) -> Balance {
        Balance {
            used: counted(self.used),
            reserved: counted(self.reserved),
            since: Timestamp::from_millis(self.quota_since),
        }
    }

    fn limits(&self) -> Result<Limits, StoreError> {
        Ok(Limits {
            rpm: column("rpm").number(self.rpm)?,
            burst: column("burst").number(self.burst)?,
            tpm: column("tpm").number(self.tpm)?,
            max_parallel: column("max_parallel").number(self.max_parallel)?,
        })
    }

    fn quota(&self) -> Result<Option<Quota>, StoreError> {
        let Some(limit) = column("quota").number(self.quota)? else {
            return Ok(None);
        };
        let period = self.quota_period.as_deref().and_then(Period::parse);
        Ok(Some(Quota {
            limit,
            period: column("quota_period").known(period)?,
        }))
    }
}

const fn column(name: &'static str) -> Column {
    Column::new("api_keys", name)
}

fn models(text: &str) -> Result<Vec<ModelName>, StoreError> {
    let column = column("allowed_models");
    column
        .list(text)?
        .iter()
        .map(|name| column.known(ModelName::new(name).ok()))
        .collect()
}

fn networks(text: &str) -> Result<AllowList, StoreError> {
    let column = column("allowed_ips");
    let entries = column.list(text)?;
    column.known(AllowList::parse(entries.iter().map(String::as_str)).ok())
}

fn model(text: &str) -> Result<ModelName, StoreError> {
    column("default_model").known(ModelName::new(text).ok())
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: KeyId(row.id),
            name: column("name").known(KeyName::new(&row.name).ok())?,
            role: column("role").known(Role::parse(&row.role))?,
            status: column("status").known(KeyStatus::parse(&row.status))?,
            default_model: row.default_model.as_deref().map(model).transpose()?,
            allowed_models: models(&row.allowed_models)?,
            allowed_ips: networks(&row.allowed_ips)?,
            limits: row.limits()?,
            quota: row.quota()?,
            tier: row.tier,
            expires_at: time(row.expires_at),
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

/// All that an update may change. `None` is stored as such.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct KeyChange<'a> {
    name: &'a str,
    role: &'static str,
    status: &'static str,
    tier: Option<String>,
    default_model: Option<String>,
    allowed_models: String,
    allowed_ips: String,
    rpm: Option<i64>,
    burst: Option<i64>,
    tpm: Option<i64>,
    max_parallel: Option<i64>,
    quota: Option<i64>,
    quota_period: Option<String>,
    expires_at: Option<i64>,
    created_at: i64,
}

impl<'a> From<&'a ApiKey> for KeyChange<'a> {
    fn from(key: &'a ApiKey) -> Self {
        let networks: Vec<String> = key.allowed_ips.entries().collect();
        Self {
            name: key.name.as_str(),
            role: key.role.as_str(),
            status: key.status.as_str(),
            tier: key.tier.clone(),
            default_model: key.default_model.as_ref().map(ToString::to_string),
            allowed_models: list(key.allowed_models.iter().map(ModelName::as_str)),
            allowed_ips: list(networks.iter().map(String::as_str)),
            rpm: key.limits.rpm.map(i64::from),
            burst: key.limits.burst.map(i64::from),
            tpm: key.limits.tpm.map(count),
            max_parallel: key.limits.max_parallel.map(i64::from),
            quota: key.quota.map(|quota| count(quota.limit)),
            quota_period: key.quota.map(|quota| quota.period.as_str().to_owned()),
            expires_at: millis(key.expires_at),
            created_at: key.created_at.millis(),
        }
    }
}

/// What a new key begins with.
#[derive(Insertable)]
#[diesel(table_name = api_keys)]
pub(super) struct FreshBalance {
    quota_since: i64,
    used: i64,
    reserved: i64,
}

impl FreshBalance {
    pub(super) const fn since(created: Timestamp) -> Self {
        Self {
            quota_since: created.millis(),
            used: 0,
            reserved: 0,
        }
    }
}
