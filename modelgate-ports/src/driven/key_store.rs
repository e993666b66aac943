//! API keys at rest.

use std::sync::Arc;

use async_trait::async_trait;
use modelgate_domain::quota::Balance;
use modelgate_domain::{ApiKey, KeyDigest, KeyId, PlainKey, Timestamp};

use super::StoreError;

/// A key found by its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// The key.
    pub key: ApiKey,
    /// When this very secret ends, because another took its place.
    pub secret_ends: Option<Timestamp>,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: ApiKey,
    /// First characters of its newest secret.
    pub prefix: String,
    /// Last four characters of its newest secret.
    pub last4: String,
    /// What it spent and was promised, as last counted.
    pub balance: Balance,
    /// When it was last admitted.
    pub last_used_at: Option<Timestamp>,
}

/// A key to be stored; the number in `key` is ignored, the store gives one.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Everything but its number.
    pub key: ApiKey,
    /// Its first secret.
    pub secret: StoredSecret,
}

/// What is stored of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// SHA-256 of it.
    pub digest: KeyDigest,
    /// First characters, for lists.
    pub prefix: String,
    /// Last four characters, for lists.
    pub last4: String,
}

impl From<&PlainKey> for StoredSecret {
    fn from(secret: &PlainKey) -> Self {
        Self {
            digest: secret.digest(),
            prefix: secret.prefix().to_owned(),
            last4: secret.last4().to_owned(),
        }
    }
}

/// Somebody who wants to know that keys changed.
pub type Watcher = Arc<dyn Fn() + Send + Sync>;

/// Keys and their secrets. Secrets themselves never get here, only their digests.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// From now on calls `changed` after each committed change, before its caller is told, and also when the caller has
    /// gone: whoever remembers keys must forget them then.
    fn watch(&self, changed: Watcher);

    /// The key whose secret has that digest; also a dead one, and also when the secret has ended.
    async fn find(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError>;

    /// Every key that is not revoked, by number.
    async fn list(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// One key by number, revoked ones too.
    async fn get(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError>;

    /// Stores a new key and its secret, both or neither, and gives it a number.
    ///
    /// # Errors
    /// `Taken { field: "name" }` when a key that is not revoked has the name; `Taken { field: "key" }` for a known secret.
    async fn insert(&self, new: &NewKey) -> Result<KeyRecord, StoreError>;

    /// Replaces everything of the key with that number but its secrets and balance. `false` when there is none, or when
    /// it is revoked: a revoked key never changes again.
    async fn update(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// Gives the key a new secret; every older one ends at `old_ends` at the latest. `false` when there is no such key.
    async fn replace_secret(
        &self,
        id: KeyId,
        new: &StoredSecret,
        old_ends: Timestamp,
    ) -> Result<bool, StoreError>;
}
