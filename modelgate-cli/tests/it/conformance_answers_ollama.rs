//! Cases 60 and 61: whole answers and errors of Ollama's own API, and what clients get of them.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::conformance_streams_dialects::{ollama_last, stream_body};
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{Script, json};

pub(crate) async fn gate() -> (TestGate, Key) {
    let gate = TestGate::start().await;
    let key = gate.with_model("ollama", "ollama").await;
    (gate, key)
}

/// A whole answer with these members in its message.
pub(crate) fn answered(message: &Value, done_reason: &str) -> Script {
    let mut line: Value = serde_json::from_str(&ollama_last(done_reason)).expect("a line");
    for (name, value) in message.as_object().expect("a message") {
        line["message"][name] = value.clone();
    }
    json(200, &line.to_string())
}

pub(crate) async fn asked(gate: &TestGate, key: &Key, script: Script) -> Value {
    gate.plays("ollama", script);
    let answer = gate
        .chat_call(key, &chat_body("ollama", "hi"))
        .send()
        .await
        .expect_status(200);
    answer.json()
}

pub(crate) fn call(name: &str, arguments: &Value) -> Value {
    json!({"function": {"index": 0, "name": name, "arguments": arguments}})
}

#[tokio::test]
async fn case_60_tool_calls_of_a_whole_answer() {
    let (gate, key) = gate().await;
    let arguments = json!({"z": 1, "a": {"x": [1.50, "é \"q\""]}});
    let with_id = json!({"id": "call_ab12cd34", "function": {"index": 0, "name": "one", "arguments": arguments}});
    let message =
        json!({"tool_calls": [with_id, call("two", &json!({})), call("three", &json!({}))]});
    let answer = asked(&gate, &key, answered(&message, "stop")).await;
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let calls = choice["message"]["tool_calls"].as_array().expect("calls");
    assert_eq!(calls[0]["id"], "call_ab12cd34");
    let ids: HashSet<&str> = calls
        .iter()
        .map(|call| call["id"].as_str().expect("an id"))
        .collect();
    assert!(
        ids.len() == 3 && ids.iter().all(|id| id.starts_with("call_") && id.len() > 8),
        "{ids:?}"
    );
    assert!(
        calls.iter().all(|call| call["type"] == "function"),
        "{calls:?}"
    );
    let names: Vec<&Value> = calls.iter().map(|call| &call["function"]["name"]).collect();
    assert_eq!(names, ["one", "two", "three"]);
    let text = calls[0]["function"]["arguments"]
        .as_str()
        .expect("arguments as a string");
    assert_eq!(text, arguments.to_string(), "compact and in their order");
    assert_eq!(calls[1]["function"]["arguments"], "{}");
    check_usage(&answer);
}

fn check_usage(answer: &Value) {
    let usage = ["prompt_tokens", "completion_tokens", "total_tokens"]
        .map(|name| answer["usage"][name].clone());
    assert_eq!(usage, [json!(7), json!(3), json!(10)], "{answer}");
    assert_eq!(
        (&answer["object"], &answer["model"]),
        (&json!("chat.completion"), &json!("ollama"))
    );
    assert!(
        answer["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("chatcmpl-")),
        "{answer}"
    );
    assert!(answer["created"].is_i64(), "{answer}");
}

#[tokio::test]
async fn case_60_thinking_length_and_their_mixture() {
    let (gate, key) = gate().await;
    let thought = json!({"content": "Rome", "thinking": "Let me \"see\"\n"});
    let answer = asked(&gate, &key, answered(&thought, "stop")).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!(
        (&message["reasoning_content"], &message["content"]),
        (&json!("Let me \"see\"\n"), &json!("Rome"))
    );
    assert!(
        message.get("tool_calls").is_none(),
        "absent, never empty: {message}"
    );
    check_usage(&answer);

    let cut = asked(&gate, &key, answered(&json!({"content": "Ro"}), "length")).await;
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    let cut_call = answered(&json!({"tool_calls": [call("f", &json!({}))]}), "length");
    assert_eq!(
        asked(&gate, &key, cut_call).await["choices"][0]["finish_reason"],
        "length"
    );
    for reason in ["load", "unload"] {
        let empty = asked(&gate, &key, answered(&json!({}), reason)).await;
        assert_eq!(
            (
                &empty["choices"][0]["finish_reason"],
                &empty["choices"][0]["message"]["content"]
            ),
            (&json!("stop"), &json!(""))
        );
    }
}

#[tokio::test]
async fn case_60_ids_never_repeat() {
    let (gate, key) = gate().await;
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let answer = asked(
            &gate,
            &key,
            answered(&json!({"tool_calls": [call("f", &json!({}))]}), "stop"),
        )
        .await;
        assert!(ids.insert(answer["id"].clone()), "{answer}");
        assert!(
            ids.insert(answer["choices"][0]["message"]["tool_calls"][0]["id"].clone()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn case_61_an_error_within_an_error_is_unwrapped() {
    let (gate, key) = gate().await;
    let inner = json!({"error": {"code": 400, "message": "request (12 tokens) exceeds the available context size (8 tokens)",
        "type": "exceed_context_size_error", "n_prompt_tokens": 12, "n_ctx": 8}});
    let other = json!({"error": {"code": 400, "message": "no grammar for this", "type": "invalid_request_error"}});
    for (status, inner, code) in [
        (400, &inner, Some("context_length_exceeded")),
        (500, &inner, Some("context_length_exceeded")),
        (400, &other, None),
    ] {
        gate.plays(
            "ollama",
            json(status, &json!({"error": inner.to_string()}).to_string()),
        );
        for body in [chat_body("ollama", "hi"), stream_body("ollama")] {
            let refusal = gate.chat_call(&key, &body).send().await.refused(400, code);
            assert_eq!(
                refusal.message,
                inner["error"]["message"].as_str().expect("a message")
            );
            assert_eq!(refusal.kind, "invalid_request_error");
        }
    }
    for (status, text, expected, code) in [
        (
            404,
            "model 'upstream-model' not found",
            404,
            Some("model_not_found"),
        ),
        (
            400,
            "\"upstream-model\" does not support thinking",
            400,
            None,
        ),
        (
            400,
            "the input length exceeds the context length",
            400,
            Some("context_length_exceeded"),
        ),
        (
            500,
            "llama runner process has terminated",
            502,
            Some("upstream_error"),
        ),
    ] {
        gate.plays("ollama", json(status, &json!({"error": text}).to_string()));
        let answer = gate
            .chat_call(&key, &chat_body("ollama", "hi"))
            .send()
            .await;
        answer.refused(expected, code);
        assert!(
            !answer.text().contains("upstream-model"),
            "{}",
            answer.text()
        );
    }
}
