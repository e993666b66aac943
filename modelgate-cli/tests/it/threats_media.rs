//! Threats S12 and S14: links to files in messages, and what backends say about themselves.

use serde_json::{Value, json};

use crate::gate::{Key, TestGate, UPSTREAM_KEY, chat_body};
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream::{self, Script, Upstream, openai_chunk, sse};

const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";

fn with_part(model: &str, part: &Value) -> Value {
    let parts = json!([{"type": "text", "text": "look"}, part]);
    json!({"model": model, "messages": [{"role": "user", "content": parts}]})
}

fn links(url: &str) -> [Value; 5] {
    [
        json!({"type": "image_url", "image_url": {"url": url}}),
        json!({"type": "image_url", "image_url": url}),
        json!({"image_url": {"detail": "low", "url": url}, "type": "image_url"}),
        json!({"type": "video_url", "video_url": {"url": url}}),
        json!({"type": "audio_url", "audio_url": {"url": url}}),
    ]
}

#[tokio::test]
async fn s12_links_are_passed_on_by_default_and_never_fetched() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let sink = Upstream::start().await;
    let url = sink.url() + "/cat.png";
    for kind in PASS_THROUGH {
        for part in links(&url) {
            let body = with_part(kind, &part);
            gate.chat_call(&key, &body).send().await.expect_status(200);
            let got = gate.upstream.calls().pop().expect("a call").json();
            assert_eq!(got["messages"], body["messages"], "{kind}");
        }
    }
    for kind in ["ollama", "echo"] {
        let body = with_part(kind, &links(&url)[0]);
        let answer = gate.chat_call(&key, &body).send().await;
        assert!(matches!(answer.status, 200 | 400), "{}", answer.describe());
    }
    assert_eq!((sink.requests().len(), sink.open_connections()), (0, 0));
}

#[tokio::test]
async fn s12_data_only_refuses_links_by_place() {
    let gate = TestGate::with()
        .env("MG_UPSTREAMS_IMAGE_POLICY", "data_only")
        .start()
        .await;
    let key = gate.with_all_kinds().await;
    let sink = Upstream::start().await;
    for url in [
        sink.url() + "/cat.png",
        "https://example.com/cat.png".to_owned(),
        "HTTPS://example.com/cat.png".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://example.com/x".to_owned(),
        "//example.com/cat.png".to_owned(),
        " http://example.com/x".to_owned(),
    ] {
        for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
            for part in links(&url) {
                let answer = gate.chat_call(&key, &with_part(kind, &part)).send().await;
                let param = answer.refused_with(400).param.unwrap_or_default();
                assert!(param.starts_with("messages"), "{kind} {part}: {param}");
            }
        }
    }
    let asked = gate.upstream.calls();
    assert!(
        asked.iter().all(|call| call.path == "/api/show"),
        "{asked:?}"
    );
    assert_eq!((sink.requests().len(), sink.open_connections()), (0, 0));
}

#[tokio::test]
async fn s12_data_only_is_not_talked_around_by_spelling() {
    let gate = TestGate::with()
        .env("MG_UPSTREAMS_IMAGE_POLICY", "data_only")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let mut passed = Vec::new();
    for part in [
        r#"{"type":"image\u005furl","image_url":{"url":"http://e.example/x"}}"#,
        r#"{"type":"image_url","image\u005furl":{"url":"http://e.example/x"}}"#,
        r#"{"type":"image_url","image_url":{"u\u0072l":"http://e.example/x"}}"#,
        r#"{"type":"image_url","image_url":{"url":"\u0068ttp:\/\/e.example/x"}}"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","url":"http://e.example/x"}}"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"},"image_url":{"url":"http://e.example/x"}}"#,
        r#"{"image_url":{"url":"http://e.example/x"}}"#,
    ] {
        let body = format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":[{part}]}}]}}"
        );
        let call = gate.post("/v1/chat/completions").bearer(&key);
        let answer = call.json_text(body).send().await;
        if answer.status == 400 {
            answer.refused_with(400);
        } else {
            passed.push(part);
        }
    }
    assert_eq!(passed, [] as [&str; 0]);
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn s12_data_only_lets_data_pass() {
    let gate = TestGate::with()
        .env("MG_UPSTREAMS_IMAGE_POLICY", "data_only")
        .start()
        .await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        let part = json!({"type": "image_url", "image_url": {"url": IMAGE}});
        let body = with_part(kind, &part);
        gate.chat_call(&key, &body).send().await.expect_status(200);
        if PASS_THROUGH.contains(&kind) {
            let got = gate.upstream.calls().pop().expect("a call").json();
            assert_eq!(got["messages"], body["messages"], "{kind}");
        }
        let text = chat_body(kind, "see http://example.com/cat.png");
        gate.chat_call(&key, &text).send().await.expect_status(200);
    }
}

/// What an upstream may say that nobody else shall read.
fn talkative(gate: &TestGate) -> String {
    let address = gate.upstream.address();
    format!(
        "cannot load model at http://{address}/internal?token=query-canary: key {UPSTREAM_KEY} refused, \
         Authorization: Bearer bearer-canary-1f2e3d \u{1b}[31m\r\nsecond line\u{0} {}",
        "long ".repeat(2_000)
    )
}

fn assert_discreet(gate: &TestGate, what: &str, message: &str) {
    assert!(message.chars().count() <= 300, "{what}: {message}");
    assert!(
        !message.chars().any(char::is_control),
        "{what}: {message:?}"
    );
    for word in [
        &gate.upstream.address().to_string(),
        "127.0.0.1",
        UPSTREAM_KEY,
        "bearer-canary",
        "query-canary",
    ] {
        assert!(!message.contains(word), "{what}: {word} in {message}");
    }
}

/// A model of every kind, each with the credential that its server repeats.
async fn with_credentials() -> (TestGate, Key) {
    let gate = TestGate::start().await;
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        let mut form = gate.model_form(kind, kind);
        form["api_key"] = UPSTREAM_KEY.into();
        gate.add_model(form).await;
    }
    let key = gate.free_key("k").await;
    (gate, key)
}

fn error_of(kind: &str, text: &str) -> Value {
    match kind {
        "ollama" => json!({"error": text}),
        _ => {
            json!({"error": {"message": text, "type": "BadRequestError", "param": null, "code": 400}})
        }
    }
}

async fn message_of(gate: &TestGate, key: &Key, kind: &str) -> (String, String) {
    let answer = gate.chat_call(key, &chat_body(kind, "hi")).send().await;
    let refusal = answer.refused_with(answer.status);
    (refusal.message, answer.request_id().to_owned())
}

#[tokio::test]
async fn s14_errors_of_a_backend_are_cleaned_before_anybody_reads_them() {
    let (gate, key) = with_credentials().await;
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        for status in [400, 401, 403, 404, 422, 429, 500, 502, 503] {
            let body = error_of(kind, &talkative(&gate)).to_string();
            gate.upstream.answers(upstream::json(status, &body));
            let (message, id) = message_of(&gate, &key, kind).await;
            assert_discreet(&gate, &format!("{kind} {status}"), &message);
            let row = gate.row_of(&id).await;
            let stored = row["error_message"].as_str().unwrap_or_default();
            assert_discreet(&gate, &format!("row of {kind} {status}"), stored);
        }
        let page = format!("<html><body>{}</body></html>", talkative(&gate));
        let script = Script::status(502).header("content-type", "text/html");
        gate.upstream.answers(script.piece(page));
        let (message, _) = message_of(&gate, &key, kind).await;
        assert_discreet(&gate, kind, &message);
        assert!(!message.contains("<html"), "{message}");
    }
    gate.assert_secret_absent(&["bearer-canary-1f2e3d", "query-canary"]);
}

#[tokio::test]
async fn s14_errors_in_a_stream_are_cleaned_as_well() {
    let (gate, key) = with_credentials().await;
    let first = openai_chunk(&json!({"role": "assistant", "content": "hel"}), None);
    let line =
        r#"{"model":"upstream-model","message":{"role":"assistant","content":"hel"},"done":false}"#;
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        let error = error_of(kind, &talkative(&gate)).to_string();
        gate.upstream.answers(match kind {
            "ollama" => upstream::ndjson(&[line, &error]),
            _ => sse(&[&first, &error]),
        });
        let mut body = chat_body(kind, "hi");
        body["stream"] = true.into();
        let events = gate.chat_call(&key, &body).stream().await.collect().await;
        let error = events.last().expect("an error event").json();
        let message = error["error"]["message"].as_str().expect("a message");
        assert_discreet(&gate, kind, message);
    }
}

#[tokio::test]
async fn s14_an_unreachable_backend_is_not_named() {
    let gate = TestGate::start().await;
    let address = upstream::closed_port().await;
    for (name, url) in [
        ("refused", format!("http://{address}")),
        ("unknown", "http://host-canary.invalid:4711".to_owned()),
        ("tls", gate.upstream.url().replace("http:", "https:")),
    ] {
        gate.add_model(json!({"name": name, "backend_type": "vllm", "base_url": url}))
            .await;
        let key = gate.free_key(&format!("for {name}")).await;
        let answer = gate.chat_call(&key, &chat_body(name, "hi")).send().await;
        // Where no name server answers, the time to connect runs out instead.
        assert!(matches!(answer.status, 502 | 504), "{}", answer.describe());
        let refusal = answer.refused_with(answer.status);
        assert_discreet(&gate, name, &refusal.message);
        let shown = answer.text();
        assert!(
            !shown.contains("canary") && !shown.contains(&address.port().to_string()),
            "{shown}"
        );
    }
}
