//! Cases 83 to 85: what is inside of the chunks passes as it is, or is repaired where the operator wants that.

use serde_json::{Value, json};

use crate::client::{Event, ends_well};
use crate::conformance_streams_dialects::{stream_body, stream_head};
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, openai_chunk};

fn stream_of(chunks: &[String]) -> Script {
    let script = chunks.iter().fold(stream_head("api3"), Script::event);
    script.event("[DONE]")
}

/// What the client gets of these chunks, without `[DONE]`.
async fn passed(gate: &TestGate, key: &Key, kind: &str, chunks: &[String]) -> Vec<String> {
    gate.plays(kind, stream_of(chunks));
    let mut stream = gate.stream_of(key, kind).await;
    let events = stream.collect().await;
    assert!(ends_well(&events), "{kind} {:?}", stream.text());
    events
        .into_iter()
        .filter(|event| !event.is_done())
        .map(|event: Event| event.data)
        .collect()
}

fn with_name(chunk: &str, name: &str) -> String {
    chunk.replacen("\"upstream-model\"", &format!("\"{name}\""), 1)
}

/// Role in each chunk, id and name in each tool delta, no index, no id.
fn careless() -> Vec<String> {
    let call =
        |value: Value| openai_chunk(&json!({"role": "assistant", "tool_calls": [value]}), None);
    vec![
        openai_chunk(&json!({"role": "assistant", "content": "a"}), None),
        openai_chunk(&json!({"role": "assistant", "content": "b"}), None),
        call(
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "one", "arguments": "{"}}),
        ),
        call(
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "one", "arguments": "}"}}),
        ),
        call(
            json!({"index": 1, "id": "", "type": "function", "function": {"name": "two", "arguments": "{}"}}),
        ),
        openai_chunk(&json!({"role": "assistant"}), Some("tool_calls")),
    ]
}

/// Whole calls without an index, as Google's layer sends them.
fn without_index() -> Vec<String> {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": id, "arguments": "{}"}});
    vec![
        openai_chunk(
            &json!({"role": "assistant", "tool_calls": [call("call_1")]}),
            None,
        ),
        openai_chunk(
            &json!({"role": "assistant", "tool_calls": [call("call_2")]}),
            None,
        ),
        openai_chunk(&json!({}), Some("tool_calls")),
    ]
}

/// What official clients make of the deltas: strings of one call are joined, also ids and names.
fn joined(chunks: &[String]) -> (String, Vec<(String, String, String)>) {
    let mut role = String::new();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks {
        let chunk: Value = serde_json::from_str(chunk).expect("a chunk");
        let delta = &chunk["choices"][0]["delta"];
        role.push_str(delta["role"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index =
                usize::try_from(call["index"].as_u64().expect("an index")).expect("a small index");
            calls.resize(calls.len().max(index + 1), Default::default());
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            calls[index].0.push_str(&text(&call["id"]));
            calls[index].1.push_str(&text(&call["function"]["name"]));
            calls[index]
                .2
                .push_str(&text(&call["function"]["arguments"]));
        }
    }
    (role, calls)
}

#[tokio::test]
async fn case_83_normalize_repairs_what_clients_would_join_wrongly() {
    let gate = TestGate::with()
        .env("MG_STREAMS_NORMALIZE", "vllm,llamacpp,openai,api3")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        let (role, calls) = joined(&passed(&gate, &key, kind, &careless()).await);
        assert_eq!(role, "assistant", "{kind}");
        assert_eq!(calls.len(), 2, "{kind} {calls:?}");
        assert_eq!(
            calls[0],
            ("call_1".to_owned(), "one".to_owned(), "{}".to_owned()),
            "{kind}"
        );
        assert_eq!(
            (calls[1].1.as_str(), calls[1].2.as_str()),
            ("two", "{}"),
            "{kind}"
        );
        assert!(
            calls[1].0.len() > 4 && calls[1].0 != calls[0].0,
            "{kind}: a new id: {calls:?}"
        );

        let (role, calls) = joined(&passed(&gate, &key, kind, &without_index()).await);
        let names: Vec<&str> = calls.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(
            (role.as_str(), names),
            ("assistant", vec!["call_1", "call_2"]),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_83_without_normalize_everything_passes_unchanged() {
    // A variable that is empty counts as not set.
    let none = TestGate::with()
        .config("streams:\n  normalize: []\n")
        .start()
        .await;
    let key = none.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        for chunks in [careless(), without_index()] {
            let expected: Vec<String> = chunks.iter().map(|chunk| with_name(chunk, kind)).collect();
            assert_eq!(passed(&none, &key, kind, &chunks).await, expected, "{kind}");
        }
    }
}

#[tokio::test]
async fn case_83_by_default_only_third_parties_are_repaired() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in ["vllm", "llamacpp", "openai"] {
        let expected: Vec<String> = careless()
            .iter()
            .map(|chunk| with_name(chunk, kind))
            .collect();
        assert_eq!(
            passed(&gate, &key, kind, &careless()).await,
            expected,
            "{kind}"
        );
    }
    assert_eq!(
        joined(&passed(&gate, &key, "api3", &careless()).await).0,
        "assistant"
    );
}

#[tokio::test]
async fn case_84_both_choices_of_a_stream_come_with_their_finish() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let of = |index: u64, delta: Value, finish: Option<&str>| {
        let mut chunk: Value =
            serde_json::from_str(&openai_chunk(&delta, finish)).expect("a chunk");
        chunk["choices"][0]["index"] = index.into();
        chunk.to_string()
    };
    let chunks = [
        of(0, json!({"role": "assistant", "content": ""}), None),
        of(1, json!({"role": "assistant", "content": ""}), None),
        of(1, json!({"content": "b"}), None),
        of(0, json!({"content": "a"}), None),
        of(1, json!({}), Some("length")),
        of(0, json!({}), Some("stop")),
    ];
    for kind in PASS_THROUGH {
        gate.plays(kind, stream_of(&chunks));
        let mut body = stream_body(kind);
        body["n"] = 2.into();
        let mut stream = gate.chat_call(&key, &body).stream().await;
        let events = stream.collect().await;
        assert!(ends_well(&events), "{kind}");
        let seen: Vec<Value> = events[..events.len() - 1]
            .iter()
            .map(|event| event.json()["choices"][0].clone())
            .collect();
        let indexes: Vec<&Value> = seen.iter().map(|choice| &choice["index"]).collect();
        assert_eq!(indexes, [0, 1, 1, 0, 1, 0], "{kind}");
        let finished = |index: u64| {
            seen.iter()
                .find(|choice| choice["index"] == index && choice["finish_reason"].is_string())
        };
        let reasons = [finished(0), finished(1)]
            .map(|choice| choice.expect("a finish")["finish_reason"].clone());
        assert_eq!(reasons, [json!("stop"), json!("length")], "{kind}");
        assert_eq!(
            gate.upstream.chats().pop().expect("a chat").json()["n"],
            2,
            "{kind}"
        );
        let row = gate.row_of(&stream.request_id()).await;
        assert_eq!(
            (&row["completion_tokens"], &row["source"]),
            (&json!(2), &json!("estimated")),
            "{kind}: both texts count"
        );
    }
}

#[tokio::test]
async fn case_85_deltas_of_every_sort_pass_unchanged() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let deltas = [
        json!({"role": "assistant", "content": null, "refusal": null}),
        json!({"refusal": "I can"}),
        json!({"reasoning": "Let me", "reasoning_content": "Let me"}),
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "x", "format": null, "signature": "abc=="}]}),
        json!({"audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "hi", "expires_at": 1_700_000_000}}),
        json!({"tool_calls": [{"index": 0, "id": "call_c", "type": "custom", "custom": {"name": "c", "input": "a\u{2028}b"}}]}),
        json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com/?a=b&c", "start_index": 0}}]}),
        json!({"content": "text with \"quotes\", \\ and \u{1f600}"}),
    ];
    let mut chunks: Vec<String> = deltas
        .iter()
        .map(|delta| openai_chunk(delta, None))
        .collect();
    let tail = r#","system_fingerprint":"fp_1","obfuscation":"xYz","service_tier":null,"provider":"P","native":1.50}"#;
    chunks.push(
        openai_chunk(&json!({"content": "a"}), None)
            .trim_end_matches('}')
            .to_owned()
            + tail,
    );
    let logprobs = r#"{"content":[{"token":"a","logprob":-0.10000000000000000555,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-1e-7,"bytes":null}]}],"refusal":null}"#;
    chunks.push(
        openai_chunk(&json!({"content": "a"}), None)
            .replace("\"logprobs\":null", &format!("\"logprobs\":{logprobs}")),
    );
    chunks.push(
        openai_chunk(&json!({"content": "\u{e9}"}), None)
            .replace('\u{e9}', "\\u00e9\\ud83d\\ude00"),
    );
    chunks.push(openai_chunk(&json!({}), Some("stop")).replace(':', ": "));
    for kind in PASS_THROUGH {
        let expected: Vec<String> = chunks.iter().map(|chunk| with_name(chunk, kind)).collect();
        assert_eq!(passed(&gate, &key, kind, &chunks).await, expected, "{kind}");
    }
}
