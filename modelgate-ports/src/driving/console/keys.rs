//! Keys: issue, list, change, rotate, revoke.

use std::time::Duration;

use modelgate_domain::quota::{Balance, Quota};
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Period;
use modelgate_domain::{
    AllowList, ApiKey, KeyId, KeyName, KeyStatus, ModelName, PlainKey, Role, Timestamp,
};

use super::{Console, ConsoleError};
use crate::driven::{KeyRecord, NewKey, StoredSecret};

/// Fields of a key. At creation an absent field takes its default, at a change it stays; an inner `None` means no limit,
/// no tier, no model, no end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPatch {
    /// Name, unique among living keys.
    pub name: Option<KeyName>,
    /// What it may do beside calling models.
    pub role: Option<Role>,
    /// Active or disabled; revoking is another call.
    pub status: Option<KeyStatus>,
    /// Free word that models may ask for.
    pub tier: Option<Option<String>>,
    /// Model taken when a request names none.
    pub default_model: Option<Option<ModelName>>,
    /// Models it may use; empty means all.
    pub allowed_models: Option<Vec<ModelName>>,
    /// Networks it may be used from; empty means all.
    pub allowed_ips: Option<AllowList>,
    /// Requests in any 60 seconds, from 1.
    pub rpm: Option<Option<u32>>,
    /// Of these, requests within one second, from 1.
    pub burst: Option<Option<u32>>,
    /// Tokens in any 60 seconds, from 1.
    pub tpm: Option<Option<u64>>,
    /// Requests at the same time, from 1.
    pub max_parallel: Option<Option<u32>>,
    /// Tokens in a period, from 1.
    pub quota: Option<Option<u64>>,
    /// How often the quota begins anew.
    pub quota_period: Option<Period>,
    /// When it stops working by itself.
    pub expires_at: Option<Option<Timestamp>>,
}

/// A key with its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    /// The key as lists show it.
    pub record: KeyRecord,
    /// The secret.
    pub secret: PlainKey,
}

impl Console {
    /// Issues a key. A name is required; limits that are absent take the configured defaults, and keys that administer
    /// have none by default.
    ///
    /// # Errors
    /// [`ConsoleError`] naming the field that stands in the way.
    pub async fn issue_key(&self, patch: KeyPatch) -> Result<IssuedKey, ConsoleError> {
        let Some(name) = patch.name.clone() else {
            return Err(ConsoleError::invalid(
                "name",
                "is required: a word people know this key by",
            ));
        };
        let key = apply(
            self.blank(name, patch.role.unwrap_or_default()),
            self.known_models(patch),
        );
        self.store(key, self.new_secret()?).await
    }

    /// Every key that is not revoked, by number, with balances of the present period.
    ///
    /// # Errors
    /// [`ConsoleError::Store`] when they cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, ConsoleError> {
        let records = self.ports.keys.list().await?;
        Ok(records
            .into_iter()
            .map(|record| self.up_to_date(record))
            .collect())
    }

    /// One key by number.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none or it is revoked.
    pub async fn key(&self, id: KeyId) -> Result<KeyRecord, ConsoleError> {
        let found = self.ports.keys.get(id).await?;
        let living = found.filter(|record| record.key.status != KeyStatus::Revoked);
        living
            .map(|record| self.up_to_date(record))
            .ok_or(ConsoleError::NotFound("key"))
    }

    /// Changes the fields that the patch names, and answers with the whole key. Seen by the next request.
    ///
    /// # Errors
    /// [`ConsoleError`]; [`ConsoleError::LastAdmin`] when nobody would be left to administer.
    pub async fn change_key(&self, id: KeyId, patch: KeyPatch) -> Result<KeyRecord, ConsoleError> {
        let before = self.key(id).await?.key;
        let after = apply(before.clone(), self.known_models(patch));
        self.write(&before, &after).await?;
        self.key(id).await
    }

    /// Gives a key a new secret; the old one works for `overlap` more.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is no such key.
    pub async fn rotate_key(
        &self,
        id: KeyId,
        overlap: Duration,
    ) -> Result<IssuedKey, ConsoleError> {
        let secret = self.new_secret()?;
        let old_ends = self.ports.clock.now().after(overlap);
        self.key(id).await?;
        let replaced = self
            .ports
            .keys
            .replace_secret(id, &StoredSecret::from(&secret), old_ends)
            .await?;
        if !replaced {
            return Err(ConsoleError::NotFound("key"));
        }
        Ok(IssuedKey {
            record: self.key(id).await?,
            secret,
        })
    }

    /// Revokes a key for good: its name is free again, its rows stay.
    ///
    /// # Errors
    /// [`ConsoleError::LastAdmin`] when nobody would be left to administer.
    pub async fn revoke_key(&self, id: KeyId) -> Result<(), ConsoleError> {
        let before = self.key(id).await?.key;
        let after = ApiKey {
            status: KeyStatus::Revoked,
            ..before.clone()
        };
        self.write(&before, &after).await
    }

    /// When the quota of a key begins anew.
    pub fn quota_resets_at(&self, key: &ApiKey) -> Option<Timestamp> {
        key.quota
            .and_then(|quota| quota.period.end(self.ports.clock.now(), &self.policy.zone))
    }

    pub(super) fn new_secret(&self) -> Result<PlainKey, ConsoleError> {
        let mut random = [0; 32];
        self.ports.entropy.fill(&mut random)?;
        Ok(PlainKey::generate(random))
    }

    pub(super) async fn store(
        &self,
        key: ApiKey,
        secret: PlainKey,
    ) -> Result<IssuedKey, ConsoleError> {
        let new = NewKey {
            key,
            secret: StoredSecret::from(&secret),
        };
        let record = self.ports.keys.insert(&new).await?;
        Ok(IssuedKey { record, secret })
    }

    /// A key with the defaults of its role.
    pub(super) fn blank(&self, name: KeyName, role: Role) -> ApiKey {
        let limited = role == Role::User;
        ApiKey {
            id: KeyId(0),
            name,
            role,
            status: KeyStatus::Active,
            tier: None,
            default_model: None,
            allowed_models: Vec::new(),
            allowed_ips: AllowList::default(),
            limits: if limited {
                self.policy.default_limits
            } else {
                Limits::default()
            },
            quota: self
                .policy
                .default_quota
                .filter(|_| limited)
                .map(|limit| Quota {
                    limit,
                    period: Period::Total,
                }),
            expires_at: None,
            created_at: self.ports.clock.now(),
        }
    }

    async fn write(&self, before: &ApiKey, after: &ApiKey) -> Result<(), ConsoleError> {
        let now = self.ports.clock.now();
        if administers(before, now) && !administers(after, now) {
            let others = self.ports.keys.list().await?;
            if !others
                .iter()
                .any(|record| record.key.id != before.id && administers(&record.key, now))
            {
                return Err(ConsoleError::LastAdmin);
            }
        }
        let written = self.ports.keys.update(after).await?;
        if written {
            Ok(())
        } else {
            Err(ConsoleError::NotFound("key"))
        }
    }

    /// Aliases in a key's list become the names they stand for, because lists are compared with names.
    fn known_models(&self, mut patch: KeyPatch) -> KeyPatch {
        let models = self.ports.catalog.models();
        let canonical = |name: ModelName| {
            models
                .resolve(name.as_str())
                .map_or(name, |model| model.name.clone())
        };
        patch.allowed_models = patch
            .allowed_models
            .map(|list| list.into_iter().map(canonical).collect());
        patch
    }

    fn up_to_date(&self, mut record: KeyRecord) -> KeyRecord {
        let period = record
            .key
            .quota
            .map(|quota| quota.period)
            .unwrap_or_default();
        let now = self.ports.clock.now();
        let balance: Balance =
            modelgate_domain::quota::current(record.balance, period, now, &self.policy.zone);
        record.balance = balance;
        record
    }
}

/// Whether the key may administer at `now`.
pub(super) fn administers(key: &ApiKey, now: Timestamp) -> bool {
    let lives = key.expires_at.is_none_or(|end| now < end);
    key.role == Role::Admin && key.status == KeyStatus::Active && lives
}

fn apply(key: ApiKey, patch: KeyPatch) -> ApiKey {
    let limits = Limits {
        rpm: patch.rpm.unwrap_or(key.limits.rpm),
        burst: patch.burst.unwrap_or(key.limits.burst),
        tpm: patch.tpm.unwrap_or(key.limits.tpm),
        max_parallel: patch.max_parallel.unwrap_or(key.limits.max_parallel),
    };
    let limit = patch.quota.unwrap_or(key.quota.map(|quota| quota.limit));
    let period = patch
        .quota_period
        .or(key.quota.map(|quota| quota.period))
        .unwrap_or_default();
    ApiKey {
        name: patch.name.unwrap_or(key.name),
        role: patch.role.unwrap_or(key.role),
        status: patch.status.unwrap_or(key.status),
        tier: patch.tier.unwrap_or(key.tier),
        default_model: patch.default_model.unwrap_or(key.default_model),
        allowed_models: patch.allowed_models.unwrap_or(key.allowed_models),
        allowed_ips: patch.allowed_ips.unwrap_or(key.allowed_ips),
        limits,
        quota: limit.map(|limit| Quota { limit, period }),
        expires_at: patch.expires_at.unwrap_or(key.expires_at),
        ..key
    }
}
