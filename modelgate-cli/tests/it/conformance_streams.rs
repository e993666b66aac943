//! Case 63: plain streams, their headers and their order.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::client::{Event, Stream, content_of, ends_well};
use crate::conformance_streams_dialects::{
    SCRIPTED, ollama_last, stream_head, streamed, text_piece, with_latches,
};
use crate::gate::TestGate;
use crate::samples::KINDS;
use crate::upstream::openai_chunk;

fn chunks(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .filter(|event| !event.is_done())
        .map(Event::json)
        .collect()
}

#[tokio::test]
async fn case_63_a_plain_stream_has_its_parts_and_headers() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        gate.plays(kind, streamed(kind, &["he", "llo"]));
        let mut stream = gate.stream_of(&key, kind).await;
        check_headers(&stream, kind);
        let events = stream.collect().await;
        assert!(
            ends_well(&events) && stream.cut().is_none(),
            "{kind} {:?}",
            stream.text()
        );
        let chunks = chunks(&events);
        assert_eq!(
            chunks[0]["choices"][0]["delta"]["role"], "assistant",
            "{kind}"
        );
        assert_eq!(
            content_of(&events),
            if kind == "echo" { "hi" } else { "hello" },
            "{kind}"
        );
        let last = chunks.last().expect("a chunk");
        assert_eq!(last["choices"][0]["finish_reason"], "stop", "{kind}");
        for name in ["id", "created", "model", "object"] {
            let values: HashSet<String> =
                chunks.iter().map(|chunk| chunk[name].to_string()).collect();
            assert_eq!(values.len(), 1, "{kind}: {name} is {values:?}");
        }
        assert_eq!(
            (&last["model"], &last["object"]),
            (&json!(kind), &json!("chat.completion.chunk"))
        );
        let roles = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["delta"]["role"].is_string());
        assert_eq!(roles.count(), 1, "{kind}");
    }
}

fn check_headers(stream: &Stream, kind: &str) {
    assert_eq!(stream.status, 200, "{kind}");
    let content_type = stream.header("content-type").unwrap_or_default();
    assert!(
        content_type.starts_with("text/event-stream"),
        "{kind} {content_type}"
    );
    assert_eq!(stream.header("cache-control"), Some("no-cache"), "{kind}");
    assert_eq!(stream.header("x-accel-buffering"), Some("no"), "{kind}");
    assert_eq!(stream.header("content-length"), None, "{kind}");
    assert_eq!(stream.header("content-encoding"), None, "{kind}");
    assert!(stream.header("x-request-id").is_some(), "{kind}");
}

#[tokio::test]
async fn case_63_each_event_is_here_before_the_next_one_is_sent() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let texts: Vec<String> = (0..20).map(|number| format!("<{number}>")).collect();
        let pieces: Vec<String> = texts.iter().map(|text| text_piece(kind, text)).collect();
        let (script, latches) = with_latches(stream_head(kind), &pieces);
        gate.plays(kind, script.piece(ending(kind)));
        let mut stream = gate.stream_of(&key, kind).await;
        // The upstream sends a text only after the latch behind the one before was opened.
        for (text, latch) in texts.iter().zip(&latches) {
            stream.until_said(text).await;
            latch.open();
        }
        assert!(ends_well(&stream.collect().await), "{kind}");
    }
}

fn ending(kind: &str) -> String {
    match kind {
        "ollama" => format!("{}\n", ollama_last("stop")),
        _ => format!(
            "data: {}\n\ndata: [DONE]\n\n",
            openai_chunk(&json!({}), Some("stop"))
        ),
    }
}

#[tokio::test]
async fn case_63_legacy_completions_stream_the_same_way() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for asked in [true, false] {
            let body = json!({"model": kind, "prompt": "hi", "stream": true, "stream_options": {"include_usage": asked}});
            let mut stream = gate
                .post("/v1/completions")
                .bearer(&key)
                .json(&body)
                .stream()
                .await;
            check_headers(&stream, kind);
            let events = stream.collect().await;
            assert!(ends_well(&events), "{kind} {:?}", stream.text());
            assert_eq!(
                content_of(&events),
                if kind == "echo" { "hi" } else { "hello" },
                "{kind}"
            );
            let chunks = chunks(&events);
            assert!(
                chunks
                    .iter()
                    .all(|chunk| chunk["object"] == "text_completion" && chunk["model"] == kind),
                "{kind}"
            );
            assert_eq!(
                chunks
                    .iter()
                    .filter(|chunk| chunk["usage"].is_object())
                    .count(),
                usize::from(asked),
                "{kind}"
            );
            assert_eq!(
                gate.row_of(&stream.request_id()).await["source"],
                "upstream",
                "{kind}"
            );
        }
    }
}
