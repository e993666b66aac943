//! Whole answers to chats.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::{BackendError, BackendFault};

use super::{envelope, ids, json};
use crate::backend::error::Names;
use crate::backend::ollama::ReasoningField;
use crate::backend::ollama::answer::{self, Written};

fn answer(native: &str) -> Result<Written, BackendError> {
    let envelope = envelope("chatcmpl-1", ReasoningField::ReasoningContent);
    answer::chat(native.as_bytes(), &envelope, &mut ids(), &Names::default())
}

fn text(native: &str) -> String {
    String::from_utf8(answer(native).unwrap().json).unwrap()
}

#[test]
fn an_answer_is_written_exactly_like_this() {
    let native = r#"{"model":"qwen3:8b","created_at":"2026-01-01T12:00:00.5Z","message":{"role":"assistant","content":"Hi é \u003c"},"done":true,
        "done_reason":"stop","total_duration":9,"prompt_eval_count":20,"eval_count":7}"#;
    assert_eq!(
        text(native),
        concat!(
            r#"{"id":"chatcmpl-1","object":"chat.completion","created":1767268800,"model":"fast","system_fingerprint":"fp_ollama","#,
            r#""choices":[{"index":0,"message":{"role":"assistant","content":"Hi é \u003c","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#,
            r#""usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}}"#,
        )
    );
    assert_eq!(
        answer(native).unwrap().usage,
        Some(TokenUsage {
            prompt: 20,
            completion: 7,
            ..TokenUsage::default()
        })
    );
}

#[test]
fn case_60_calls_thoughts_and_lengths_are_told() {
    let native = r#"{"message":{"role":"assistant","content":"","thinking":"hm","tool_calls":[
        {"id":"call_1","function":{"index":0,"name":"a","arguments":{"x": [1, 2.50], "y":"a b"}}},
        {"function":{"index":0,"name":"b","arguments":{}}}, {"function":{"name":"c"}}]},"done":true,"done_reason":"stop","eval_count":3}"#;
    let told = json(&text(native));
    let message = &told["choices"][0]["message"];
    assert_eq!(message["content"], json("null"));
    assert_eq!(message["reasoning_content"], "hm");
    assert_eq!(
        message["tool_calls"][0],
        json(
            r#"{"id":"call_1","type":"function","function":{"name":"a","arguments":"{\"x\":[1,2.50],\"y\":\"a b\"}"}}"#
        )
    );
    assert_eq!(message["tool_calls"][1]["function"]["arguments"], "{}");
    let id = |index: usize| message["tool_calls"][index]["id"].as_str().unwrap();
    assert!(id(1).starts_with("call_") && id(2).starts_with("call_") && id(1) != id(2));
    assert_eq!(told["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        told["usage"],
        json(r#"{"prompt_tokens":0,"completion_tokens":3,"total_tokens":3}"#)
    );

    let reason = |native: &str| {
        json(&text(native))["choices"][0]["finish_reason"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(
        reason(&native.replace("stop", "length")).as_deref(),
        Some("length")
    );
    for done_reason in ["load", "unload", "stop", ""] {
        let native =
            format!(r#"{{"message":{{"content":"a"}},"done":true,"done_reason":"{done_reason}"}}"#);
        assert_eq!(reason(&native).as_deref(), Some("stop"));
    }
}

#[test]
fn an_answer_without_words_or_calls_is_empty_and_not_null() {
    let told = json(&text(
        r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}"#,
    ));
    assert_eq!(
        told["choices"][0]["message"],
        json(r#"{"role":"assistant","content":"","refusal":null}"#)
    );
    assert_eq!(told["created"], json("1767268800"));
}

#[test]
fn log_probabilities_are_told() {
    let told = json(&text(
        r#"{"message":{"content":"a"},"done":true,"logprobs":[{"token":"a","logprob":-0.50}]}"#,
    ));
    let expected = r#"{"content":[{"token":"a","logprob":-0.50,"bytes":null,"top_logprobs":[]}],"refusal":null}"#;
    assert_eq!(told["choices"][0]["logprobs"], json(expected));
}

#[test]
fn usage_that_was_not_told_is_not_made_up() {
    assert_eq!(
        answer(r#"{"message":{"content":"a"},"done":true}"#)
            .unwrap()
            .usage,
        None
    );
}

#[test]
fn case_61_errors_with_a_good_status_are_errors() {
    let inner = r#"{\"error\":{\"code\":400,\"message\":\"the input exceeds the available context size\",\"type\":\"exceed_context_size_error\"}}"#;
    let error = answer(&format!(r#"{{"error":"{inner}"}}"#)).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
    assert_eq!(
        error.message,
        "the input exceeds the available context size"
    );
    assert_eq!(
        answer(r#"{"error":"it broke"}"#).unwrap_err().fault,
        BackendFault::Failed
    );
}

#[test]
fn case_53_what_is_no_answer_is_a_failure() {
    for native in [
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        r#"{"message":{"content":"a"}"#,
        r#"{"message":5}"#,
        r#"{"response":"a"}"#,
    ] {
        assert_eq!(
            answer(native).unwrap_err().fault,
            BackendFault::Failed,
            "{native}"
        );
    }
}
