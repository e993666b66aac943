//! Cases 67 and 69: event streams written in every legal way, and of every size.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::client::{Event, content_of, ends_well};
use crate::conformance_streams_dialects::{failure_of, ollama_last, ollama_line, stream_head};
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, openai_chunk};

/// Far above what one stream may cost, far below what the upstream sends.
const MOST_KB: u64 = 64 * 1_024;

fn plain_events() -> [String; 5] {
    let mut last: Value = serde_json::from_str(&openai_chunk(&json!({}), None)).expect("a chunk");
    last["choices"] = json!([]);
    last["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    [
        openai_chunk(&json!({"role": "assistant", "content": ""}), None),
        openai_chunk(&json!({"content": "a: b\u{2028}é😀"}), None),
        openai_chunk(&json!({}), Some("stop")),
        last.to_string(),
        "[DONE]".to_owned(),
    ]
}

/// Writes the events one after the other with `write`.
fn written(write: impl Fn(usize, &str) -> String) -> String {
    plain_events()
        .iter()
        .enumerate()
        .map(|(at, data)| write(at, data))
        .collect()
}

/// The JSON over two `data:` lines; the border is white space between two members.
fn over_two_lines(data: &str) -> String {
    match data.split_once(",\"") {
        Some((left, right)) => format!("data: {left},\ndata: \"{right}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

fn styles() -> Vec<(&'static str, String)> {
    let ends = ["\n", "\r", "\r\n"];
    let mut mixed = 0..;
    let mut next_end = move || ends[mixed.next().expect("endless") % 3];
    let plain = |_: usize, data: &str| format!("data: {data}\n\n");
    let mut all = vec![
        ("plain", written(plain)),
        ("CRLF", written(|_, data| format!("data: {data}\r\n\r\n"))),
        ("CR", written(|_, data| format!("data: {data}\r\r"))),
        ("no space", written(|_, data| format!("data:{data}\n\n"))),
        ("two lines", written(|_, data| over_two_lines(data))),
        (
            "other fields",
            written(|at, data| {
                format!("event: message\nid: {at}\nretry: 10\nunknown: x\nfield\ndata: {data}\n\n")
            }),
        ),
        (
            "fields after",
            written(|at, data| format!("data: {data}\nid: {at}\n\n")),
        ),
        (
            "comments",
            written(|_, data| format!(": PROCESSING\n\n:\n\n:\ndata: {data}\n: x\n\n: y\n")),
        ),
        (
            "extra blank lines",
            written(|_, data| format!("\n\ndata: {data}\n\n\n\n")),
        ),
        (
            "only ids",
            written(|at, data| format!("id: {at}\n\nretry: 5\n\nevent: x\n\ndata: {data}\n\n")),
        ),
        (
            "more after [DONE]",
            written(plain) + &plain(0, "{\"never\":1}") + "data: never\n\n",
        ),
        ("byte-order mark", format!("\u{feff}{}", written(plain))),
        ("no end", written(plain).trim_end().to_owned()),
        (
            "no end, CR",
            written(|_, data| format!("data: {data}\r\r"))
                .trim_end()
                .to_owned(),
        ),
    ];
    let mut text = String::new();
    for data in plain_events() {
        write!(text, "data: {data}{}{}", next_end(), next_end()).expect("writing to memory");
    }
    all.push(("mixed", text));
    all
}

#[tokio::test]
async fn case_67_every_way_to_write_events_gives_the_same_events() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        let mut expected: Vec<Value> = Vec::new();
        for (style, text) in styles() {
            gate.plays(kind, stream_head(kind).piece(text));
            let mut stream = gate.stream_of(&key, kind).await;
            let events = stream.collect().await;
            check_lines(&stream.text(), &format!("{kind} {style}"));
            assert!(
                events.iter().all(|event| event.name.is_none()),
                "{kind} {style}"
            );
            assert!(ends_well(&events), "{kind} {style} {:?}", stream.text());
            let chunks: Vec<Value> = events[..events.len() - 1].iter().map(Event::json).collect();
            if style == "plain" {
                assert_eq!(chunks.len(), 3, "without usage: {kind} {:?}", stream.text());
                expected.clone_from(&chunks);
            }
            assert_eq!(chunks, expected, "{kind} {style}");
            assert_eq!(
                gate.row_of(&stream.request_id()).await["completion_tokens"],
                3,
                "{kind} {style}"
            );
        }
    }
}

/// Only `data: ` lines and single blank lines, each ended by a line feed alone.
fn check_lines(text: &str, what: &str) {
    assert!(!text.contains('\r'), "{what}: {text:?}");
    for block in text
        .strip_suffix("\n\n")
        .expect("a blank line at the end")
        .split("\n\n")
    {
        let is_one_event = block.starts_with("data: ") && !block.contains('\n');
        assert!(is_one_event, "{what}: {block:?}");
    }
}

/// Streams the script and says how much more memory it cost than a small stream before.
async fn cost(gate: &TestGate, key: &Key, kind: &str, script: Script) -> (Vec<Event>, u64) {
    gate.plays(
        kind,
        stream_head(kind).piece(written(|_, data| format!("data: {data}\n\n"))),
    );
    gate.stream_of(key, "vllm").await.collect().await;
    let before = gate.peak_rss_kb();
    gate.plays(kind, script);
    let mut stream = gate.stream_of(key, kind).await;
    let events = stream.collect().await;
    (events, gate.peak_rss_kb() - before)
}

#[tokio::test]
async fn case_69_a_line_of_5_mb_passes_whole() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let arguments = "0123456789abcdef".repeat(5 << 16);
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let big = openai_chunk(&json!({"tool_calls": [call]}), None);
    let script = stream_head("vllm")
        .event(big)
        .event(openai_chunk(&json!({}), Some("tool_calls")))
        .event("[DONE]");
    let (events, grown) = cost(&gate, &key, "vllm", script).await;
    assert!(ends_well(&events));
    assert_eq!(
        events[0].json()["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"],
        arguments
    );
    assert!(grown < MOST_KB, "{grown} kB more for a line of 5 MB");
}

#[tokio::test]
async fn case_69_a_hundred_thousand_tiny_events_pass_in_little_memory() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let tiny = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(100);
    let end = openai_chunk(&json!({}), Some("stop"));
    let script = stream_head("vllm")
        .repeated(tiny, 1_000)
        .event(end)
        .event("[DONE]");
    let (events, grown) = cost(&gate, &key, "vllm", script).await;
    assert!(ends_well(&events));
    assert_eq!(events.len(), 100_002);
    assert_eq!(content_of(&events).len(), 100_000);
    assert!(grown < MOST_KB, "{grown} kB more for small events");
    let rows = gate.rows().await;
    let counted = rows.last().expect("a row")["completion_tokens"]
        .as_u64()
        .expect("a count");
    assert!(
        (99_999..=100_001).contains(&counted),
        "{counted} deltas counted"
    );
}

#[tokio::test]
async fn case_69_an_endless_event_ends_the_stream_with_an_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let mebibyte = "x".repeat(1 << 20);
    let endless = |start: &str| {
        stream_head("vllm")
            .piece(start.to_owned())
            .repeated(mebibyte.clone(), 64)
    };
    let first = format!("data: {}\n\n", plain_events()[0]);
    let starts = [
        "data: {\"a\":\"",
        ": comment ",
        "event: ",
        "data: 1\ndata: 2\ndata: ",
    ];
    for start in starts {
        let (events, grown) = cost(&gate, &key, "vllm", endless(&format!("{first}{start}"))).await;
        let failure = failure_of(&events);
        assert_eq!(
            (failure.code.as_deref(), events.len()),
            (Some("upstream_error"), 2),
            "{start:?}"
        );
        assert!(
            grown < MOST_KB,
            "{grown} kB more for an endless event {start:?}"
        );
        let call = gate.upstream.chats().pop().expect("a chat");
        gate.upstream.wait_closed(call.connection).await;
    }
    gate.plays("vllm", endless(starts[0]));
    gate.stream_of(&key, "vllm")
        .await
        .into_answer()
        .await
        .refused(502, "upstream_error");
}

#[tokio::test]
async fn s15_an_endless_line_of_ollama_ends_the_stream_with_an_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let start = format!(
        "{}\n{{\"message\":{{\"content\":\"",
        ollama_line(&json!({"content": "a"}))
    );
    let script = stream_head("ollama")
        .piece(start)
        .repeated("x".repeat(1 << 20), 64);
    let (events, grown) = cost(&gate, &key, "ollama", script).await;
    assert_eq!(failure_of(&events).code.as_deref(), Some("upstream_error"));
    assert!(grown < MOST_KB, "{grown} kB more for an endless line");
}

#[tokio::test]
async fn s15_a_stream_packed_a_thousandfold_costs_little_memory() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let bomb = stream_head("vllm")
        .event(&plain_events()[0])
        .repeated(" ".repeat(1 << 20), 64)
        .gzip();
    let (events, grown) = cost(&gate, &key, "vllm", bomb).await;
    assert_eq!(failure_of(&events).code.as_deref(), Some("upstream_error"));
    assert!(grown < MOST_KB, "{grown} kB more for a bomb");
    let last = stream_head("ollama").piece(ollama_last("stop"));
    gate.plays("ollama", last);
    assert!(
        ends_well(&gate.stream_of(&key, "ollama").await.collect().await),
        "the next stream is served"
    );
}
