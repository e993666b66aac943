//! Threats S9, S11, S13 and S29: what is sent upstream, with whose credential, and to whom.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::gate::{ADMIN_KEY, TestGate, UPSTREAM_KEY, chat_body};
use crate::samples::KINDS;
use crate::upstream::{self, Recorded, Upstream, ollama_chat, openai_chat, usage};

fn kinds_with_an_upstream() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().filter(|kind| *kind != "echo")
}

#[tokio::test]
async fn s09_nothing_a_client_says_leads_to_another_server() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let sink = Upstream::start().await;
    let fields = [
        "api_base",
        "base_url",
        "api_key",
        "provider",
        "upstream",
        "target",
        "backend",
        "route",
        "models",
        "proxy",
        "endpoint",
        "azure_endpoint",
        "host",
    ];
    let headers = [
        "x-api-base",
        "x-base-url",
        "x-upstream-host",
        "x-forwarded-host",
        "x-host",
        "x-target-url",
        "x-original-url",
        "x-litellm-api-base",
        "openai-base-url",
        "forwarded",
    ];
    for kind in kinds_with_an_upstream() {
        let mut body = chat_body(kind, "hi");
        for field in fields {
            body[field] = sink.url().into();
        }
        let call = headers
            .iter()
            .fold(gate.chat_call(&key, &body), |call, name| {
                call.header(name, sink.url())
            });
        call.header("host", sink.address().to_string())
            .send()
            .await
            .expect_status(200);
    }
    assert_eq!(
        (sink.requests().len(), sink.open_connections()),
        (0, 0),
        "the other server was asked"
    );
    for call in gate.upstream.calls() {
        let shown = format!("{:?}", call.headers);
        assert!(!shown.contains(&sink.address().to_string()), "{shown}");
        let is_passed_on = call.path.starts_with("/v1/");
        assert_eq!(
            call.json().get("api_base").is_some(),
            is_passed_on,
            "{}",
            call.body_text()
        );
    }
}

#[tokio::test]
async fn s11_a_new_host_does_not_get_the_old_credential() {
    let gate = TestGate::start().await;
    let thief = Upstream::start().await;
    let key = gate.with_model("m", "api3").await;
    let models = gate.admin("/admin/models").await;
    let path = format!("/admin/models/{}", models[0]["id"]);
    let port = gate.upstream.address().port();
    let change = async |form: Value| gate.put(&path).bearer(ADMIN_KEY).json(&form).send().await;
    for url in [
        thief.url(),
        format!("http://localhost:{port}"),
        format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1:1".to_owned(),
    ] {
        for form in [
            json!({"base_url": url}),
            json!({"base_url": url, "name": "n"}),
            json!({"base_url": url, "backend_type": "vllm"}),
        ] {
            let refusal = change(form).await.refused_with(400);
            assert_eq!(refusal.param.as_deref(), Some("api_key"), "{url}");
        }
    }
    assert_eq!(
        gate.admin("/admin/models").await,
        models,
        "nothing is half stored"
    );
    gate.chat(&key, "hi").await.expect_status(200);
    change(json!({"base_url": gate.upstream.url() + "/other/v1"}))
        .await
        .expect_status(200);
    change(json!({"base_url": thief.url(), "api_key": "its-own-key"}))
        .await
        .expect_status(200);
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(
        thief.only_call().header("authorization"),
        Some("Bearer its-own-key")
    );
}

#[tokio::test]
async fn s11_a_credential_may_be_taken_off_instead() {
    let gate = TestGate::start().await;
    let other = Upstream::start().await;
    let key = gate.with_model("m", "api3").await;
    let id = gate.admin("/admin/models").await[0]["id"].clone();
    let form = json!({"base_url": other.url(), "api_key": null});
    gate.put(&format!("/admin/models/{id}"))
        .bearer(ADMIN_KEY)
        .json(&form)
        .send()
        .await
        .expect_status(200);
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(other.only_call().header("authorization"), None);
}

#[tokio::test]
async fn s11_each_target_gets_its_own_credential_only() {
    let gate = TestGate::start().await;
    let (second, third) = (Upstream::start().await, Upstream::start().await);
    let target = |url: String, priority: u32| json!({"backend_type": "api3", "base_url": url, "upstream_name": "x", "priority": priority});
    let mut first = target(gate.upstream.url(), 0);
    first["api_key"] = UPSTREAM_KEY.into();
    let mut last = target(third.url(), 2);
    last["api_key"] = "third-key".into();
    let targets = json!([first, target(second.url(), 1), last]);
    gate.add_model(json!({"name": "m", "targets": targets}))
        .await;
    let key = gate.free_key("k").await;
    gate.upstream.answers(upstream::json(503, "{}"));
    second.answers(upstream::json(503, "{}"));
    gate.chat(&key, "hi").await.expect_status(200);
    let sent = |upstream: &Upstream| {
        upstream
            .only_call()
            .header("authorization")
            .map(str::to_owned)
    };
    assert_eq!(sent(&gate.upstream), Some(format!("Bearer {UPSTREAM_KEY}")));
    assert_eq!(sent(&second), None);
    assert_eq!(sent(&third), Some("Bearer third-key".to_owned()));
}

#[tokio::test]
async fn s13_only_listed_headers_go_upstream() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let allowed = [
        "host",
        "content-type",
        "content-length",
        "transfer-encoding",
        "accept",
        "accept-encoding",
        "user-agent",
        "authorization",
        "x-request-id",
        "connection",
        "traceparent",
    ];
    for kind in kinds_with_an_upstream() {
        let call = gate.chat_call(&key, &chat_body(kind, "hi"));
        let call = call
            .header("x-api-key", &key.secret)
            .header("cookie", "session=canary-cookie")
            .header("proxy-authorization", "Basic canary-proxy")
            .header("x-forwarded-for", "203.0.113.77")
            .header("x-real-ip", "203.0.113.77")
            .header("via", "1.1 canary-via")
            .header("openai-organization", "canary-organization")
            .header("openai-project", "canary-project")
            .header("api-key", "canary-azure")
            .header("x-goog-api-key", "canary-goog")
            .header("x-stainless-lang", "python")
            .header("te", "trailers")
            .header("upgrade", "websocket")
            .header("range", "bytes=0-1")
            .header("if-none-match", "\"canary\"")
            .header("x-amz-security-token", "canary-token")
            .header("user-agent", "canary-agent");
        call.send().await.expect_status(200);
    }
    for call in gate.upstream.requests() {
        for (name, value) in &call.headers {
            let name = name.to_ascii_lowercase();
            assert!(
                allowed.contains(&name.as_str()),
                "{name}: {value} went to {}",
                call.path
            );
            assert!(
                !value.contains("canary-") || value.contains(UPSTREAM_KEY),
                "{name}: {value} went to {}",
                call.path
            );
            assert!(!value.contains(&key.secret), "{name}: {value}");
        }
    }
}

/// The credential of a call, and the tag in its only message.
fn credential_and_tag(call: &Recorded) -> (String, String) {
    let credential = call.header("authorization").unwrap_or("none").to_owned();
    let tag = call.json()["messages"][0]["content"].clone();
    (credential, tag.as_str().expect("a tag").to_owned())
}

#[tokio::test]
async fn s29_interleaved_requests_are_never_mixed_up() {
    let gate = Arc::new(TestGate::start().await);
    gate.upstream.on(
        "/api/show",
        upstream::json(200, r#"{"capabilities":["completion"]}"#),
    );
    gate.upstream.answers_with(|request| {
        let (credential, tag) = credential_and_tag(request);
        let content = format!("{credential}|{tag}");
        if request.path == "/api/chat" {
            ollama_chat(&content, 1, 1)
        } else {
            openai_chat(&content, usage(1, 1))
        }
    });
    let credentials = add_models(&gate).await;
    let key = gate.free_key("k").await;
    let mut clients = JoinSet::new();
    for client in 0..24 {
        let (gate, key, credentials) = (Arc::clone(&gate), key.clone(), credentials.clone());
        clients.spawn(async move {
            let connection = gate.h2().await;
            for round in 0..125 {
                let number = (client + round) % credentials.len();
                let (model, credential) = &credentials[number];
                let tag = format!("tag-{client}-{round}-{}", "x".repeat(round * 7));
                let call = gate.chat_call(&key, &chat_body(model, &tag));
                let answer = connection.send(call).await.expect_status(200).json();
                let content = &answer["choices"][0]["message"]["content"];
                assert_eq!(*content, format!("{credential}|{tag}"), "{model}");
                assert_eq!(answer["model"], model.as_str());
            }
        });
    }
    clients.join_all().await;
    let mut seen: HashMap<usize, String> = HashMap::new();
    let calls = gate.upstream.calls();
    let chats = calls.iter().filter(|call| call.path != "/api/show");
    let chats: Vec<_> = chats.collect();
    assert_eq!(chats.len(), 3_000);
    for call in chats {
        let (credential, _) = credential_and_tag(call);
        let first = seen
            .entry(call.connection)
            .or_insert_with(|| credential.clone());
        assert_eq!(
            *first, credential,
            "connection {} carried two credentials",
            call.connection
        );
    }
    assert!(seen.len() < 1_500, "connections are reused: {}", seen.len());
}

/// Models on one server with different credentials, and what their calls must carry.
async fn add_models(gate: &TestGate) -> Vec<(String, String)> {
    let mut models = Vec::new();
    for (name, kind, secret) in [
        ("a", "api3", Some("secret-a")),
        ("b", "api3", Some("secret-b")),
        ("c", "openai", Some("secret-c")),
        ("d", "vllm", None),
        ("e", "ollama", Some("secret-e")),
    ] {
        let mut form = gate.model_form(name, kind);
        form["api_key"] = secret.into();
        gate.add_model(form).await;
        let credential = secret.map_or("none".to_owned(), |secret| format!("Bearer {secret}"));
        models.push((name.to_owned(), credential));
    }
    models
}
