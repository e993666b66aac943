//! Cases 78 to 82: streams of Ollama's own API, and what clients get of them.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Event, content_of, ends_well};
use crate::conformance_answers_ollama::{answered, asked, call, gate};
use crate::conformance_streams_dialects::{
    failure_of, ollama_last, ollama_line, stream_head, streamed,
};
use crate::gate::{Key, TestGate};
use crate::upstream::{Latch, Script, ndjson};

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

#[tokio::test]
async fn case_63_the_time_of_the_first_line_is_that_of_the_stream() {
    let (gate, key) = gate().await;
    let at = |line: String, time: &str| line.replace("2026-01-01T00:00:00.5Z", time);
    let lines = [
        at(
            ollama_line(&json!({"content": "a"})),
            "2026-01-01T01:00:00.999999999+01:00",
        ),
        at(
            ollama_line(&json!({"content": "b"})),
            "2026-01-01T00:00:07Z",
        ),
        at(ollama_last("stop"), "2026-01-01T00:00:09Z"),
    ];
    let events = streamed_events(&gate, &key, ndjson(&lines)).await;
    choices(&events);
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(Event::json).collect();
    let first = &chunks[0];
    assert_eq!(first["created"], 1_767_225_600);
    let same = |chunk: &Value| chunk["created"] == first["created"] && chunk["id"] == first["id"];
    assert!(chunks.iter().all(same), "{chunks:?}");
}

#[tokio::test]
async fn case_79_what_comes_after_the_last_line_is_not_read() {
    let (gate, key) = gate().await;
    let last = ollama_last("stop");
    for more in [
        ollama_line(&json!({"content": "never"})),
        "{\"error\":\"never\"}".to_owned(),
        "never".to_owned(),
    ] {
        let text = ollama_line(&json!({"content": "a"}));
        let events = streamed_events(&gate, &key, ndjson(&[text, last.clone(), more])).await;
        assert_eq!(content_of(&events), "a");
        assert_eq!(choices(&events).len(), 3, "role, text, finish");
    }
}

#[tokio::test]
async fn case_79_a_reason_without_done_is_an_end_as_well() {
    let (gate, key) = gate().await;
    let mut line: Value = serde_json::from_str(&ollama_last("length")).expect("a line");
    line["done"] = false.into();
    let lines = [ollama_line(&json!({"content": "a"})), line.to_string()];
    let seen = choices(&streamed_events(&gate, &key, ndjson(&lines)).await);
    assert_eq!(seen.last().expect("a finish")["finish_reason"], "length");
}

#[tokio::test]
async fn case_61_a_nested_error_as_the_first_line_has_its_status() {
    let (gate, key) = gate().await;
    let inner = json!({"error": {"code": 400, "message": "request (12 tokens) exceeds the available context size (8 tokens)",
        "type": "exceed_context_size_error"}});
    gate.plays(
        "ollama",
        ndjson(&[json!({"error": inner.to_string()}).to_string()]),
    );
    let answer = gate.stream_of(&key, "ollama").await.into_answer().await;
    answer.refused(400, "context_length_exceeded");
}
