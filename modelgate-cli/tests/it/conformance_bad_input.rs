//! Cases 22–24 and 30: bodies, model names and content types that are refused before any upstream hears of them.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{Key, TestGate, chat_body};
use crate::samples::{KINDS, post_routes};

/// `depth` levels of arrays inside one unknown field of the body.
fn nested(body: &Value, levels: usize) -> String {
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let text = body.to_string();
    format!("{},\"deep\":{deep}}}", &text[..text.len() - 1])
}

async fn send(gate: &TestGate, key: &Key, path: &str, body: impl Into<String>) -> Answer {
    gate.post(path)
        .bearer(key)
        .json_text(body.into())
        .send()
        .await
}

async fn assert_nothing_happened(gate: &TestGate) {
    assert!(
        gate.upstream.calls().is_empty(),
        "{:?}",
        gate.upstream.calls()
    );
    assert_eq!(
        gate.rows().await,
        [] as [Value; 0],
        "a refused request leaves no row"
    );
}

#[tokio::test]
async fn case_22_a_body_that_is_no_json_object_gets_400() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    for (path, good) in post_routes("m") {
        let good = good.to_string();
        let no_json = [
            "",
            " ",
            "{",
            "[",
            "{]",
            "nul",
            "{\"model\":\"m\",}",
            "{\"model\":\"m\"}}",
            &good[..good.len() - 1],
        ];
        for body in no_json {
            let refusal = send(&gate, &key, path, body).await.refused(400, None);
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {body}");
        }
        for body in ["null", "[]", "\"x\"", "1", "true", "[{\"model\":\"m\"}]"] {
            let refusal = send(&gate, &key, path, body).await.refused_with(400);
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {body}");
        }
    }
    assert_nothing_happened(&gate).await;
}

#[tokio::test]
async fn case_22_every_kind_refuses_a_truncated_body() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        let body = chat_body(kind, "hi").to_string();
        send(&gate, &key, "/v1/chat/completions", &body[..body.len() - 2])
            .await
            .refused_with(400);
        send(
            &gate,
            &key,
            "/v1/chat/completions",
            nested(&chat_body(kind, "hi"), 200),
        )
        .await
        .refused_with(400);
    }
    assert_nothing_happened(&gate).await;
}

#[tokio::test]
async fn case_22_nesting_is_limited_to_128_levels() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    for (path, good) in post_routes("m") {
        for levels in [128, 200, 100_000] {
            send(&gate, &key, path, nested(&good, levels))
                .await
                .refused_with(400);
        }
        let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        send(&gate, &key, path, objects).await.refused_with(400);
    }
    assert_nothing_happened(&gate).await;
    let deepest = nested(&chat_body("m", "hi"), 127); // and the object around it
    send(&gate, &key, "/v1/chat/completions", deepest)
        .await
        .expect_status(200);
}

#[tokio::test]
async fn case_23_a_missing_or_odd_model_gets_400_that_names_model() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let missing = [None, Some(json!(null)), Some(json!("")), Some(json!("   "))];
    let odd = [
        json!(7),
        json!(1.5),
        json!(true),
        json!(["m"]),
        json!({"id": "m"}),
    ];
    let table = missing
        .into_iter()
        .map(|model| (model, "missing_required_parameter"));
    let table: Vec<_> = table
        .chain(odd.into_iter().map(|model| (Some(model), "invalid_type")))
        .collect();
    for (path, good) in post_routes("m") {
        for (model, code) in &table {
            let body = with_model(good.clone(), model.as_ref());
            let refusal = send(&gate, &key, path, body.to_string())
                .await
                .refused(400, *code);
            assert_eq!(refusal.param.as_deref(), Some("model"), "{path} {body}");
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {body}");
        }
    }
    assert_nothing_happened(&gate).await;
}

#[tokio::test]
async fn case_23_a_default_model_is_inserted_for_a_missing_one() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    let form = json!({"name": "k", "quota": null, "rate_limit": null, "default_model": "m"});
    let key = gate.issue_key(form).await;
    for (path, good) in post_routes("m") {
        for model in [None, Some(json!(null)), Some(json!(""))] {
            let before = gate.upstream.calls().len();
            let body = with_model(good.clone(), model.as_ref());
            let answer = send(&gate, &key, path, body.to_string())
                .await
                .expect_status(200);
            assert_eq!(answer.json()["model"], "m", "{path} {body}");
            let calls = gate.upstream.calls();
            assert_eq!(calls.len(), before + 1, "{path} {body}");
            assert_eq!(
                calls[before].json()["model"],
                "upstream-model",
                "{path} {body}"
            );
            assert_eq!(
                calls[before].body_text().matches("\"model\"").count(),
                1,
                "{path} {body}"
            );
        }
        let body = with_model(good, Some(&json!(7)));
        send(&gate, &key, path, body.to_string())
            .await
            .refused(400, "invalid_type");
    }
}

#[tokio::test]
async fn case_24_an_unknown_model_gets_404_for_every_route() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let long = "x".repeat(2_000);
    for model in [
        "no-such",
        "M",
        "m ",
        " m",
        "m\u{0}",
        "m/",
        "ｍ",
        "' OR 1=1 --",
        "%",
        "m\n",
        &long,
    ] {
        for (path, good) in post_routes(model) {
            let refusal = send(&gate, &key, path, good.to_string())
                .await
                .refused(404, "model_not_found");
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {model}");
        }
    }
    assert_nothing_happened(&gate).await;
}

#[tokio::test]
async fn case_24_a_model_that_is_not_allowed_reads_like_an_unknown_one() {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    gate.add_model(json!({"name": "off", "backend_type": "echo", "enabled": false}))
        .await;
    let form =
        json!({"name": "narrow", "quota": null, "rate_limit": null, "allowed_models": ["echo"]});
    let key = gate.issue_key(form).await;
    gate.chat_call(&key, &chat_body("echo", "hi"))
        .send()
        .await
        .expect_status(200);
    let unknown = refusal_for(&gate, &key, "no-such-model").await;
    for model in KINDS
        .into_iter()
        .filter(|kind| *kind != "echo")
        .chain(["off"])
    {
        assert_eq!(refusal_for(&gate, &key, model).await, unknown, "{model}");
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_30_content_types_are_judged_alike_on_every_route() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let accepted = [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
    ];
    let refused = [
        "text/plain",
        "text/plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ];
    for (path, good) in post_routes("m") {
        for content_type in accepted {
            let call = gate.post(path).bearer(&key).body(good.to_string());
            let call = if let Some(value) = content_type {
                call.header("content-type", value)
            } else {
                call
            };
            let answer = call.send().await;
            assert_eq!(
                answer.status,
                200,
                "{path} {content_type:?} {}",
                answer.describe()
            );
        }
        let before = gate.upstream.calls().len();
        for content_type in refused {
            let call = gate
                .post(path)
                .bearer(&key)
                .header("content-type", content_type);
            let refusal = call
                .body(good.to_string())
                .send()
                .await
                .refused(415, "unsupported_content_type");
            assert_eq!(
                refusal.kind, "invalid_request_error",
                "{path} {content_type}"
            );
        }
        assert_eq!(gate.upstream.calls().len(), before, "{path}");
    }
}

/// The body with another model, or without one.
fn with_model(mut body: Value, model: Option<&Value>) -> Value {
    match model {
        Some(model) => body["model"] = model.clone(),
        None => drop(
            body.as_object_mut()
                .and_then(|fields| fields.shift_remove("model")),
        ),
    }
    body
}

/// Message and param of the 404 for a model, its name taken out.
async fn refusal_for(gate: &TestGate, key: &Key, model: &str) -> (String, Option<String>) {
    let answer = gate.chat_call(key, &chat_body(model, "hi")).send().await;
    let refusal = answer.refused(404, "model_not_found");
    assert!(refusal.message.contains(model), "{}", refusal.message);
    (refusal.message.replace(model, "<model>"), refusal.param)
}
