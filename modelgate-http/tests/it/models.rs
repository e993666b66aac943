//! `/v1/models`, `/v1/key`, `/health` and `/ready`.

use modelgate_domain::{ModelName, Role};
use modelgate_ports::driven::{Catalog, NewModel};
use modelgate_ports::driving::console::KeyPatch;
use modelgate_ports::test_util::sample;
use serde_json::{Value, json};

use crate::fixture::Gate;

fn name(text: &str) -> ModelName {
    ModelName::new(text).expect("a name")
}

async fn add(gate: &Gate, model: NewModel) {
    gate.catalog.insert(&model).await.expect("a free name");
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| model["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test]
async fn models_are_listed_with_their_aliases_and_what_is_known_of_them() {
    let gate = Gate::new().await;
    let known = NewModel {
        aliases: vec![name("fast")],
        context_length: Some(8192),
        capabilities: vec!["tools".into()],
        ..sample::new_model("a/b:c")
    };
    add(&gate, known).await;
    add(
        &gate,
        NewModel {
            enabled: false,
            ..sample::new_model("off")
        },
    )
    .await;
    let list = gate.get("/v1/models", &gate.user).await.expect(200).json();
    assert_eq!(ids(&list), ["a/b:c", "fast", "m"]);
    let expected = json!({"id": "fast", "object": "model", "created": 1_767_225_600, "owned_by": "modelgate",
        "context_length": 8192, "max_model_len": 8192, "capabilities": ["tools"]});
    assert_eq!(list["data"][1], expected);
    assert_eq!(
        list["data"][2],
        json!({"id": "m", "object": "model", "created": 1_767_225_600, "owned_by": "modelgate"})
    );
    for spelled in ["a/b:c", "a%2Fb:c", "a%2fb%3Ac", "fast"] {
        let shown = gate
            .get(&format!("/v1/models/{spelled}"), &gate.user)
            .await
            .expect(200)
            .json();
        let id = if spelled == "fast" { "fast" } else { "a/b:c" };
        assert_eq!(
            (shown["id"].as_str(), &shown["context_length"]),
            (Some(id), &json!(8192)),
            "{spelled}"
        );
    }
}

#[tokio::test]
async fn without_a_model_the_list_is_empty() {
    let gate = Gate::new().await;
    let narrow = KeyPatch {
        allowed_models: Some(vec![name("none")]),
        ..KeyPatch::default()
    };
    let key = gate.key("narrow", Role::User, narrow).await.1;
    assert_eq!(
        gate.get("/v1/models", &key).await.expect(200).json(),
        json!({"object": "list", "data": []})
    );
    assert_eq!(
        gate.get("/v1/models/m", &key).await.code(404),
        "model_not_found"
    );
}

#[tokio::test]
async fn unknown_models_and_broken_spellings_get_404() {
    let gate = Gate::new().await;
    for spelled in ["no", "M", "m%20", "m/", "%zz", "%ff", "%", "off"] {
        let answer = gate.get(&format!("/v1/models/{spelled}"), &gate.user).await;
        assert_eq!(answer.code(404), "model_not_found", "{spelled}");
    }
}

#[tokio::test]
async fn a_key_sees_its_own_limits() {
    let gate = Gate::new().await;
    let patch = KeyPatch {
        tier: Some(Some("gold".into())),
        quota: Some(Some(500)),
        ..KeyPatch::default()
    };
    let (record, secret) = gate.key("limited", Role::User, patch).await;
    let answer = gate.get("/v1/key", &secret).await.expect(200);
    let view = answer.json();
    let expected = json!({"id": record.key.id.0, "name": "limited", "role": "user", "admin": false, "status": "active",
        "tier": "gold", "default_model": null, "allowed_models": [], "allowed_ips": [], "rate_limit": 60, "burst": null,
        "tpm": null, "max_parallel": null, "quota": 500, "quota_period": "total", "quota_used": 0, "quota_reserved": 0,
        "quota_resets_at": null, "expires_at": null, "created_at": "2026-01-01T12:00:00.000Z"});
    assert_eq!(view, expected);
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("60"));
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), Some("500"));
    assert!(!view.to_string().contains(&secret));
}

#[tokio::test]
async fn health_and_readiness_need_no_key() {
    let gate = Gate::new().await;
    let version = env!("CARGO_PKG_VERSION");
    for key in ["", "mg-wrong"] {
        assert_eq!(
            gate.get("/health", key).await.expect(200).json(),
            json!({"status": "ok", "version": version})
        );
        assert_eq!(
            gate.get("/ready", key).await.expect(200).json(),
            json!({"status": "ready", "version": version})
        );
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let gate = Gate::new().await;
    for path in [
        "/health",
        "/v1/models",
        "/v1/models/m",
        "/v1/models/none",
        "/admin/",
    ] {
        let get = gate.get(path, &gate.user).await;
        let head = gate
            .send(crate::fixture::call("HEAD", path, &gate.user, ""))
            .await;
        assert_eq!((head.status, head.text()), (get.status, ""), "{path}");
        let length = get.body.len().to_string();
        assert_eq!(
            head.header("content-length"),
            Some(length.as_str()),
            "{path}"
        );
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
    }
}
