//! Cases 64 to 66: who is told token counts, and which of them count.

use serde_json::{Value, json};

use crate::client::{Event, content_of, ends_well};
use crate::conformance_streams_dialects::{stream_body, stream_head, streamed};
use crate::gate::TestGate;
use crate::samples::{KINDS, PASS_THROUGH};
use crate::upstream::{Script, openai_chunk, sse};

fn chunks(events: &[Event]) -> Vec<Value> {
    let chunks = events.iter().filter(|event| !event.is_done());
    chunks.map(Event::json).collect()
}

/// A chunk with a member of its own.
fn chunk_with(delta: &Value, finish: Option<&str>, name: &str, value: &Value) -> String {
    let mut chunk: Value = serde_json::from_str(&openai_chunk(delta, finish)).expect("a chunk");
    chunk[name] = value.clone();
    chunk.to_string()
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

#[tokio::test]
async fn case_64_usage_on_the_finish_chunk_becomes_a_usage_chunk() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    let events = [
        openai_chunk(&json!({"role": "assistant", "content": "hi"}), None),
        chunk_with(&json!({}), Some("stop"), "usage", &usage),
        "[DONE]".to_owned(),
    ];
    for kind in PASS_THROUGH {
        for asked in [true, false] {
            gate.plays(kind, sse(&events));
            let mut body = stream_body(kind);
            body["stream_options"] = json!({"include_usage": asked});
            let mut stream = gate.chat_call(&key, &body).stream().await;
            let seen = stream.collect().await;
            assert!(ends_well(&seen), "{kind} {:?}", stream.text());
            let is_usage_chunk = |chunk: &&Value| {
                let told = &chunk["usage"];
                chunk["choices"] == json!([])
                    && told["completion_tokens"] == 3
                    && told["prompt_tokens"] == 7
            };
            let count = chunks(&seen).iter().filter(is_usage_chunk).count();
            assert_eq!(count, usize::from(asked), "{kind} {:?}", stream.text());
            assert_eq!(
                stream.text().contains("\"usage\""),
                asked,
                "{kind} {:?}",
                stream.text()
            );
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
    let filtered =
        json!([{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false}}}]);
    let azure = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": filtered});
    let mut with_null = azure.clone();
    with_null["usage"] = Value::Null;
    for kind in PASS_THROUGH {
        for (first, asked) in [
            (&azure, true),
            (&azure, false),
            (&with_null, true),
            (&with_null, false),
        ] {
            let rest = streamed(kind, &["hi"]).body();
            gate.plays(kind, stream_head(kind).event(first.to_string()).piece(rest));
            let mut body = stream_body(kind);
            body["stream_options"] = json!({"include_usage": asked});
            let mut stream = gate.chat_call(&key, &body).stream().await;
            let events = stream.collect().await;
            let seen = events[0].json();
            assert_eq!(
                (&seen["prompt_filter_results"], &seen["choices"]),
                (&filtered, &json!([])),
                "{kind}"
            );
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
                stream.text().contains("usage"),
                asked,
                "{kind} {:?}",
                stream.text()
            );
            let row = gate.row_of(&stream.request_id()).await;
            assert_eq!(row["completion_tokens"], 3, "{kind}");
        }
    }
}
