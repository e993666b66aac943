//! Cases 63 to 66: plain streams, their headers and their order, and what becomes of token counts.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::client::{Event, Stream, content_of, ends_well};
use crate::conformance_streams_dialects::{
    SCRIPTED, ollama_last, stream_body, stream_head, streamed, text_piece, with_latches,
};
use crate::gate::TestGate;
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream::{Script, openai_chunk, sse};

fn chunks(events: &[Event]) -> Vec<Value> {
    events
        .iter()
        .filter(|event| !event.is_done())
        .map(Event::json)
        .collect()
}

/// A chunk with a member of its own.
fn chunk_with(delta: &Value, finish: Option<&str>, name: &str, value: &Value) -> String {
    let mut chunk: Value = serde_json::from_str(&openai_chunk(delta, finish)).expect("a chunk");
    chunk[name] = value.clone();
    chunk.to_string()
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
async fn case_64_usage_comes_once_and_last_for_clients_that_ask() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        gate.plays(kind, streamed(kind, &["he", "llo"]));
        let mut body = stream_body(kind);
        body["stream_options"] = json!({"include_usage": true});
        let mut stream = gate.chat_call(&key, &body).stream().await;
        let events = stream.collect().await;
        assert!(ends_well(&events), "{kind}");
        let mut chunks = chunks(&events);
        let last = chunks.pop().expect("a usage chunk");
        assert_eq!(last["choices"], json!([]), "{kind}");
        let usage = &last["usage"];
        let sum = usage["prompt_tokens"]
            .as_u64()
            .zip(usage["completion_tokens"].as_u64());
        assert_eq!(
            usage["total_tokens"].as_u64(),
            sum.map(|(prompt, completion)| prompt + completion),
            "{kind}"
        );
        assert!(
            chunks.iter().all(|chunk| chunk["usage"].is_null()),
            "{kind} {:?}",
            stream.text()
        );
        let row = gate.row_of(&stream.request_id()).await;
        for name in ["prompt_tokens", "completion_tokens"] {
            assert_eq!(row[name], usage[name], "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn case_64_usage_is_hidden_from_clients_that_do_not_ask() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let options = [
        json!(null),
        json!({"include_usage": false}),
        json!({"include_obfuscation": false}),
        json!({}),
    ];
    for kind in KINDS {
        for option in &options {
            gate.plays(kind, with_null_usage(streamed(kind, &["he", "llo"])));
            let mut body = stream_body(kind);
            if *option != Value::Null {
                body["stream_options"] = option.clone();
            }
            let mut stream = gate.chat_call(&key, &body).stream().await;
            assert!(ends_well(&stream.collect().await), "{kind} {option}");
            assert!(
                !stream.text().contains("usage"),
                "{kind} {option} {:?}",
                stream.text()
            );
            let row = gate.row_of(&stream.request_id()).await;
            assert_eq!(row["source"], "upstream", "{kind} {option}");
            if kind != "echo" {
                assert_eq!(
                    (&row["prompt_tokens"], &row["completion_tokens"]),
                    (&json!(7), &json!(3)),
                    "{kind} {option}"
                );
            }
        }
    }
}

/// As OpenAI sends it once usage is asked for: `"usage":null` on every chunk before.
fn with_null_usage(script: Script) -> Script {
    let text = String::from_utf8(script.body()).expect("UTF-8");
    if !text.starts_with("data: ") {
        return script;
    }
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let marked = events.map(|event| {
        let data = event.strip_prefix("data: ").expect("data");
        if data.contains("\"usage\"") || !data.starts_with('{') {
            data.to_owned()
        } else {
            data[..data.len() - 1].to_owned() + ",\"usage\":null}"
        }
    });
    sse(&marked.collect::<Vec<_>>())
}

#[tokio::test]
async fn case_64_the_upstream_is_always_asked_for_usage_and_only_in_streams() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        for (options, expected) in [
            (json!(null), json!({"include_usage": true})),
            (json!({}), json!({"include_usage": true})),
            (
                json!({"include_usage": false, "x": [1.50]}),
                json!({"include_usage": true, "x": [1.50]}),
            ),
            (
                json!({"include_obfuscation": false, "include_usage": null}),
                json!({"include_obfuscation": false, "include_usage": true}),
            ),
            (
                json!({"continuous_usage_stats": true, "include_usage": true}),
                json!({"continuous_usage_stats": true, "include_usage": true}),
            ),
        ] {
            let mut body = stream_body(kind);
            body["stream_options"] = options.clone();
            gate.chat_call(&key, &body).stream().await.collect().await;
            let sent = gate.upstream.chats().pop().expect("a chat").json();
            assert_eq!(
                (&sent["stream"], &sent["stream_options"]),
                (&json!(true), &expected),
                "{kind} {options}"
            );
        }
        for (stream, options) in [
            (json!(false), json!(null)),
            (json!(null), json!(null)),
            (json!(false), json!({"include_usage": true})),
        ] {
            let mut body = stream_body(kind);
            body["stream"] = stream;
            body["stream_options"] = options;
            let before = gate.upstream.chats().len();
            gate.chat_call(&key, &body).send().await;
            // Refused, or sent without them: OpenAI answers 400 to stream_options without a stream.
            for call in gate.upstream.chats().split_off(before) {
                assert!(
                    call.json()["stream_options"].is_null(),
                    "{kind} {}",
                    call.body_text()
                );
            }
        }
    }
}

#[tokio::test]
async fn case_65_running_usage_counts_once_by_its_last_word() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let told = |completion: u64| json!({"prompt_tokens": 20, "completion_tokens": completion, "total_tokens": 20 + completion});
    let running = [
        chunk_with(
            &json!({"role": "assistant", "content": ""}),
            None,
            "usage",
            &told(0),
        ),
        chunk_with(&json!({"content": "a"}), None, "usage", &told(1)),
        chunk_with(&json!({"content": "b"}), None, "usage", &told(2)),
        chunk_with(&json!({}), Some("stop"), "usage", &told(3)),
    ];
    let mut final_chunk: Value = serde_json::from_str(&running[3]).expect("a chunk");
    final_chunk["choices"] = json!([]);
    for kind in PASS_THROUGH {
        for with_final_chunk in [true, false] {
            for asked in [true, false] {
                let mut events = running.to_vec();
                events.extend(with_final_chunk.then(|| final_chunk.to_string()));
                events.push("[DONE]".to_owned());
                gate.plays(kind, sse(&events));
                let mut body = stream_body(kind);
                body["stream_options"] =
                    json!({"include_usage": asked, "continuous_usage_stats": asked});
                let mut stream = gate.chat_call(&key, &body).stream().await;
                let seen = stream.collect().await;
                assert_eq!(
                    (content_of(&seen).as_str(), ends_well(&seen)),
                    ("ab", true),
                    "{kind}"
                );
                assert_eq!(
                    stream.text().contains("\"usage\""),
                    asked,
                    "{kind} {:?}",
                    stream.text()
                );
                let row = gate.row_of(&stream.request_id()).await;
                assert_eq!(
                    (&row["prompt_tokens"], &row["completion_tokens"]),
                    (&json!(20), &json!(3)),
                    "{kind}"
                );
            }
        }
    }
}

#[tokio::test]
async fn case_66_a_first_chunk_without_choices_is_no_usage_chunk() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let azure = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false}}}]});
    for kind in PASS_THROUGH {
        for asked in [true, false] {
            let rest = String::from_utf8(streamed(kind, &["hi"]).body()).expect("UTF-8");
            gate.plays(kind, stream_head(kind).event(azure.to_string()).piece(rest));
            let mut body = stream_body(kind);
            body["stream_options"] = json!({"include_usage": asked});
            let mut stream = gate.chat_call(&key, &body).stream().await;
            let events = stream.collect().await;
            assert_eq!(
                events[0].json()["prompt_filter_results"],
                azure["prompt_filter_results"],
                "{kind}"
            );
            assert_eq!(events[0].json()["choices"], json!([]), "{kind}");
            assert_eq!(
                (content_of(&events).as_str(), ends_well(&events)),
                ("hi", true),
                "{kind}"
            );
            let with_usage = chunks(&events)
                .iter()
                .filter(|chunk| chunk["usage"].is_object())
                .count();
            assert_eq!(with_usage, usize::from(asked), "{kind}");
            assert_eq!(
                gate.row_of(&stream.request_id()).await["completion_tokens"],
                3,
                "{kind}"
            );
        }
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
