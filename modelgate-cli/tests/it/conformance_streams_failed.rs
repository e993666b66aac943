//! Cases 72 and 73: transports that break and errors in mid-stream end a stream with one error event.

use serde_json::{Value, json};

use crate::client::{content_of, ends_well, request};
use crate::conformance_streams_broken::{begun, check_broken, finish, usage_chunk};
use crate::conformance_streams_dialects::{
    SCRIPTED, error_piece, failure_of, ollama_last, stream_body, text_piece, whole,
};
use crate::gate::TestGate;
use crate::samples::PASS_THROUGH;
use crate::upstream::{Script, Upstream, openai_chunk};

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
