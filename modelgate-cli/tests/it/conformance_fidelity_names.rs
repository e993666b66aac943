//! Case 25: the upstream hears its own name of a model, the client only the one it used.

use serde_json::{Value, json};

use crate::client::{Answer, ends_well};
use crate::gate::{Key, TestGate};
use crate::samples::{KINDS, PASS_THROUGH, post_routes};
use crate::upstream::{self, Script, openai_chunk, sse};

/// One model of every kind, `model-<kind>` with the alias `fast-<kind>`.
async fn with_aliases() -> (TestGate, Key) {
    let gate = TestGate::start().await;
    for kind in KINDS {
        let mut form = gate.model_form(&format!("model-{kind}"), kind);
        form["aliases"] = json!([format!("fast-{kind}")]);
        gate.add_model(form).await;
    }
    let key = gate.free_key("k").await;
    (gate, key)
}

async fn send(gate: &TestGate, key: &Key, path: &str, body: &Value) -> Answer {
    gate.post(path).bearer(key).json(body).send().await
}

#[tokio::test]
async fn case_25_answers_show_the_name_the_client_used() {
    let (gate, key) = with_aliases().await;
    for kind in KINDS {
        for name in [format!("fast-{kind}"), format!("model-{kind}")] {
            for (path, body) in post_routes(&name) {
                let before = gate.upstream.calls().len();
                let answer = send(&gate, &key, path, &body).await.expect_status(200);
                assert_eq!(answer.json()["model"], name.as_str(), "{path}");
                assert!(!answer.text().contains("upstream-model"), "{path} {name}");
                let calls = &gate.upstream.calls()[before..];
                assert!(
                    calls
                        .iter()
                        .all(|call| call.json()["model"] == "upstream-model"),
                    "{path} {calls:?}"
                );
                assert_eq!(calls.is_empty(), kind == "echo", "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn case_25_every_chunk_shows_the_name_the_client_used() {
    let (gate, key) = with_aliases().await;
    for kind in KINDS {
        let name = format!("fast-{kind}");
        for (path, mut body) in post_routes(&name).into_iter().take(2) {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
            let mut stream = gate.post(path).bearer(&key).json(&body).stream().await;
            let events = stream.collect().await;
            assert!(ends_well(&events) && events.len() > 2, "{path} {events:?}");
            for event in events.iter().filter(|event| !event.is_done()) {
                assert_eq!(event.json()["model"], name.as_str(), "{path} {event:?}");
            }
            assert!(!stream.text().contains("upstream-model"), "{path} {kind}");
        }
    }
}

#[tokio::test]
async fn case_25_errors_that_name_the_model_show_the_name_the_client_used() {
    let (gate, key) = with_aliases().await;
    let said = |kind: &str| match kind {
        "ollama" => upstream::json(404, r#"{"error":"model 'upstream-model' not found"}"#),
        "llamacpp" => upstream::json(
            404,
            r#"{"error":{"code":404,"message":"model \"upstream-model\" not found","type":"not_found_error"}}"#,
        ),
        "vllm" => upstream::json(
            404,
            r#"{"error":{"message":"The model `upstream-model` does not exist.","type":"NotFoundError","param":"model","code":404}}"#,
        ),
        _ => upstream::json(
            404,
            r#"{"error":{"message":"The model `upstream-model` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        ),
    };
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        let name = format!("fast-{kind}");
        gate.upstream.answers(said(kind));
        for (path, body) in post_routes(&name) {
            let answer = send(&gate, &key, path, &body).await;
            let refusal = answer.refused(404, "model_not_found");
            assert!(refusal.message.contains(&name), "{}", refusal.message);
            assert!(!answer.text().contains("upstream-model"), "{path} {kind}");
        }
    }
}

#[tokio::test]
async fn case_25_an_error_in_mid_stream_shows_the_name_the_client_used() {
    let (gate, key) = with_aliases().await;
    let first = openai_chunk(&json!({"role": "assistant", "content": "hel"}), None);
    let failed = r#"{"error":{"message":"upstream-model ran out of memory","type":"server_error","param":null,"code":null}}"#;
    let line =
        r#"{"model":"upstream-model","message":{"role":"assistant","content":"hel"},"done":false}"#;
    let script = |kind: &str| -> Script {
        match kind {
            "ollama" => {
                upstream::ndjson(&[line, r#"{"error":"upstream-model ran out of memory"}"#])
            }
            _ => sse(&[first.as_str(), failed]),
        }
    };
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        let name = format!("fast-{kind}");
        gate.upstream.answers(script(kind));
        let mut body = crate::gate::chat_body(&name, "hi");
        body["stream"] = true.into();
        let mut stream = gate.chat_call(&key, &body).stream().await;
        let events = stream.collect().await;
        let last = events.last().expect("an error event").json();
        assert!(last["error"]["message"].is_string(), "{kind} {last}");
        assert!(
            !stream.text().contains("upstream-model"),
            "{}",
            stream.text()
        );
    }
}
