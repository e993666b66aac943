//! The contract of `KeyStore`.

use std::time::Duration;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use modelgate_domain::quota::Quota;
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Period;
use modelgate_domain::{AllowList, ApiKey, KeyId, KeyName, KeyStatus, ModelName, Role};

use crate::driven::{KeyRecord, KeyStore, NewKey, StoreError, StoredSecret};
use crate::test_util::sample::{MADE, NOON, api_key, new_key, plain_key};

/// Runs the whole contract on an empty store.
pub async fn key_store_contract(store: &dyn KeyStore) {
    let first = a_stored_key_comes_back_in_full(store).await;
    let second = names_and_secrets_are_taken_once(store).await;
    an_update_replaces_everything_but_secrets(store, &first).await;
    a_new_secret_ends_the_older_ones(store, first.key.id).await;
    a_revoked_key_frees_its_name_and_never_changes_again(store, &second).await;
    names_are_text_and_nothing_else(store).await;
    watchers_are_told_of_every_change(store, first.key.id).await;
}

async fn watchers_are_told_of_every_change(store: &dyn KeyStore, id: KeyId) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    store.watch(Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let issued = store.insert(&new_key("watched", 77)).await.expect("stored");
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert!(store.update(&issued.key).await.expect("updated"));
    assert_eq!(told.load(Ordering::SeqCst), 2);
    let secret = StoredSecret::from(&plain_key(78));
    let replaced = store.replace_secret(issued.key.id, &secret, NOON).await;
    assert!(replaced.expect("replaced"));
    assert_eq!(told.load(Ordering::SeqCst), 3);
    store.get(id).await.expect("read");
    assert_eq!(told.load(Ordering::SeqCst), 3);
}

fn full_key() -> NewKey {
    let model = |name| ModelName::new(name).expect("a good name");
    let key = ApiKey {
        role: Role::Admin,
        status: KeyStatus::Disabled,
        tier: Some("gold".into()),
        default_model: Some(model("llama3")),
        allowed_models: vec![model("llama3"), model("org/m:1, \"x\"")],
        allowed_ips: AllowList::parse(["10.0.0.0/8", "2001:db8::1"]).expect("good networks"),
        limits: Limits {
            rpm: Some(60),
            burst: Some(5),
            tpm: Some(1 << 40),
            max_parallel: Some(2),
        },
        quota: Some(Quota {
            limit: 1_000_000,
            period: Period::Month,
        }),
        expires_at: Some(NOON),
        ..api_key("full")
    };
    NewKey {
        key,
        ..new_key("full", 1)
    }
}

async fn a_stored_key_comes_back_in_full(store: &dyn KeyStore) -> KeyRecord {
    let new = full_key();
    let record = store.insert(&new).await.expect("stored");
    assert_eq!(
        record.key,
        ApiKey {
            id: record.key.id,
            ..new.key.clone()
        }
    );
    assert_eq!(
        (&record.prefix, &record.last4),
        (&new.secret.prefix, &new.secret.last4)
    );
    assert_eq!(
        (
            record.balance.used,
            record.balance.reserved,
            record.balance.since
        ),
        (0, 0, MADE)
    );
    assert_eq!(record.last_used_at, None);
    let found = store
        .find(&new.secret.digest)
        .await
        .expect("read")
        .expect("found");
    assert_eq!((&found.key, found.secret_ends), (&record.key, None));
    assert_eq!(
        store.get(record.key.id).await.expect("read"),
        Some(record.clone())
    );
    assert_eq!(
        store.list().await.expect("read"),
        std::slice::from_ref(&record)
    );
    assert_eq!(
        store.find(&plain_key(99).digest()).await.expect("read"),
        None
    );
    assert_eq!(
        store.get(KeyId(record.key.id.0 + 1)).await.expect("read"),
        None
    );
    record
}

async fn names_and_secrets_are_taken_once(store: &dyn KeyStore) -> KeyRecord {
    let taken = |outcome: Result<KeyRecord, StoreError>| match outcome {
        Err(StoreError::Taken { field }) => field,
        other => panic!("expected Taken, got {other:?}"),
    };
    assert_eq!(taken(store.insert(&new_key("full", 2)).await), "name");
    assert_eq!(taken(store.insert(&new_key("second", 1)).await), "key");
    let second = store
        .insert(&new_key("second", 2))
        .await
        .expect("neither name nor secret was kept");
    assert_eq!(store.list().await.expect("read").len(), 2);
    second
}

async fn an_update_replaces_everything_but_secrets(store: &dyn KeyStore, first: &KeyRecord) {
    let changed = ApiKey {
        id: first.key.id,
        ..api_key("plain")
    };
    assert!(store.update(&changed).await.expect("stored"));
    let record = store
        .get(first.key.id)
        .await
        .expect("read")
        .expect("still there");
    assert_eq!(
        record,
        KeyRecord {
            key: changed.clone(),
            ..first.clone()
        }
    );
    let clash = ApiKey {
        name: KeyName::new("second").expect("a good name"),
        ..changed.clone()
    };
    assert!(matches!(
        store.update(&clash).await,
        Err(StoreError::Taken { field: "name" })
    ));
    assert!(
        store
            .update(&changed)
            .await
            .expect("its own name is no clash")
    );
    assert!(
        !store
            .update(&ApiKey {
                id: KeyId(4711),
                ..changed
            })
            .await
            .expect("read")
    );
}

async fn a_new_secret_ends_the_older_ones(store: &dyn KeyStore, id: KeyId) {
    let rotate = async |seed, end| {
        store
            .replace_secret(id, &StoredSecret::from(&plain_key(seed)), end)
            .await
    };
    let end_of = async |seed| {
        store
            .find(&plain_key(seed).digest())
            .await
            .expect("read")
            .expect("found")
            .secret_ends
    };
    let (soon, later) = (NOON, NOON.after(Duration::from_secs(60)));
    assert!(rotate(10, soon).await.expect("stored"));
    assert!(rotate(11, later).await.expect("stored"));
    assert_eq!(
        (end_of(1).await, end_of(10).await, end_of(11).await),
        (Some(soon), Some(later), None)
    );
    let record = store.get(id).await.expect("read").expect("there");
    assert_eq!(record.last4, plain_key(11).last4());
    assert!(matches!(
        rotate(10, soon).await,
        Err(StoreError::Taken { field: "key" })
    ));
    assert_eq!(
        (end_of(10).await, end_of(11).await),
        (Some(later), None),
        "a refused rotation ends nothing"
    );
    let nobody = store
        .replace_secret(KeyId(4711), &StoredSecret::from(&plain_key(12)), soon)
        .await;
    assert!(!nobody.expect("read"));
}

async fn a_revoked_key_frees_its_name_and_never_changes_again(
    store: &dyn KeyStore,
    second: &KeyRecord,
) {
    let revoked = ApiKey {
        status: KeyStatus::Revoked,
        ..second.key.clone()
    };
    assert!(store.update(&revoked).await.expect("stored"));
    assert!(
        !store.update(&second.key).await.expect("read"),
        "it does not come back"
    );
    assert!(
        !store
            .replace_secret(second.key.id, &StoredSecret::from(&plain_key(20)), NOON)
            .await
            .expect("read")
    );
    let listed = store.list().await.expect("read");
    assert!(listed.iter().all(|record| record.key.id != second.key.id));
    assert_eq!(
        store
            .get(second.key.id)
            .await
            .expect("read")
            .expect("its row stays")
            .key,
        revoked
    );
    let found = store
        .find(&plain_key(2).digest())
        .await
        .expect("read")
        .expect("also when dead");
    assert_eq!(found.key.status, KeyStatus::Revoked);
    let heir = store
        .insert(&new_key("second", 21))
        .await
        .expect("the name is free");
    assert!(heir.key.id > second.key.id, "numbers are never given twice");
}

async fn names_are_text_and_nothing_else(store: &dyn KeyStore) {
    for (index, name) in [
        "'; DROP TABLE api_keys; --",
        "\" OR 1=1",
        "a%_\\",
        "Zürich ☂",
    ]
    .into_iter()
    .enumerate()
    {
        let stored = store
            .insert(&new_key(name, 100 + index as u64))
            .await
            .expect("stored");
        assert_eq!(stored.key.name.as_str(), name);
        assert_eq!(store.get(stored.key.id).await.expect("read"), Some(stored));
    }
}
