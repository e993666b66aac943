//! The contract of `Catalog`.

use std::sync::Arc;

use modelgate_domain::model::ModelOptions;
use modelgate_domain::{BackendKind, Model, ModelId, ModelName, Secret};

use crate::driven::{Catalog, NewModel, NewTarget, StoreError};
use crate::test_util::sample::{new_model, new_target};

/// Runs the whole contract on an empty catalog.
pub async fn catalog_contract(catalog: &dyn Catalog) {
    let first = a_stored_model_comes_back_in_full(catalog).await;
    one_name_means_one_model(catalog, &first).await;
    replacing_leaves_nothing_of_the_old(catalog, &first).await;
    removing_frees_the_names_but_not_the_number(catalog, &first).await;
    names_are_text_and_nothing_else(catalog).await;
}

fn name(text: &str) -> ModelName {
    ModelName::new(text).expect("a good name")
}

fn full_model() -> NewModel {
    let echo = NewTarget {
        kind: BackendKind::Echo,
        base_url: None,
        priority: -1,
        ..new_target("http://unused")
    };
    let remote = NewTarget {
        credential: Secret::new("sk-upstream"),
        priority: 5,
        ..new_target("http://10.0.0.1:8000")
    };
    NewModel {
        aliases: vec![name("fast"), name("org/quick:1")],
        enabled: false,
        tiers: vec!["gold".into(), "a, \"b\"".into()],
        options: ModelOptions {
            num_ctx: Some(8192),
            keep_alive: Some("-1".into()),
            openai_api: true,
            truncate: true,
        },
        context_length: Some(131_072),
        capabilities: vec!["completion".into(), "tools".into()],
        targets: vec![remote, echo],
        ..new_model("full")
    }
}

/// What a model says, without the numbers that the store gave.
fn told(model: &Model) -> NewModel {
    NewModel {
        name: model.name.clone(),
        aliases: model.aliases.clone(),
        enabled: model.enabled,
        tiers: model.tiers.clone(),
        options: model.options.clone(),
        context_length: model.context_length,
        capabilities: model.capabilities.clone(),
        targets: model.targets.iter().map(told_target).collect(),
        created_at: model.created_at,
    }
}

fn told_target(target: &modelgate_domain::Target) -> NewTarget {
    NewTarget {
        kind: target.kind,
        base_url: target.base_url.clone(),
        upstream_name: target.upstream_name.clone(),
        credential: target.credential.clone(),
        priority: target.priority,
    }
}

async fn a_stored_model_comes_back_in_full(catalog: &dyn Catalog) -> Arc<Model> {
    assert!(catalog.models().all().is_empty());
    let new = full_model();
    let stored = catalog.insert(&new).await.expect("stored");
    let mut expected = new.clone();
    expected.targets.reverse(); // by priority
    assert_eq!(told(&stored), expected);
    let models = catalog.models();
    assert_eq!(models.get(stored.id), Some(&stored));
    for known in ["full", "fast", "org/quick:1"] {
        assert_eq!(models.resolve(known), Some(&stored), "{known}");
    }
    stored
}

async fn one_name_means_one_model(catalog: &dyn Catalog, first: &Model) {
    let check = async |label: &str, aliases: &[&str], expected: &str| {
        let new = NewModel {
            aliases: aliases.iter().map(|&alias| name(alias)).collect(),
            ..new_model(label)
        };
        match catalog.insert(&new).await {
            Err(StoreError::Taken { field }) => assert_eq!(field, expected, "{label} {aliases:?}"),
            other => panic!("expected Taken, got {other:?}"),
        }
    };
    check("full", &[], "name").await;
    check("fast", &[], "name").await;
    check("other", &["full"], "aliases").await;
    check("other", &["new", "fast"], "aliases").await;
    assert_eq!(catalog.models().all().len(), 1, "nothing was half stored");
    let second = NewModel {
        aliases: vec![name("new"), name("other"), name("new")],
        ..new_model("other")
    };
    let second = catalog
        .insert(&second)
        .await
        .expect("its own names are no clash");
    assert_eq!(second.aliases, [name("new")]);
    assert!(second.id > first.id);
    let clash = catalog.replace(second.id, &new_model("full")).await;
    assert!(matches!(clash, Err(StoreError::Taken { field: "name" })));
}

async fn replacing_leaves_nothing_of_the_old(catalog: &dyn Catalog, first: &Model) {
    let new = NewModel {
        targets: vec![new_target("http://10.0.0.2:8000")],
        ..new_model("renamed")
    };
    let replaced = catalog
        .replace(first.id, &new)
        .await
        .expect("stored")
        .expect("found");
    assert_eq!((replaced.id, told(&replaced)), (first.id, new.clone()));
    let models = catalog.models();
    assert!(models.resolve("full").is_none() && models.resolve("fast").is_none());
    assert_eq!(models.resolve("renamed"), Some(&replaced));
    let same = catalog
        .replace(first.id, &new)
        .await
        .expect("its own names are no clash");
    assert_eq!(same.map(|model| told(&model)), Some(new.clone()));
    assert!(
        catalog
            .replace(ModelId(4711), &new_model("nobody"))
            .await
            .expect("read")
            .is_none()
    );
}

async fn removing_frees_the_names_but_not_the_number(catalog: &dyn Catalog, first: &Model) {
    let before = catalog.models();
    let last = catalog.insert(&new_model("last")).await.expect("stored");
    assert!(
        before.resolve("last").is_none(),
        "what was handed out does not change"
    );
    assert!(catalog.remove(last.id).await.expect("stored"));
    assert!(!catalog.remove(last.id).await.expect("read"));
    assert!(catalog.models().resolve("last").is_none());
    let heir = catalog
        .insert(&new_model("last"))
        .await
        .expect("the name is free");
    assert!(heir.id > last.id, "numbers are never given twice");
    assert!(catalog.models().get(first.id).is_some());
}

async fn names_are_text_and_nothing_else(catalog: &dyn Catalog) {
    for odd in ["'; DROP TABLE models; --", "\" OR 1=1", "a%_\\", "Zürich ☂"] {
        let stored = catalog.insert(&new_model(odd)).await.expect("stored");
        assert_eq!(catalog.models().resolve(odd), Some(&stored));
    }
}
