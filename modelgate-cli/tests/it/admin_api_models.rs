//! `/admin/models` as DESIGN.md §5 and §8 (2) say it: one target or several, changes, refusals.

use serde_json::{Value, json};

use crate::admin_api_keys::send;
use crate::gate::{TestGate, UPSTREAM_KEY, chat_body};

async fn create(gate: &TestGate, form: &Value) -> Value {
    send(gate, "POST", "/admin/models", form)
        .await
        .expect_status(201)
        .json()
}

fn path_of(model: &Value) -> String {
    format!("/admin/models/{}", model["id"])
}

#[tokio::test]
async fn a_model_with_one_target_shows_its_fields() {
    let gate = TestGate::start().await;
    for kind in ["ollama", "vllm", "llamacpp", "openai", "api3", "echo"] {
        let model = create(&gate, &gate.model_form(kind, kind)).await;
        assert_eq!(gate.admin(&path_of(&model)).await, model, "{kind}");
        assert_eq!(
            (&model["name"], &model["backend_type"], &model["enabled"]),
            (&json!(kind), &json!(kind), &json!(true))
        );
        assert_eq!(model["targets"].as_array().map(Vec::len), Some(1), "{kind}");
        if kind != "echo" {
            assert_eq!(model["upstream_name"], "upstream-model", "{kind}");
            assert!(
                model["base_url"]
                    .as_str()
                    .is_some_and(|url| url.starts_with(&gate.upstream.url())),
                "{model}"
            );
        }
        assert!(
            !model.to_string().contains(UPSTREAM_KEY) && model.get("api_key").is_none(),
            "{model}"
        );
    }
    let listed = gate.admin("/admin/models").await;
    assert_eq!(listed.as_array().map(Vec::len), Some(6));
    assert!(!listed.to_string().contains(UPSTREAM_KEY));
}

#[tokio::test]
async fn the_upstream_name_is_the_name_unless_it_is_given() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let model = create(
        &gate,
        &json!({"name": "org/name:tag", "backend_type": "vllm", "base_url": gate.upstream.url()}),
    )
    .await;
    assert_eq!(model["upstream_name"], "org/name:tag");
    gate.chat_call(&key, &chat_body("org/name:tag", "hi"))
        .send()
        .await
        .expect_status(200);
    assert_eq!(gate.upstream.only_call().json()["model"], "org/name:tag");
}

#[tokio::test]
async fn addresses_are_completed_by_kind() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let url = gate.upstream.url();
    let table = [
        ("vllm", "", "/v1/chat/completions"),
        ("vllm", "/", "/v1/chat/completions"),
        ("vllm", "/v1", "/v1/chat/completions"),
        ("vllm", "/v1/", "/v1/chat/completions"),
        ("api3", "/api", "/api/v1/chat/completions"),
        ("api3", "/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("api3", "/v1beta", "/v1beta/chat/completions"),
        ("ollama", "", "/api/chat"),
        ("ollama", "/v1", "/api/chat"),
        ("ollama", "/v1/", "/api/chat"),
        ("ollama", "/sub", "/sub/api/chat"),
    ];
    for (number, (kind, path, expected)) in table.into_iter().enumerate() {
        let name = format!("m{number}");
        create(
            &gate,
            &json!({"name": name, "backend_type": kind, "base_url": format!("{url}{path}")}),
        )
        .await;
        gate.chat_call(&key, &chat_body(&name, "hi")).send().await;
        let calls = gate.upstream.calls();
        let called = calls
            .iter()
            .rev()
            .find(|call| !call.path.ends_with("/api/show"))
            .expect("a call");
        assert_eq!(called.path, expected, "{kind} {path}");
    }
}

#[tokio::test]
async fn fields_change_one_by_one_and_hold_at_once() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "api3").await;
    let path = format!(
        "/admin/models/{}",
        gate.admin("/admin/models").await[0]["id"]
    );
    let put = async |form: Value| {
        send(&gate, "PUT", &path, &form)
            .await
            .expect_status(200)
            .json()
    };
    let before = gate.admin(&path).await;
    assert_eq!(put(json!({})).await, before);
    let changed = put(json!({"upstream_name": "other"})).await;
    assert_eq!(
        (
            &changed["upstream_name"],
            &changed["name"],
            &changed["base_url"]
        ),
        (&json!("other"), &json!("m"), &before["base_url"])
    );
    gate.chat(&key, "hi").await.expect_status(200);
    let call = gate.upstream.calls().pop().expect("a call");
    assert_eq!(call.json()["model"], "other");
    assert_eq!(
        call.header("authorization"),
        Some(format!("Bearer {UPSTREAM_KEY}").as_str()),
        "an absent credential stays"
    );
    put(json!({"api_key": null})).await;
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(
        gate.upstream
            .calls()
            .pop()
            .expect("a call")
            .header("authorization"),
        None
    );
    put(json!({"enabled": false})).await;
    gate.chat(&key, "hi").await.refused(404, "model_not_found");
    put(json!({"enabled": true, "name": "n", "aliases": ["m", "o"]})).await;
    for name in ["m", "n", "o"] {
        gate.chat_call(&key, &chat_body(name, "hi"))
            .send()
            .await
            .expect_status(200);
    }
    put(json!({"aliases": []})).await;
    gate.chat(&key, "hi").await.refused(404, "model_not_found");
    let kind = put(json!({"backend_type": "vllm"})).await;
    assert_eq!(kind["backend_type"], "vllm");
}

#[tokio::test]
async fn several_targets_are_given_as_a_list() {
    let gate = TestGate::start().await;
    let url = gate.upstream.url();
    let targets = json!([
        {"backend_type": "vllm", "base_url": url, "upstream_name": "a", "priority": 1},
        {"backend_type": "api3", "base_url": url, "upstream_name": "b", "api_key": UPSTREAM_KEY, "priority": 0},
    ]);
    let model = create(&gate, &json!({"name": "m", "targets": targets})).await;
    let shown = model["targets"].as_array().expect("targets");
    let names: Vec<_> = shown
        .iter()
        .map(|target| {
            (
                &target["backend_type"],
                &target["upstream_name"],
                &target["priority"],
            )
        })
        .collect();
    assert_eq!(names.len(), 2);
    assert!(
        names.contains(&(&json!("vllm"), &json!("a"), &json!(1)))
            && names.contains(&(&json!("api3"), &json!("b"), &json!(0))),
        "{names:?}"
    );
    assert!(!model.to_string().contains(UPSTREAM_KEY));
    let key = gate.free_key("k").await;
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(gate.upstream.only_call().json()["model"], "b");
    for (form, param) in [
        (json!({"targets": []}), "targets"),
        (json!({"targets": "x"}), "targets"),
        (
            json!({"targets": [{"backend_type": "vllm"}]}),
            "targets[0].base_url",
        ),
        (
            json!({"targets": [{"backend_type": "echo"}, {"backend_type": "nginx"}]}),
            "targets[1].backend_type",
        ),
        (
            json!({"targets": [{"backend_type": "echo", "x": 1}]}),
            "targets[0].x",
        ),
        (
            json!({"targets": [{"backend_type": "vllm", "base_url": "ftp://x"}]}),
            "targets[0].base_url",
        ),
        (json!({"upstream_name": "c"}), "targets"),
    ] {
        let refusal = send(&gate, "PUT", &path_of(&model), &form)
            .await
            .refused_with(400);
        assert_eq!(refusal.param.as_deref(), Some(param), "{form}");
    }
    assert_eq!(gate.admin(&path_of(&model)).await, model);
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused_by_name_and_nothing_is_stored() {
    let gate = TestGate::start().await;
    let model = create(&gate, &gate.model_form("m", "vllm")).await;
    let before = gate.admin("/admin/models").await;
    let table = [
        ("name", json!("")),
        ("name", json!(null)),
        ("name", json!(7)),
        ("backend_type", json!("nginx")),
        ("backend_type", json!(null)),
        ("base_url", json!("")),
        ("base_url", json!("localhost:8000")),
        ("base_url", json!("ftp://h/")),
        ("base_url", json!("http://")),
        ("base_url", json!("http://user:pw@h/")),
        ("base_url", json!("http://h/?a=b")),
        ("base_url", json!("http://h/#x")),
        ("base_url", json!("http://169.254.169.254/")),
        ("base_url", json!("http://h:99999/")),
        ("base_url", json!("http://a b/")),
        ("upstream_name", json!("")),
        ("upstream_name", json!(1)),
        ("api_key", json!("two words")),
        ("api_key", json!("a\nb")),
        ("api_key", json!(1)),
        ("enabled", json!("yes")),
        ("enabled", json!(1)),
        ("aliases", json!(7)),
        ("tiers", json!(7)),
        ("priority", json!("1")),
        ("context_length", json!(0)),
        ("context_length", json!(-1)),
        ("context_length", json!("8k")),
    ];
    for (name, bad) in table {
        for method in ["POST", "PUT"] {
            let mut form = gate.model_form("new", "vllm");
            form[name] = bad.clone();
            let path = if method == "POST" {
                "/admin/models".to_owned()
            } else {
                path_of(&model)
            };
            let answer = send(&gate, method, &path, &form).await;
            let param = answer.refused_with(400).param.unwrap_or_default();
            assert!(param.starts_with(name), "{method} {name} {bad}: {param}");
        }
    }
    for name in ["id", "created_at", "url", "Name", "x"] {
        for (method, path) in [
            ("POST", "/admin/models".to_owned()),
            ("PUT", path_of(&model)),
        ] {
            let mut form = gate.model_form("new", "vllm");
            form[name] = json!("x");
            let refusal = send(&gate, method, &path, &form)
                .await
                .refused(400, "unknown_parameter");
            assert_eq!(refusal.param.as_deref(), Some(name), "{method}");
        }
    }
    assert_eq!(gate.admin("/admin/models").await, before);
}

#[tokio::test]
async fn what_a_model_needs_is_asked_for_by_name() {
    let gate = TestGate::start().await;
    for (form, param) in [
        (json!({"backend_type": "echo"}), "name"),
        (json!({"name": "m"}), "backend_type"),
        (json!({"name": "m", "backend_type": "vllm"}), "base_url"),
    ] {
        let refusal = send(&gate, "POST", "/admin/models", &form)
            .await
            .refused_with(400);
        assert_eq!(refusal.param.as_deref(), Some(param), "{form}");
    }
    assert_eq!(gate.admin("/admin/models").await, json!([]));
}

#[tokio::test]
async fn names_and_aliases_are_taken_once() {
    let gate = TestGate::start().await;
    let mut form = gate.model_form("m", "vllm");
    form["aliases"] = json!(["fast", "cheap"]);
    let model = create(&gate, &form).await;
    let other = create(&gate, &gate.model_form("other", "vllm")).await;
    for name in ["m", "fast", "cheap"] {
        let refusal = send(
            &gate,
            "POST",
            "/admin/models",
            &gate.model_form(name, "vllm"),
        )
        .await
        .refused_with(409);
        assert_eq!(refusal.param.as_deref(), Some("name"), "{name}");
        let refusal = send(&gate, "PUT", &path_of(&other), &json!({"name": name}))
            .await
            .refused_with(409);
        assert_eq!(refusal.param.as_deref(), Some("name"), "{name}");
        let refusal = send(
            &gate,
            "PUT",
            &path_of(&other),
            &json!({"aliases": ["new", name]}),
        )
        .await
        .refused_with(409);
        assert!(
            refusal
                .param
                .is_some_and(|param| param.starts_with("aliases")),
            "{name}"
        );
    }
    assert_eq!(gate.admin(&path_of(&other)).await, other);
    send(
        &gate,
        "PUT",
        &path_of(&model),
        &json!({"name": "m", "aliases": ["fast"]}),
    )
    .await
    .expect_status(200);
    create(&gate, &gate.model_form("cheap", "vllm")).await;
}

#[tokio::test]
async fn a_deleted_model_is_gone_and_its_name_free() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.chat(&key, "hi").await.expect_status(200);
    let model = gate.admin("/admin/models").await[0].clone();
    let gone = send(&gate, "DELETE", &path_of(&model), &json!({})).await;
    assert!(matches!(gone.status, 200 | 204), "{}", gone.describe());
    gate.chat(&key, "hi").await.refused(404, "model_not_found");
    for path in [path_of(&model), "/admin/models/4711".to_owned()] {
        for method in ["GET", "PUT", "DELETE"] {
            send(&gate, method, &path, &json!({}))
                .await
                .refused_with(404);
        }
    }
    assert_eq!(gate.rows().await[0]["model"], "m", "its rows stay");
    create(&gate, &json!({"name": "m", "backend_type": "echo"})).await;
    let call = gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(call.json()["model"], "m");
    assert_eq!(gate.upstream.calls().len(), 1);
}
