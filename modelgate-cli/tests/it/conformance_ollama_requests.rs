//! Cases 11–13: histories with tools and parts, translated for Ollama and passed on to the others.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{Key, TestGate};
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream::{self, Recorded};

/// What `/api/show` says of a model that can do everything.
const ABLE: &str = r#"{"capabilities":["completion","tools","insert","vision","thinking","audio","embedding"],
    "model_info":{"general.architecture":"llama","llama.context_length":8192}}"#;

/// A gate with model `m` on an Ollama server that can do everything.
pub(crate) async fn with_ollama() -> (TestGate, Key) {
    let gate = TestGate::start().await;
    gate.upstream.on("/api/show", upstream::json(200, ABLE));
    gate.upstream.on(
        "/api/version",
        upstream::json(200, r#"{"version":"0.33.0"}"#),
    );
    let key = gate.with_model("m", "ollama").await;
    (gate, key)
}

/// The generating calls: everything but questions about the model.
pub(crate) fn generations(gate: &TestGate) -> Vec<Recorded> {
    let mut calls = gate.upstream.calls();
    calls.retain(|call| call.path != "/api/show");
    calls
}

/// Sends a body of exact text, and says what `/api/chat` got for it.
pub(crate) async fn chatted_text(gate: &TestGate, key: &Key, body: &str) -> Recorded {
    let before = generations(gate).len();
    let call = gate.post("/v1/chat/completions").bearer(key);
    call.json_text(body.to_owned())
        .send()
        .await
        .expect_status(200);
    let mut calls = generations(gate).split_off(before);
    assert_eq!(calls.len(), 1, "{body}: {calls:?}");
    let call = calls.remove(0);
    assert_eq!(call.path, "/api/chat", "{body}");
    call
}

/// Sends `{"model":"m", <fields>}` with a message unless `fields` has some, and says what `/api/chat` got for it.
pub(crate) async fn chatted(gate: &TestGate, key: &Key, fields: &Value) -> Value {
    chatted_text(gate, key, &body_of(fields).to_string())
        .await
        .json()
}

/// The same for what must be refused before anything is generated.
pub(crate) async fn refused(gate: &TestGate, key: &Key, fields: &Value) -> Answer {
    let before = generations(gate).len();
    let answer = gate.chat_call(key, &body_of(fields)).send().await;
    assert_eq!(
        generations(gate).len(),
        before,
        "{fields} reached the server"
    );
    answer
}

fn body_of(fields: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

fn history(arguments: &str) -> Value {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}});
    json!([
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ])
}

#[tokio::test]
async fn case_11_a_call_without_content_and_its_result_are_accepted_by_every_kind() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        let before = generations(&gate).len();
        let body = json!({"model": kind, "messages": history(r#"{"city":"Rome"}"#)});
        gate.chat_call(&key, &body).send().await.expect_status(200);
        let calls = generations(&gate);
        if PASS_THROUGH.contains(&kind) {
            assert_eq!(calls[before].json()["messages"], body["messages"], "{kind}");
        }
        assert_eq!(calls.len() - before, usize::from(kind != "echo"), "{kind}");
    }
}

#[tokio::test]
async fn case_11_ollama_gets_empty_content_and_arguments_as_an_object() {
    let (gate, key) = with_ollama().await;
    let got = chatted(
        &gate,
        &key,
        &json!({"messages": history(r#"{"city":"Rome"}"#)}),
    )
    .await;
    let messages = &got["messages"];
    assert_eq!(messages.as_array().map(Vec::len), Some(3), "{got}");
    assert_eq!(messages[0], json!({"role": "user", "content": "weather?"}));
    assert_eq!(
        (&messages[1]["role"], &messages[1]["content"]),
        (&json!("assistant"), &json!(""))
    );
    let function = &messages[1]["tool_calls"][0]["function"];
    assert_eq!(function["name"], "weather");
    assert_eq!(function["arguments"], json!({"city": "Rome"}));
    let result = &messages[2];
    assert_eq!(
        (&result["role"], &result["content"]),
        (&json!("tool"), &json!("sunny"))
    );
    assert_eq!(
        (&result["tool_call_id"], &result["tool_name"]),
        (&json!("call_1"), &json!("weather"))
    );
}

#[tokio::test]
async fn case_11_absent_content_counts_as_empty_and_names_are_looked_up() {
    let (gate, key) = with_ollama().await;
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
    let messages = json!([
        {"role": "developer", "content": "be short"},
        {"role": "user", "content": "both"},
        {"role": "assistant", "tool_calls": [call("a", "one"), call("b", "two")]},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "a", "name": "given", "content": "3"},
    ]);
    let got = chatted(&gate, &key, &json!({"messages": messages})).await;
    assert_eq!(got["messages"][0]["role"], "system");
    assert_eq!(got["messages"][2]["content"], "");
    let named = (3..6).map(|index| got["messages"][index]["tool_name"].clone());
    assert_eq!(named.collect::<Vec<_>>(), ["two", "one", "given"]);
}

#[tokio::test]
async fn case_12_text_parts_of_every_role_are_accepted_by_every_kind() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        let before = generations(&gate).len();
        let body = json!({"model": kind, "messages": parts_of_every_role()});
        gate.chat_call(&key, &body).send().await.expect_status(200);
        if PASS_THROUGH.contains(&kind) {
            let got = generations(&gate)[before].json();
            assert_eq!(got["messages"], body["messages"], "{kind}");
        }
    }
}

#[tokio::test]
async fn case_12_ollama_gets_one_message_of_joined_parts_for_each() {
    let (gate, key) = with_ollama().await;
    let got = chatted(&gate, &key, &json!({"messages": parts_of_every_role()})).await;
    let messages = got["messages"].as_array().expect("messages");
    let seen: Vec<_> = messages
        .iter()
        .map(|message| (&message["role"], &message["content"]))
        .collect();
    let joined = json!("one\ntwo");
    let roles = ["system", "user", "assistant", "tool"].map(Value::from);
    assert_eq!(
        seen,
        roles.iter().map(|role| (role, &joined)).collect::<Vec<_>>()
    );
    assert_eq!(messages[3]["tool_call_id"], "call_1");
}

fn parts_of_every_role() -> Value {
    let parts = json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]);
    let call =
        json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    json!([
        {"role": "system", "content": parts},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": parts, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": parts},
    ])
}

#[tokio::test]
async fn case_13_empty_arguments_become_an_empty_object() {
    let (gate, key) = with_ollama().await;
    for arguments in ["", "{}", " { } "] {
        let got = chatted(&gate, &key, &json!({"messages": history(arguments)})).await;
        let function = &got["messages"][1]["tool_calls"][0]["function"];
        assert_eq!(function["arguments"], json!({}), "{arguments:?}");
    }
}

#[tokio::test]
async fn case_13_arguments_that_are_no_object_are_refused_by_place() {
    let (gate, key) = with_ollama().await;
    for arguments in [
        "[1]", "not json", "\"text\"", "1", "null", "{\"a\":}", "{} {}", "{\"a\":1",
    ] {
        let answer = refused(&gate, &key, &json!({"messages": history(arguments)})).await;
        let param = answer.refused_with(400).param.unwrap_or_default();
        assert!(
            param.starts_with("messages[1].tool_calls[0]"),
            "{arguments}: {param}"
        );
    }
    let call = |arguments: &str| json!({"id": "x", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let messages = json!([
        {"role": "user", "content": "hi"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [call("{}"), call("{}"), call("[]")]},
    ]);
    let answer = refused(&gate, &key, &json!({"messages": messages})).await;
    let param = answer.refused_with(400).param.unwrap_or_default();
    assert!(param.starts_with("messages[2].tool_calls[2]"), "{param}");
}

#[tokio::test]
async fn case_13_arguments_keep_their_digits_and_their_order() {
    let (gate, key) = with_ollama().await;
    let arguments = r#"{"z":9007199254740993,"a":0.1000000000000000055,"m":{"10":1e400,"9":-0}}"#;
    let body = json!({"model": "m", "messages": history(arguments)}).to_string();
    let got = chatted_text(&gate, &key, &body).await;
    let kept = format!("\"arguments\":{arguments}");
    assert!(got.body_text().contains(&kept), "{}", got.body_text());
}
