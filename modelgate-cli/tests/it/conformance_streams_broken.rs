//! Cases 70 and 71: streams that make no sense or end too early, and those that only lack their `[DONE]`.

use serde_json::{Value, json};

use crate::client::{Event, Stream, content_of, ends_well};
use crate::conformance_streams_dialects::{
    SCRIPTED, failure_of, stream_body, stream_head, text_piece,
};
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, openai_chunk};

/// The role chunk and two texts, or their lines.
pub(crate) fn begun(kind: &str) -> Script {
    let head = stream_head(kind);
    let head = match kind {
        "ollama" => head,
        _ => head.event(openai_chunk(
            &json!({"role": "assistant", "content": ""}),
            None,
        )),
    };
    head.piece(text_piece(kind, "he"))
        .piece(text_piece(kind, "llo"))
}

pub(crate) fn finish() -> String {
    openai_chunk(&json!({}), Some("stop"))
}

pub(crate) fn usage_chunk() -> String {
    let mut chunk: Value = serde_json::from_str(&finish()).expect("a chunk");
    chunk["choices"] = json!([]);
    chunk["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    chunk.to_string()
}

/// Plays the script; the stream must say "hello", then fail with this code, and its row must say the same.
pub(crate) async fn check_broken(
    gate: &TestGate,
    key: &Key,
    kind: &str,
    script: Script,
    what: &str,
) -> Vec<Event> {
    gate.plays(kind, script);
    let mut stream = gate.stream_of(key, kind).await;
    assert_eq!(stream.status, 200, "{kind} {what}");
    let events = stream.collect().await;
    let failure = failure_of(&events);
    let words = (failure.kind.as_str(), failure.code.as_deref());
    assert_eq!(
        words,
        ("server_error", Some("upstream_error")),
        "{kind} {what} {failure:?}"
    );
    assert_eq!(
        content_of(&events[..events.len() - 1]),
        "hello",
        "{kind} {what}"
    );
    let row = gate.row_of(&stream.request_id()).await;
    assert_eq!(
        (&row["status"], &row["error_code"]),
        (&json!(502), &json!("upstream_error")),
        "{kind} {what} {row}"
    );
    let counted = row["completion_tokens"].as_u64().expect("a count");
    assert!(
        (1..=3).contains(&counted),
        "{kind} {what}: what was sent is charged: {row}"
    );
    events
}

#[tokio::test]
async fn case_70_malformed_json_in_an_event_ends_the_stream_with_an_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let broken: [&[u8]; 7] = [
        b"{\"choices\":[{\"canary\"",
        b"canary",
        b"{\"choices\":[]}canary",
        b"{\"choices\":[],\"a\":canary}",
        b"{\"choices\":[],\"a\":\"canary \xff\"}",
        b"{'choices':'canary'}",
        b"{\"choices\":[],\"canary\":\"a\tb\"}",
    ];
    for kind in PASS_THROUGH {
        for data in broken {
            let shown = String::from_utf8_lossy(data).into_owned();
            let event = [b"data: ".as_slice(), data, b"\n\n"].concat();
            // The rest of the stream is there and must not come, and the upstream would wait for ever.
            let script = begun(kind)
                .piece(event)
                .event(finish())
                .event("[DONE]")
                .then_stall();
            let events = check_broken(&gate, &key, kind, script, &shown).await;
            assert!(
                !events.iter().any(|event| event.data.contains("canary")),
                "{kind} {shown}"
            );
            let call = gate.upstream.chats().pop().expect("a chat");
            gate.upstream.wait_closed(call.connection).await;
        }
    }
}

#[tokio::test]
async fn case_70_a_malformed_first_event_is_a_502() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let broken = if kind == "ollama" {
            "{\"message\":\n"
        } else {
            "data: {\"choices\":\n\n"
        };
        gate.plays(kind, stream_head(kind).piece(broken).then_stall());
        let answer = gate.chat_call(&key, &stream_body(kind)).send().await;
        answer.refused(502, "upstream_error");
        let call = gate.upstream.chats().pop().expect("a chat");
        gate.upstream.wait_closed(call.connection).await;
    }
}

#[tokio::test]
async fn case_71_a_clean_end_after_the_finish_is_completed() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let mut old_style: Value = serde_json::from_str(&finish()).expect("a chunk");
    old_style["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    let endings = [
        ("with a usage chunk", vec![finish(), usage_chunk()], true),
        (
            "with usage on the finish chunk",
            vec![old_style.to_string()],
            true,
        ),
        ("without usage", vec![finish()], false),
    ];
    for kind in PASS_THROUGH {
        for (what, events, has_usage) in &endings {
            for asked in [true, false] {
                let script = events.iter().fold(begun(kind), Script::event);
                for script in [script.clone(), script.until_close()] {
                    gate.plays(kind, script);
                    let mut stream = asked_stream(&gate, &key, kind, asked).await;
                    let seen = stream.collect().await;
                    assert!(ends_well(&seen), "{kind} {what} {:?}", stream.text());
                    assert_eq!(content_of(&seen), "hello", "{kind} {what}");
                    let usage = |event: &&Event| {
                        event.data.contains("\"usage\":{") && event.data.contains("\"choices\":[]")
                    };
                    let expected = usize::from(asked && *has_usage);
                    assert_eq!(
                        seen.iter().filter(usage).count(),
                        expected,
                        "{kind} {what} {:?}",
                        stream.text()
                    );
                    let row = gate.row_of(&stream.request_id()).await;
                    assert_eq!(row["status"], 200, "{kind} {what}");
                    assert_eq!(
                        row["source"],
                        if *has_usage { "upstream" } else { "estimated" },
                        "{kind} {what}"
                    );
                }
            }
        }
    }
}

async fn asked_stream(gate: &TestGate, key: &Key, kind: &str, asked: bool) -> Stream {
    let mut body = stream_body(kind);
    body["stream_options"] = json!({"include_usage": asked});
    gate.chat_call(key, &body).stream().await
}

#[tokio::test]
async fn case_71_a_clean_end_before_the_finish_is_an_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        check_broken(&gate, &key, kind, begun(kind), "chunked").await;
        check_broken(&gate, &key, kind, begun(kind).until_close(), "until close").await;
    }
    for kind in PASS_THROUGH {
        check_broken(
            &gate,
            &key,
            kind,
            begun(kind).event(usage_chunk()),
            "after usage",
        )
        .await;
        let one_of_two = begun(kind).event(second_choice()).event(finish());
        check_broken(&gate, &key, kind, one_of_two, "one of two choices finished").await;
    }
}

/// The role chunk of choice 1.
fn second_choice() -> String {
    let mut chunk: Value =
        serde_json::from_str(&openai_chunk(&json!({"role": "assistant"}), None)).expect("a chunk");
    chunk["choices"][0]["index"] = 1.into();
    chunk.to_string()
}

#[tokio::test]
async fn case_71_a_stream_without_any_event_is_a_502() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for script in [
            stream_head(kind),
            stream_head(kind).piece("\n\n"),
            stream_head(kind).until_close(),
        ] {
            gate.plays(kind, script);
            let answer = gate.chat_call(&key, &stream_body(kind)).send().await;
            answer.refused(502, "upstream_error");
        }
    }
}

#[tokio::test]
async fn case_71_an_empty_reason_is_no_finish() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        // Some servers say so on every chunk.
        let unfinished = openai_chunk(&json!({"content": ""}), Some(""));
        let script = begun(kind).event(unfinished);
        check_broken(&gate, &key, kind, script, "an empty reason").await;
    }
}

#[tokio::test]
async fn case_71_a_choice_that_never_came_is_not_finished() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        gate.plays(kind, begun(kind).event(finish()));
        let mut body = stream_body(kind);
        body["n"] = 2.into();
        let events = gate.chat_call(&key, &body).stream().await.collect().await;
        assert_eq!(
            failure_of(&events).code.as_deref(),
            Some("upstream_error"),
            "{kind}"
        );
    }
}
