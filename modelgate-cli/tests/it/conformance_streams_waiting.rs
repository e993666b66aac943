//! Cases 74 to 76: what happens before the first event, and while there is nothing to send.

use std::time::Duration;

use serde_json::json;

use crate::client::{RawClient, content_of, ends_well, request};
use crate::conformance_streams_dialects::{
    SCRIPTED, chat_path, error_piece, failure_of, refusal, stream_body, stream_head, streamed,
    text_piece,
};
use crate::gate::{Key, TestGate};
use crate::samples::PASS_THROUGH;
use crate::upstream::{Latch, Script, Upstream};

async fn ask(gate: &TestGate, key: &Key, kind: &str) -> RawClient {
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
    client
}

#[tokio::test]
async fn case_74_a_refused_stream_gets_the_status_and_not_a_stream() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let table = [
        (400, 400),
        (404, 404),
        (422, 422),
        (429, 429),
        (500, 502),
        (503, 503),
    ];
    for kind in SCRIPTED {
        for (status, expected) in table {
            gate.plays(kind, refusal(kind, status, "not this time"));
            let answer = gate.chat_call(&key, &stream_body(kind)).send().await;
            answer.refused_with(expected);
            let row = gate.row_of(answer.request_id()).await;
            assert_eq!(
                (&row["status"], &row["stream"], &row["completion_tokens"]),
                (&json!(expected), &json!(true), &json!(0)),
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn case_74_an_error_as_the_first_event_gets_a_status() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let table = [
        (
            r#"{"error":{"message":"boom","type":"BadRequestError","param":null,"code":400}}"#,
            400,
        ),
        (
            r#"{"error":{"message":"boom","type":"NotFoundError","param":"model","code":404}}"#,
            404,
        ),
        (
            r#"{"error":{"message":"boom","type":"InternalServerError","param":null,"code":500}}"#,
            502,
        ),
        (
            r#"{"error":{"message":"boom","type":"server_error","param":null,"code":null}}"#,
            502,
        ),
        (r#"{"error":"boom"}"#, 502),
    ];
    for kind in PASS_THROUGH {
        for (data, status) in table {
            let alone = stream_head(kind).event(data);
            let shapes = [
                alone.clone(),
                alone.clone().event("[DONE]"),
                stream_head(kind)
                    .piece(": ping\n\n: ping\n\n")
                    .event(data)
                    .event("[DONE]"),
                stream_head(kind).piece(format!("event: error\ndata: {data}\n\n")),
            ];
            for script in shapes {
                gate.plays(kind, script);
                let answer = gate.chat_call(&key, &stream_body(kind)).send().await;
                assert_eq!(answer.refused_with(status).message, "boom", "{kind} {data}");
            }
        }
    }
    gate.plays(
        "ollama",
        stream_head("ollama").piece(error_piece("ollama", "boom")),
    );
    gate.chat_call(&key, &stream_body("ollama"))
        .send()
        .await
        .refused(502, "upstream_error");
}

#[tokio::test]
async fn case_74_until_the_first_event_another_server_may_answer() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    for kind in SCRIPTED {
        let second = Upstream::start().await;
        second.on(chat_path(kind), streamed(kind, &["second"]));
        gate.add_pair(kind, kind, &second).await;
        let comments = if kind == "ollama" {
            "\n\n"
        } else {
            ": ping\n\n"
        };
        let failures = [
            refusal(kind, 500, "boom"),
            stream_head(kind).piece(error_piece(kind, "boom")),
            stream_head(kind),
            stream_head(kind).piece(comments).then_reset(),
            stream_head(kind)
                .piece(text_piece(kind, "never"))
                .cut_after(20),
            Script::status(200)
                .header("content-type", "text/html")
                .piece("<html>never</html>"),
        ];
        for script in failures {
            gate.plays(kind, script);
            let mut stream = gate.stream_of(&key, kind).await;
            assert_eq!(stream.status, 200, "{kind}");
            let events = stream.collect().await;
            assert!(ends_well(&events), "{kind} {:?}", stream.text());
            assert!(
                !stream.text().contains("never"),
                "{kind} {:?}",
                stream.text()
            );
            let row = gate.row_of(&stream.request_id()).await;
            assert_eq!(
                (&row["attempts"], &row["completion_tokens"]),
                (&json!(2), &json!(3)),
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn case_75_a_pause_is_bridged_by_comments_and_the_stream_goes_on() {
    let gate = TestGate::with()
        .env("MG_STREAMS_KEEP_ALIVE", "100ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let latch = Latch::new();
        gate.plays(
            kind,
            streamed(kind, &["one", "two"])
                .hold_after(if kind == "ollama" { 1 } else { 2 }, &latch),
        );
        let mut stream = gate.stream_of(&key, kind).await;
        let mut events = stream.until_said("one").await;
        let comments = stream.wait_for_comments(3).await;
        assert!(
            comments.iter().all(|comment| comment == "keep-alive"),
            "{kind} {comments:?}"
        );
        latch.open();
        events.extend(stream.collect().await);
        assert_eq!(content_of(&events), "onetwo", "{kind}");
        assert!(ends_well(&events), "{kind}");
        // One line feed after a comment: a blank line would be an event without data for some clients.
        let text = stream.text();
        assert!(
            text.contains("\n\n: keep-alive\n: keep-alive\n: keep-alive\n"),
            "{kind} {text:?}"
        );
        assert!(!text.contains(": keep-alive\n\n"), "{kind} {text:?}");
    }
}

#[tokio::test]
async fn case_75_a_pause_beyond_the_idle_limit_is_a_timeout() {
    let settings = TestGate::with()
        .env("MG_STREAMS_KEEP_ALIVE", "100ms")
        .env("MG_TIMEOUTS_IDLE", "500ms");
    let gate = settings.start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        gate.plays(
            kind,
            stream_head(kind)
                .piece(text_piece(kind, "one"))
                .then_stall(),
        );
        let mut stream = gate.stream_of(&key, kind).await;
        let mut events = stream.until_said("one").await;
        events.extend(stream.collect().await);
        let failure = failure_of(&events);
        assert_eq!(
            failure.code.as_deref(),
            Some("upstream_timeout"),
            "{kind} {failure:?}"
        );
        assert!(failure.message.contains("(idle)"), "{kind} {failure:?}");
        assert!(
            stream.text().contains(": keep-alive\n"),
            "{kind} {:?}",
            stream.text()
        );
        let call = gate.upstream.chats().pop().expect("a chat");
        gate.upstream.wait_closed(call.connection).await;
        let row = gate.row_of(&stream.request_id()).await;
        assert_eq!(
            (&row["status"], &row["error_code"]),
            (&json!(504), &json!("upstream_timeout")),
            "{kind}"
        );
        assert_eq!(
            (&row["source"], &row["completion_tokens"]),
            (&json!("estimated"), &json!(1)),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_75_comments_of_the_upstream_keep_the_stream_alive_and_stay_behind() {
    let gate = TestGate::with().env("MG_TIMEOUTS_IDLE", "2s").start().await;
    let key = gate.with_scripted_kinds().await;
    let begun = stream_head("vllm").piece(text_piece("vllm", "one"));
    let waiting = (0..20).fold(begun, |script, _| {
        script
            .pause(Duration::from_millis(150))
            .piece(": still here\n\n")
    });
    gate.plays("vllm", waiting.piece(streamed("vllm", &["two"]).body()));
    let mut stream = gate.stream_of(&key, "vllm").await;
    let events = stream.collect().await;
    assert!(ends_well(&events), "{:?}", stream.text());
    assert!(!stream.text().contains("still here"), "{:?}", stream.text());
}

#[tokio::test]
async fn case_76_no_status_before_the_first_event_so_that_errors_keep_theirs() {
    let gate = TestGate::with()
        .env("MG_STREAMS_KEEP_ALIVE", "50ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let head_only = Latch::new();
        let late_error = stream_head(kind)
            .piece("\n")
            .hold(&head_only)
            .piece(error_piece(kind, "boom"));
        let later = Latch::new();
        for (script, latch, status) in [
            (
                refusal(kind, 503, "still loading").held_back(&later),
                &later,
                503,
            ),
            (late_error, &head_only, 502),
        ] {
            let asked = gate.upstream.chats().len();
            gate.plays(kind, script);
            let mut client = ask(&gate, &key, kind).await;
            gate.upstream.wait_for_chat(asked + 1).await;
            assert!(
                client.silent_for(Duration::from_millis(300)).await,
                "{kind}: neither status nor comment"
            );
            latch.open();
            client.answer().await.refused_with(status);
        }
    }
}

#[tokio::test]
async fn case_76_early_headers_let_comments_flow_and_errors_become_events() {
    let settings = TestGate::with()
        .env("MG_STREAMS_KEEP_ALIVE", "50ms")
        .env("MG_STREAMS_EARLY_HEADERS", "true");
    let gate = settings.start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        let latch = Latch::new();
        gate.plays(kind, refusal(kind, 503, "still loading").held_back(&latch));
        let mut stream = gate.stream_of(&key, kind).await;
        assert_eq!(stream.status, 200, "{kind}");
        stream.wait_for_comments(3).await;
        latch.open();
        let events = stream.collect().await;
        assert_eq!(
            (failure_of(&events).kind.as_str(), events.len()),
            ("server_error", 1),
            "{kind}"
        );
        assert_eq!(
            gate.row_of(&stream.request_id()).await["status"],
            503,
            "{kind}"
        );

        let latch = Latch::new();
        gate.plays(kind, streamed(kind, &["one"]).held_back(&latch));
        let mut stream = gate.stream_of(&key, kind).await;
        stream.wait_for_comments(2).await;
        latch.open();
        assert!(ends_well(&stream.collect().await), "{kind}");
        assert_eq!(
            gate.row_of(&stream.request_id()).await["status"],
            200,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_76_early_headers_come_after_the_key_and_the_body_were_checked() {
    let gate = TestGate::with()
        .env("MG_STREAMS_EARLY_HEADERS", "true")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    let call = gate.post("/v1/chat/completions").bearer("mg-wrong");
    call.json(&stream_body("vllm"))
        .send()
        .await
        .refused(401, "invalid_api_key");
    let mut bad = stream_body("vllm");
    bad["messages"] = json!("hi");
    gate.chat_call(&key, &bad).send().await.refused_with(400);
    assert!(gate.upstream.chats().is_empty());
}
