//! A key as the API shows it.

use modelgate_domain::quota::Balance;
use modelgate_domain::{ApiKey, Role, Timestamp};
use modelgate_ports::driven::KeyRecord;
use serde::Serialize;

/// What a key is and may do, and what it used: all that its own holder sees of it.
#[derive(Serialize)]
pub(crate) struct KeyFields<'a> {
    id: i64,
    name: &'a str,
    role: &'static str,
    admin: bool,
    status: &'static str,
    tier: Option<&'a str>,
    default_model: Option<&'a str>,
    allowed_models: Vec<&'a str>,
    allowed_ips: Vec<String>,
    rate_limit: Option<u32>,
    burst: Option<u32>,
    tpm: Option<u64>,
    max_parallel: Option<u32>,
    quota: Option<u64>,
    quota_period: &'static str,
    quota_used: u64,
    quota_reserved: u64,
    quota_resets_at: Option<String>,
    expires_at: Option<String>,
    created_at: String,
}

impl<'a> KeyFields<'a> {
    pub(crate) fn new(key: &'a ApiKey, balance: Balance, resets_at: Option<Timestamp>) -> Self {
        Self {
            id: key.id.0,
            name: key.name.as_str(),
            role: key.role.as_str(),
            admin: key.role == Role::Admin,
            status: key.status.as_str(),
            tier: key.tier.as_deref(),
            default_model: key
                .default_model
                .as_ref()
                .map(modelgate_domain::ModelName::as_str),
            allowed_models: key
                .allowed_models
                .iter()
                .map(modelgate_domain::ModelName::as_str)
                .collect(),
            allowed_ips: key.allowed_ips.entries().collect(),
            rate_limit: key.limits.rpm,
            burst: key.limits.burst,
            tpm: key.limits.tpm,
            max_parallel: key.limits.max_parallel,
            quota: key.quota.map(|quota| quota.limit),
            quota_period: key
                .quota
                .map(|quota| quota.period)
                .unwrap_or_default()
                .as_str(),
            quota_used: balance.used,
            quota_reserved: balance.reserved,
            quota_resets_at: resets_at.map(Timestamp::to_rfc3339),
            expires_at: key.expires_at.map(Timestamp::to_rfc3339),
            created_at: key.created_at.to_rfc3339(),
        }
    }
}

/// A key in lists.
#[derive(Serialize)]
pub(crate) struct KeyView<'a> {
    #[serde(flatten)]
    fields: KeyFields<'a>,
    prefix: &'a str,
    last4: &'a str,
    last_used_at: Option<String>,
}

impl<'a> KeyView<'a> {
    pub(crate) fn new(record: &'a KeyRecord, resets_at: Option<Timestamp>) -> Self {
        Self {
            fields: KeyFields::new(&record.key, record.balance, resets_at),
            prefix: &record.prefix,
            last4: &record.last4,
            last_used_at: record.last_used_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// A key with its secret.
#[derive(Serialize)]
pub(crate) struct IssuedKeyView<'a> {
    pub(crate) key: &'a str,
    #[serde(flatten)]
    pub(crate) record: KeyView<'a>,
}
