//! The admin API: models and sync.

use serde_json::{Value, json};

use crate::fixture::Gate;

#[tokio::test]
async fn a_model_with_one_target_shows_it_and_never_its_credential() {
    let gate = Gate::new().await;
    let form = json!({"name": "gpt", "aliases": ["fast"], "backend_type": "api3", "base_url": "https://api.example.com",
        "upstream_name": "gpt-x", "api_key": "sk-canary", "tiers": ["gold"], "context_length": 8192, "options": {"num_ctx": 4096}});
    let answer = gate.admin("POST", "/admin/models", &form).await.expect(201);
    assert!(!answer.text().contains("sk-canary"));
    let model = answer.json();
    let server = json!({"backend_type": "api3", "base_url": "https://api.example.com/v1", "upstream_name": "gpt-x", "has_api_key": true});
    for (field, value) in server.as_object().expect("an object") {
        assert_eq!(
            (&model[field], &model["targets"][0][field]),
            (value, value),
            "{field}"
        );
    }
    assert_eq!(
        (&model["aliases"], &model["tiers"], &model["enabled"]),
        (&json!(["fast"]), &json!(["gold"]), &json!(true))
    );
    assert_eq!(
        (&model["context_length"], &model["options"]["num_ctx"]),
        (&json!(8192), &json!(4096))
    );
    assert_eq!(
        gate.get("/admin/models/2", &gate.admin)
            .await
            .expect(200)
            .json(),
        model
    );
    assert_eq!(
        gate.get("/admin/models", &gate.admin)
            .await
            .expect(200)
            .json()[0],
        model
    );
    let moved = gate
        .admin(
            "PUT",
            "/admin/models/2",
            &json!({"base_url": "https://evil.example"}),
        )
        .await;
    assert_eq!(moved.param(400), "api_key");
    let off = gate
        .admin(
            "PUT",
            "/admin/models/2",
            &json!({"enabled": false, "api_key": null}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&off["enabled"], &off["has_api_key"], &off["upstream_name"]),
        (&json!(false), &json!(false), &json!("gpt-x"))
    );
    let gone = gate
        .admin("DELETE", "/admin/models/2", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(gone, json!({"id": 2, "deleted": true}));
}

#[tokio::test]
async fn a_model_with_more_targets_lists_them() {
    let gate = Gate::new().await;
    let target = |port: u16, priority: i32| json!({"backend_type": "vllm", "base_url": format!("http://localhost:{port}"), "priority": priority});
    let form = json!({"name": "big", "targets": [target(1, 0), target(2, 1)]});
    let model = gate
        .admin("POST", "/admin/models", &form)
        .await
        .expect(201)
        .json();
    assert_eq!(model["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(model.get("base_url"), None);
    let check = async |form: Value, param: &str| {
        assert_eq!(
            gate.admin("POST", "/admin/models", &form).await.param(400),
            param,
            "{form}"
        );
    };
    check(json!({"name": "x"}), "backend_type").await;
    check(json!({"name": "x", "backend_type": "vllm"}), "base_url").await;
    check(
        json!({"name": "x", "backend_type": "vllm", "base_url": "ftp://x"}),
        "base_url",
    )
    .await;
    check(json!({"name": "x", "targets": []}), "targets").await;
    check(json!({"name": "x", "targets": [{"backend_type": "vllm", "base_url": "http://169.254.169.254"}]}), "targets[0].base_url").await;
    check(
        json!({"name": "x", "backend_type": "echo", "targets": [{"backend_type": "echo"}]}),
        "targets",
    )
    .await;
}

#[tokio::test]
async fn sync_reports_what_it_did() {
    let gate = Gate::new().await;
    let report = gate
        .admin("POST", "/admin/models/sync", &json!({"dry_run": true}))
        .await
        .expect(200)
        .json();
    assert_eq!(report, json!({"dry_run": true, "backends": []}));
    assert_eq!(
        gate.admin("POST", "/admin/models/sync", &json!({"backend": "x"}))
            .await
            .param(400),
        "backend"
    );
}
