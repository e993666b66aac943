//! Cases 70 to 73: streams that break in the middle end with one error event, and never look complete.

use serde_json::{Value, json};

use crate::client::{Event, Stream, content_of, ends_well, request};
use crate::conformance_streams_dialects::{
    SCRIPTED, error_piece, failure_of, ollama_last, stream_body, stream_head, text_piece, whole,
};
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, Upstream, openai_chunk};

/// The role chunk and two texts, or their lines.
fn begun(kind: &str) -> Script {
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

fn finish() -> String {
    openai_chunk(&json!({}), Some("stop"))
}

fn usage_chunk() -> String {
    let mut chunk: Value = serde_json::from_str(&finish()).expect("a chunk");
    chunk["choices"] = json!([]);
    chunk["usage"] = json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10});
    chunk.to_string()
}

/// Plays the script; the stream must say "hello", then fail with this code, and its row must say the same.
async fn check_broken(
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
                let script = events
                    .iter()
                    .fold(begun(kind), |script, event| script.event(event));
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
async fn case_72_a_broken_transport_ends_the_stream_with_an_error_and_no_second_try() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let second = Upstream::start().await;
    second.answers_with(|request| {
        whole(
            if request.path.starts_with("/api") {
                "ollama"
            } else {
                "vllm"
            },
            "never",
        )
    });
    for kind in SCRIPTED {
        gate.add_pair(kind, kind, &second).await;
        let length = |script: Script| {
            let bytes = script.body().len();
            script
                .piece(" ".repeat(100))
                .length_framed()
                .cut_after(bytes)
        };
        let cuts = [
            ("reset", begun(kind).then_reset()),
            ("no last chunk", begun(kind).then_close()),
            (
                "half an event",
                begun(kind)
                    .piece(text_piece(kind, "never"))
                    .cut_after(begun(kind).body().len() + 9),
            ),
            ("less than its length", length(begun(kind))),
        ];
        for (what, script) in cuts {
            check_broken(&gate, &key, kind, script, what).await;
        }
    }
    assert!(
        second.calls().is_empty(),
        "content was sent: nothing may be tried again"
    );
}

#[tokio::test]
async fn case_72_a_reset_between_the_finish_and_the_end_is_an_error_too() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        for script in [
            begun(kind).event(finish()).then_close(),
            begun(kind)
                .event(finish())
                .event(usage_chunk())
                .then_close(),
        ] {
            gate.plays(kind, script);
            let mut stream = gate.stream_of(&key, kind).await;
            let events = stream.collect().await;
            assert_eq!(
                failure_of(&events).code.as_deref(),
                Some("upstream_error"),
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn r12_after_an_error_event_the_connection_is_closed() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        gate.plays(kind, begun(kind).then_close());
        let auth = format!("Authorization: Bearer {}", key.secret);
        let lines = [auth.as_str(), "Content-Type: application/json"];
        let mut client = gate.raw().await;
        client
            .send(request(
                "POST",
                "/v1/chat/completions",
                &lines,
                &stream_body(kind).to_string(),
            ))
            .await;
        client.head().await.expect_status(200);
        let said = client.until_close().await;
        assert!(
            said.contains("data: {\"error\":") && !said.contains("[DONE]"),
            "{kind} {said}"
        );
    }
}

#[tokio::test]
async fn case_73_an_error_in_mid_stream_becomes_one_error_event_and_the_end() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let object = r#"{"error":{"message":"boom","type":"server_error","param":null,"code":null}}"#;
    let mut chunk: Value =
        serde_json::from_str(&openai_chunk(&json!({"content": ""}), Some("error")))
            .expect("a chunk");
    chunk["error"] = json!({"code": 502, "message": "boom"});
    let shapes = [
        format!("data: {object}\n\n"),
        format!("data: {object}\n\ndata: [DONE]\n\n"),
        format!("event: error\ndata: {object}\n\n"),
        "event: error\ndata: {\"message\":\"boom\"}\n\n".to_owned(),
        "data: {\"error\":\"boom\"}\n\ndata: [DONE]\n\n".to_owned(),
        "data: {\"error\":{\"code\":500,\"message\":\"boom\",\"type\":\"server_error\"}}\n\n".to_owned(),
        "data: {\"object\":\"error\",\"message\":\"boom\",\"type\":\"InternalServerError\",\"code\":500}\n\ndata: [DONE]\n\n".to_owned(),
        format!("data: {chunk}\n\ndata: [DONE]\n\n"),
        format!("data: {object}\n\ndata: {object}\n\n{}", text_piece("vllm", "never")),
    ];
    for kind in PASS_THROUGH {
        for shape in &shapes {
            let events =
                check_broken(&gate, &key, kind, begun(kind).piece(shape.clone()), shape).await;
            let failure = events.last().expect("an event").json();
            assert_eq!(failure["error"]["message"], "boom", "{kind} {shape}");
        }
    }
}

#[tokio::test]
async fn case_73_an_error_member_of_null_is_no_error() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in PASS_THROUGH {
        let mut chunk: Value =
            serde_json::from_str(&openai_chunk(&json!({"content": "!"}), None)).expect("a chunk");
        chunk["error"] = Value::Null;
        gate.plays(
            kind,
            begun(kind)
                .event(chunk.to_string())
                .event(finish())
                .event("[DONE]"),
        );
        let events = gate.stream_of(&key, kind).await.collect().await;
        assert_eq!(
            (content_of(&events).as_str(), ends_well(&events)),
            ("hello!", true),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_73_nothing_comes_after_an_error_even_if_the_server_goes_on() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let end = if kind == "ollama" {
            ollama_last("stop") + "\n"
        } else {
            format!("data: {}\n\ndata: [DONE]\n\n", finish())
        };
        let script = begun(kind)
            .piece(error_piece(kind, "boom"))
            .piece(text_piece(kind, "never"))
            .piece(end);
        check_broken(&gate, &key, kind, script.then_stall(), "goes on").await;
        let call = gate.upstream.chats().pop().expect("a chat");
        gate.upstream.wait_closed(call.connection).await;
    }
}
