//! Models in SQLite: sealed credentials, and numbers that last.

use std::fs;
use std::sync::Arc;

use modelgate_adapters::sealer::{AeadSealer, SecretKey};
use modelgate_adapters::sql::{Database, SqlCatalog};
use modelgate_domain::{BackendKind, Model, Secret};
use modelgate_ports::driven::{Catalog as _, NewModel, NewTarget};
use modelgate_ports::test_util::SeededEntropy;
use modelgate_ports::test_util::sample::{new_model, new_target};

use crate::scratch::Scratch;

const CREDENTIAL: &str = "sk-upstream-canary-0123456789";

async fn catalog(sql: Database, key: &str) -> SqlCatalog {
    let key = SecretKey::parse(&key.repeat(32)).expect("a key");
    let sealer = AeadSealer::new(&key, Arc::new(SeededEntropy::new(3))).expect("a sealer");
    SqlCatalog::load(sql, Arc::new(sealer)).await.expect("read")
}

fn with_credential(name: &str) -> NewModel {
    let target = NewTarget {
        credential: Secret::new(CREDENTIAL),
        ..new_target("http://10.0.0.1:8000")
    };
    NewModel {
        targets: vec![target],
        ..new_model(name)
    }
}

fn credentials(model: &Model) -> Vec<Option<&str>> {
    model
        .targets
        .iter()
        .map(|target| target.credential.as_ref().map(Secret::reveal))
        .collect()
}

#[tokio::test]
async fn a_credential_is_on_the_disk_only_sealed() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let stored = catalog(sql.clone(), "a1")
        .await
        .insert(&with_credential("m"))
        .await
        .expect("stored");
    let log = fs::read(format!("{}-wal", scratch.path().display())).expect("there");
    sql.close().await;
    let file = fs::read(scratch.path()).expect("there");
    for bytes in [log, file] {
        assert!(bytes.windows(3).any(|found| found == b"v1:"));
        assert!(
            !bytes
                .windows(CREDENTIAL.len())
                .any(|found| found == CREDENTIAL.as_bytes())
        );
    }
    drop(sql);
    let again = catalog(scratch.open(), "a1").await;
    assert_eq!(
        again.models().get(stored.id),
        Some(&stored),
        "it opens again with the same key"
    );
}

#[tokio::test]
async fn with_another_key_the_model_stays_and_its_credential_is_left_out() {
    let scratch = Scratch::new();
    let id = catalog(scratch.open(), "a1")
        .await
        .insert(&with_credential("m"))
        .await
        .expect("stored")
        .id;
    let other = catalog(scratch.open(), "b2").await;
    assert_eq!(credentials(other.models().get(id).expect("there")), [None]);
    drop(other);
    let first = catalog(scratch.open(), "a1").await;
    assert_eq!(
        credentials(first.models().get(id).expect("there")),
        [Some(CREDENTIAL)],
        "nothing was lost by looking"
    );
}

#[tokio::test]
async fn a_change_made_with_another_key_does_not_wipe_the_credential() {
    let target = |url: &str, upstream_name: &str, credential: Option<&str>| NewTarget {
        credential: credential.and_then(Secret::new),
        upstream_name: upstream_name.to_owned(),
        ..new_target(url)
    };
    let old = target("http://10.0.0.1:8000", "a", Some(CREDENTIAL));
    for (what, new, expected) in [
        (
            "same",
            target("http://10.0.0.1:8000", "a", None),
            Some(CREDENTIAL),
        ),
        (
            "name",
            target("http://10.0.0.1:8000", "b", None),
            Some(CREDENTIAL),
        ),
        (
            "path",
            target("http://10.0.0.1:8000/v2", "a", None),
            Some(CREDENTIAL),
        ),
        ("host", target("http://10.0.0.2:8000", "a", None), None),
        (
            "kind",
            NewTarget {
                kind: BackendKind::Api3,
                ..target("http://10.0.0.1:8000", "a", None)
            },
            None,
        ),
    ] {
        let scratch = Scratch::new();
        let sql = scratch.open();
        let model = |targets: Vec<NewTarget>| NewModel {
            targets,
            ..new_model("m")
        };
        let first = catalog(sql.clone(), "a1").await;
        let id = first
            .insert(&model(vec![old.clone()]))
            .await
            .expect("stored")
            .id;
        let other = catalog(sql.clone(), "b2").await;
        let changed = other.replace(id, &model(vec![new.clone()])).await;
        let changed = changed.expect("stored").expect("there");
        assert_eq!(credentials(&changed), [None], "{what}");
        let again = catalog(sql.clone(), "a1").await;
        assert_eq!(
            credentials(again.models().get(id).expect("there")),
            [expected],
            "{what}"
        );
        let cleared = again.replace(id, &model(vec![new.clone()])).await;
        assert_eq!(
            credentials(&cleared.expect("stored").expect("there")),
            [None],
            "{what}"
        );
    }
}

#[tokio::test]
async fn credentials_that_do_not_open_stay_with_their_targets() {
    let target = |upstream_name: &str, credential: Option<&str>| NewTarget {
        credential: credential.and_then(Secret::new),
        upstream_name: upstream_name.to_owned(),
        ..new_target("http://10.0.0.1:8000")
    };
    let model = |targets: Vec<NewTarget>| NewModel {
        targets,
        ..new_model("m")
    };
    let scratch = Scratch::new();
    let sql = scratch.open();
    let first = catalog(sql.clone(), "a1").await;
    let old = model(vec![target("a", Some("sk-a")), target("b", Some("sk-b"))]);
    let id = first.insert(&old).await.expect("stored").id;
    let other = catalog(sql.clone(), "b2").await;
    let new = model(vec![
        target("b", None),
        target("a", Some("sk-new")),
        target("c", None),
    ]);
    other
        .replace(id, &new)
        .await
        .expect("stored")
        .expect("there");
    let again = catalog(sql.clone(), "a1").await;
    let models = again.models();
    assert_eq!(
        credentials(models.get(id).expect("there")),
        [Some("sk-b"), None, None]
    );
    let other = catalog(sql.clone(), "b2").await;
    let models = other.models();
    assert_eq!(
        credentials(models.get(id).expect("there")),
        [None, Some("sk-new"), None]
    );
}

#[tokio::test]
async fn a_credential_does_not_open_for_another_host() {
    let scratch = Scratch::new();
    let id = catalog(scratch.open(), "a1")
        .await
        .insert(&with_credential("m"))
        .await
        .expect("stored")
        .id;
    for (url, expected) in [
        ("http://10.0.0.1:8000/v2", Some(CREDENTIAL)),
        ("http://10.0.0.1:8001/v1", None),
        ("http://attacker.example/v1", None),
    ] {
        scratch.execute(&format!("UPDATE model_targets SET base_url = '{url}'"));
        let catalog = catalog(scratch.open(), "a1").await;
        assert_eq!(
            credentials(catalog.models().get(id).expect("there")),
            [expected],
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_target_that_stays_keeps_its_number() {
    let scratch = Scratch::new();
    let catalog = catalog(scratch.open(), "a1").await;
    let targets = |urls: &[&str]| urls.iter().map(|url| new_target(url)).collect::<Vec<_>>();
    let stored = catalog
        .insert(&NewModel {
            targets: targets(&["http://a", "http://b", "http://b"]),
            ..new_model("m")
        })
        .await
        .expect("stored");
    let ids: Vec<i64> = stored.targets.iter().map(|target| target.id.0).collect();
    let new = NewModel {
        targets: targets(&["http://b", "http://c"]),
        ..new_model("m")
    };
    let replaced = catalog
        .replace(stored.id, &new)
        .await
        .expect("stored")
        .expect("there");
    let kept: Vec<i64> = replaced.targets.iter().map(|target| target.id.0).collect();
    assert_eq!(kept, [ids[1], ids[2] + 1]);
}

#[tokio::test]
async fn what_makes_no_sense_is_said_and_not_guessed() {
    let scratch = Scratch::new();
    catalog(scratch.open(), "a1")
        .await
        .insert(&new_model("m"))
        .await
        .expect("stored");
    for (change, place) in [
        ("UPDATE models SET tiers = 'gold'", "models.tiers"),
        (
            "UPDATE models SET tiers = '[]', options = 'x'",
            "models.options",
        ),
        (
            "UPDATE models SET options = '{}'; UPDATE model_targets SET kind = 'telnet'",
            "model_targets.kind",
        ),
    ] {
        scratch.execute(change);
        let key = SecretKey::parse(&"a1".repeat(32)).expect("a key");
        let sealer = AeadSealer::new(&key, Arc::new(SeededEntropy::new(3))).expect("a sealer");
        let Err(error) = SqlCatalog::load(scratch.open(), Arc::new(sealer)).await else {
            panic!("{change} was read")
        };
        assert_eq!(
            error.to_string(),
            format!("the store holds an impossible value in {place}")
        );
    }
}
