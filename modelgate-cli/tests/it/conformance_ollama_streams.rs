//! Cases 60, 61 and 78 to 82: answers and streams of Ollama's own API, and what clients get of them.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Event, content_of, ends_well};
use crate::conformance_streams_dialects::{
    failure_of, ollama_last, ollama_line, stream_body, stream_head, streamed,
};
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{Latch, Script, json, ndjson};

async fn gate() -> (TestGate, Key) {
    let gate = TestGate::start().await;
    let key = gate.with_model("ollama", "ollama").await;
    (gate, key)
}

/// A whole answer with these members in its message.
fn answered(message: &Value, done_reason: &str) -> Script {
    let mut line: Value = serde_json::from_str(&ollama_last(done_reason)).expect("a line");
    for (name, value) in message.as_object().expect("a message") {
        line["message"][name] = value.clone();
    }
    json(200, &line.to_string())
}

async fn asked(gate: &TestGate, key: &Key, script: Script) -> Value {
    gate.plays("ollama", script);
    let answer = gate
        .chat_call(key, &chat_body("ollama", "hi"))
        .send()
        .await
        .expect_status(200);
    answer.json()
}

async fn streamed_events(gate: &TestGate, key: &Key, script: Script) -> Vec<Event> {
    gate.plays("ollama", script);
    gate.stream_of(key, "ollama").await.collect().await
}

/// The deltas and finish reasons of a stream that ended well.
fn choices(events: &[Event]) -> Vec<Value> {
    assert!(ends_well(events), "{events:#?}");
    events[..events.len() - 1]
        .iter()
        .map(|event| event.json()["choices"][0].clone())
        .collect()
}

fn call(name: &str, arguments: &Value) -> Value {
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

#[tokio::test]
async fn case_78_lines_come_in_any_pieces_and_with_any_ends() {
    let (gate, key) = gate().await;
    let lines = [
        ollama_line(&json!({"content": "Grüße "})),
        ollama_line(&json!({"content": "😀"})),
        ollama_last("stop"),
    ];
    let plain = ndjson(&lines);
    let joined = |end: &str| stream_head("ollama").piece(lines.join(end) + end);
    let shapes = [
        plain.clone(),
        plain.clone().split(1),
        plain.clone().split(7),
        joined("\n"),
        joined("\r\n"),
        joined("\r\n").split(1),
        joined("\n\n\r\n  \n"),
        stream_head("ollama").piece(lines.join("\n")),
        plain.until_close(),
    ];
    for script in shapes {
        let shown = format!("{script:?}");
        let events = streamed_events(&gate, &key, script).await;
        assert_eq!(
            (content_of(&events).as_str(), ends_well(&events)),
            ("Grüße 😀", true),
            "{shown}"
        );
        assert_eq!(
            choices(&events).len(),
            4,
            "role, two texts, finish: {shown}"
        );
    }
}

#[tokio::test]
async fn case_78_a_line_of_8_mb_passes_whole() {
    let (gate, key) = gate().await;
    let text = "0123456789abcdef".repeat(8 << 16);
    let script = ndjson(&[ollama_line(&json!({"content": text})), ollama_last("stop")]);
    let before = gate.peak_rss_kb();
    let events = streamed_events(&gate, &key, script).await;
    assert!(ends_well(&events));
    assert!(content_of(&events) == text, "the text of 8 MB");
    let grown = gate.peak_rss_kb() - before;
    assert!(grown < 128 * 1_024, "{grown} kB more for a line of 8 MB");
}

#[tokio::test]
async fn case_79_an_error_line_in_mid_stream_becomes_an_error_event() {
    let (gate, key) = gate().await;
    let begun = || ndjson(&[ollama_line(&json!({"content": "a"}))]);
    let nested = json!({"error": json!({"error": {"code": 500, "message": "boom", "type": "server_error"}}).to_string()});
    for line in [
        json!({"error": "boom"}),
        nested,
        json!({"error": {"message": "boom"}}),
    ] {
        for script in [
            begun().piece(format!("{line}\n")),
            begun().piece(line.to_string()),
            begun().piece(format!("{line}\n{}\n", ollama_last("stop"))),
        ] {
            let events = streamed_events(&gate, &key, script).await;
            let failure = failure_of(&events);
            assert_eq!(
                (failure.message.as_str(), failure.code.as_deref()),
                ("boom", Some("upstream_error")),
                "{line}"
            );
            assert_eq!(content_of(&events[..events.len() - 1]), "a");
        }
    }
    let shapes = [
        begun(),
        begun().until_close(),
        begun().then_close(),
        begun().then_reset(),
        begun().piece("{\"mess"),
        begun().piece("nonsense\n"),
    ];
    for script in shapes {
        let shown = format!("{script:?}");
        let events = streamed_events(&gate, &key, script).await;
        assert_eq!(
            failure_of(&events).code.as_deref(),
            Some("upstream_error"),
            "{shown}"
        );
    }
    let rows = gate.rows().await;
    assert!(
        rows.iter()
            .all(|row| row["status"] == 502 && row["completion_tokens"] == 1),
        "{rows:#?}"
    );
}

#[tokio::test]
async fn case_80_tool_calls_on_any_line_are_numbered_in_order() {
    let (gate, key) = gate().await;
    let calls = |names: &[&str]| json!({"tool_calls": names.iter().map(|name| call(name, &json!({"of": name}))).collect::<Vec<_>>()});
    let last_with = |names: &[&str], reason: &str| {
        let mut line: Value = serde_json::from_str(&ollama_last(reason)).expect("a line");
        line["message"]["tool_calls"] = calls(names)["tool_calls"].clone();
        line.to_string()
    };
    let text = ollama_line(&json!({"content": "a"}));
    let table = [
        (
            "on a middle line",
            vec![
                text.clone(),
                ollama_line(&calls(&["x"])),
                ollama_last("stop"),
            ],
            vec!["x"],
            "tool_calls",
        ),
        (
            "on the last line",
            vec![text.clone(), last_with(&["x", "y"], "stop")],
            vec!["x", "y"],
            "tool_calls",
        ),
        (
            "on several lines",
            vec![
                ollama_line(&calls(&["x"])),
                text,
                ollama_line(&calls(&["y", "z"])),
                last_with(&["w"], "stop"),
            ],
            vec!["x", "y", "z", "w"],
            "tool_calls",
        ),
        (
            "cut by the length",
            vec![ollama_line(&calls(&["x"])), ollama_last("length")],
            vec!["x"],
            "length",
        ),
    ];
    for (what, lines, names, reason) in table {
        let choices = choices(&streamed_events(&gate, &key, ndjson(&lines)).await);
        let deltas: Vec<&Value> = choices
            .iter()
            .flat_map(|choice| {
                choice["delta"]["tool_calls"]
                    .as_array()
                    .into_iter()
                    .flatten()
            })
            .collect();
        for (number, (delta, name)) in deltas.iter().zip(&names).enumerate() {
            let seen = (&delta["index"], &delta["type"], &delta["function"]["name"]);
            assert_eq!(
                seen,
                (&json!(number), &json!("function"), &json!(name)),
                "{what}"
            );
            assert_eq!(
                delta["function"]["arguments"],
                format!("{{\"of\":\"{name}\"}}"),
                "{what}"
            );
        }
        let ids: HashSet<&str> = deltas
            .iter()
            .map(|delta| delta["id"].as_str().expect("an id"))
            .collect();
        assert_eq!(
            (deltas.len(), ids.len()),
            (names.len(), names.len()),
            "{what}"
        );
        assert_eq!(
            choices.last().expect("a finish")["finish_reason"],
            reason,
            "{what}"
        );
    }
}

#[tokio::test]
async fn case_81_thinking_comes_before_content_and_emptiness_is_complete() {
    let (gate, key) = gate().await;
    let both = ollama_line(&json!({"thinking": "hm", "content": "Rome"}));
    let seen = choices(&streamed_events(&gate, &key, ndjson(&[both, ollama_last("stop")])).await);
    let deltas: Vec<&Value> = seen.iter().map(|choice| &choice["delta"]).collect();
    assert_eq!(
        deltas,
        [
            &json!({"role": "assistant", "content": ""}),
            &json!({"reasoning_content": "hm"}),
            &json!({"content": "Rome"}),
            &json!({})
        ]
    );
    assert_eq!(seen[3]["finish_reason"], "stop");

    let empty = choices(&streamed_events(&gate, &key, ndjson(&[ollama_last("stop")])).await);
    assert_eq!(empty.len(), 2, "{empty:?}");
    assert_eq!(
        (&empty[0]["delta"]["role"], &empty[0]["finish_reason"]),
        (&json!("assistant"), &Value::Null)
    );
    assert_eq!(
        (&empty[1]["delta"], &empty[1]["finish_reason"]),
        (&json!({}), &json!("stop"))
    );
}

#[tokio::test]
async fn case_81_the_name_of_the_reasoning_field_is_a_setting() {
    let gate = TestGate::with()
        .env("MG_STREAMS_REASONING_FIELD", "reasoning")
        .start()
        .await;
    let key = gate.with_model("ollama", "ollama").await;
    let lines = [ollama_line(&json!({"thinking": "hm"})), ollama_last("stop")];
    let seen = choices(&streamed_events(&gate, &key, ndjson(&lines)).await);
    assert_eq!(seen[1]["delta"], json!({"reasoning": "hm"}));
    let answer = asked(
        &gate,
        &key,
        answered(&json!({"thinking": "hm", "content": "a"}), "stop"),
    )
    .await;
    assert_eq!(answer["choices"][0]["message"]["reasoning"], "hm");
}

#[tokio::test]
async fn case_82_a_model_may_load_longer_than_any_pause_in_a_stream() {
    let settings = TestGate::with()
        .env("MG_TIMEOUTS_CONNECT", "300ms")
        .env("MG_TIMEOUTS_IDLE", "300ms");
    let gate = settings.env("MG_TIMEOUT", "300ms").start().await;
    let key = gate.with_model("ollama", "ollama").await;
    let latch = Latch::new();
    gate.plays("ollama", streamed("ollama", &["loaded"]).held_back(&latch));
    let loading = async {
        gate.upstream.wait_for_chat(1).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        latch.open();
    };
    let (mut stream, ()) = tokio::join!(gate.stream_of(&key, "ollama"), loading);
    assert_eq!(stream.status, 200);
    assert!(ends_well(&stream.collect().await));
    let row = gate.row_of(&stream.request_id()).await;
    assert!(
        row["first_token_ms"]
            .as_u64()
            .is_some_and(|waited| waited >= 1_500),
        "{row}"
    );
}

#[test]
fn case_82_the_default_limit_for_a_first_event_is_far_above_90_s() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_modelgate"));
    let folder = tempfile::tempdir().expect("a folder");
    let shown = program
        .args(["config", "show"])
        .env_clear()
        .current_dir(&folder)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    let line = text
        .lines()
        .find(|line| line.contains("first_event"))
        .expect("timeouts.first_event");
    assert!(line.contains("300s") || line.contains("5m"), "{line}");
}
