//! Keys in a map.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use modelgate_domain::quota::Balance;
use modelgate_domain::{ApiKey, KeyDigest, KeyId, KeyStatus, Timestamp};

use crate::driven::{FoundKey, KeyRecord, KeyStore, NewKey, StoreError, StoredSecret, Watcher};

/// A key store in memory. Balances in its records stay at zero: the ledger counts elsewhere.
#[derive(Default)]
pub struct FakeKeyStore {
    held: Mutex<BTreeMap<KeyId, Held>>,
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Held {
    key: ApiKey,
    /// Oldest first, each with its end.
    secrets: Vec<(StoredSecret, Option<Timestamp>)>,
}

impl FakeKeyStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<KeyId, Held>> {
        self.held.lock().expect("no panic while locked")
    }

    fn changed(&self) {
        let watchers = self.watchers.lock().expect("no panic while locked");
        watchers.iter().for_each(|changed| changed());
    }
}

impl Held {
    fn record(&self) -> KeyRecord {
        let newest = self.secrets.last().map(|(secret, _)| secret.clone());
        let (prefix, last4) =
            newest.map_or_else(Default::default, |secret| (secret.prefix, secret.last4));
        let balance = Balance {
            since: self.key.created_at,
            ..Balance::default()
        };
        KeyRecord {
            key: self.key.clone(),
            prefix,
            last4,
            balance,
            last_used_at: None,
        }
    }

    fn is_live(&self) -> bool {
        self.key.status != KeyStatus::Revoked
    }
}

fn name_is_taken(held: &BTreeMap<KeyId, Held>, key: &ApiKey, by_other_than: Option<KeyId>) -> bool {
    held.values().any(|other| {
        other.is_live() && other.key.name == key.name && Some(other.key.id) != by_other_than
    })
}

fn secret_is_known(held: &BTreeMap<KeyId, Held>, digest: KeyDigest) -> bool {
    held.values()
        .flat_map(|key| &key.secrets)
        .any(|(secret, _)| secret.digest == digest)
}

#[async_trait]
impl KeyStore for FakeKeyStore {
    fn watch(&self, changed: Watcher) {
        let mut watchers = self.watchers.lock().expect("no panic while locked");
        watchers.push(changed);
    }

    async fn find(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        let held = self.held();
        let found = held.values().find_map(|key| {
            let (_, secret_ends) = key
                .secrets
                .iter()
                .find(|(secret, _)| secret.digest == *digest)?;
            Some(FoundKey {
                key: key.key.clone(),
                secret_ends: *secret_ends,
            })
        });
        Ok(found)
    }

    async fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        Ok(self
            .held()
            .values()
            .filter(|key| key.is_live())
            .map(Held::record)
            .collect())
    }

    async fn get(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.held().get(&id).map(Held::record))
    }

    async fn insert(&self, new: &NewKey) -> Result<KeyRecord, StoreError> {
        let mut held = self.held();
        if name_is_taken(&held, &new.key, None) {
            return Err(StoreError::Taken { field: "name" });
        }
        if secret_is_known(&held, new.secret.digest) {
            return Err(StoreError::Taken { field: "key" });
        }
        let id = KeyId(held.keys().last().map_or(1, |last| last.0 + 1));
        let key = Held {
            key: ApiKey {
                id,
                ..new.key.clone()
            },
            secrets: vec![(new.secret.clone(), None)],
        };
        let record = key.record();
        held.insert(id, key);
        self.changed();
        Ok(record)
    }

    async fn update(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let mut held = self.held();
        if !held.get(&key.id).is_some_and(Held::is_live) {
            return Ok(false);
        }
        if key.status != KeyStatus::Revoked && name_is_taken(&held, key, Some(key.id)) {
            return Err(StoreError::Taken { field: "name" });
        }
        if let Some(stored) = held.get_mut(&key.id) {
            stored.key = key.clone();
        }
        self.changed();
        Ok(true)
    }

    async fn replace_secret(
        &self,
        id: KeyId,
        new: &StoredSecret,
        old_ends: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut held = self.held();
        let known = secret_is_known(&held, new.digest);
        let Some(key) = held.get_mut(&id).filter(|key| key.is_live()) else {
            return Ok(false);
        };
        if known {
            return Err(StoreError::Taken { field: "key" });
        }
        for (_, ends) in &mut key.secrets {
            *ends = Some(ends.map_or(old_ends, |end| end.min(old_ends)));
        }
        key.secrets.push((new.clone(), None));
        self.changed();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::contract::key_store_contract;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        key_store_contract(&FakeKeyStore::new()).await;
    }
}
