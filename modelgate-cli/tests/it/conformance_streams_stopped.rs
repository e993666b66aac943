//! Cases 87 and 88: what running streams see of a shutdown, of a revoked key and of a removed model.

use serde_json::json;

use crate::client::{content_of, ends_well, request};
use crate::conformance_streams_dialects::{
    SCRIPTED, failure_of, stream_body, stream_head, streamed, text_piece,
};
use crate::gate::{ADMIN_KEY, Key, TestGate};
use crate::samples::KINDS;
use crate::upstream::{Latch, Script, Upstream};
use crate::wait;

/// How many pieces stand before the second text.
fn after_first(kind: &str) -> usize {
    if kind == "ollama" { 1 } else { 2 }
}

fn chat_request(key: &Key, model: &str) -> String {
    let auth = format!("Authorization: Bearer {}", key.secret);
    let lines = [auth.as_str(), "Content-Type: application/json"];
    request(
        "POST",
        "/v1/chat/completions",
        &lines,
        &stream_body(model).to_string(),
    )
}

/// Waits until no new connection is taken: from then on the program only finishes what it has.
async fn until_draining(gate: &TestGate) {
    let address = gate.address();
    wait::until("the end of the grace", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
}

#[tokio::test]
async fn case_87_running_streams_finish_and_new_requests_are_refused() {
    let mut gate = TestGate::with()
        .env("MG_SHUTDOWN_GRACE", "200ms")
        .env("MG_SHUTDOWN_DRAIN", "15s")
        .start()
        .await;
    let key = gate.with_all_kinds().await;
    let latch = Latch::new();
    let mut streams = Vec::new();
    for kind in SCRIPTED {
        gate.plays(
            kind,
            streamed(kind, &["one", "two"]).hold_after(after_first(kind), &latch),
        );
        let mut stream = gate.stream_of(&key, kind).await;
        let events = stream.until_said("one").await;
        streams.push((stream, events));
    }
    // A request whose head is on its way when the signal comes: its connection stays, and it is answered.
    let late = chat_request(&key, "echo");
    let mut client = gate.raw().await;
    client.send(&late[..20]).await;
    gate.terminate();
    until_draining(&gate).await;
    client.send(&late[20..]).await;
    let refusal = client.answer().await;
    refusal.refused_with(503);
    assert_eq!(
        refusal.header("connection"),
        Some("close"),
        "{}",
        refusal.describe()
    );
    let chats = gate.upstream.chats().len();
    assert_eq!(chats, SCRIPTED.len(), "no new request reaches an upstream");
    latch.open();
    for (stream, events) in &mut streams {
        events.extend(stream.collect().await);
        assert!(ends_well(events), "{:?}", stream.text());
        assert_eq!(content_of(events), "onetwo");
    }
    let exit = gate.wait_for_exit().await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    gate.restart().await;
    let rows = gate.rows().await;
    let finished = rows
        .iter()
        .filter(|row| row["status"] == 200 && row["completion_tokens"] == 3)
        .count();
    assert_eq!(finished, SCRIPTED.len(), "{rows:#?}");
}

#[tokio::test]
async fn case_87_streams_that_outlast_the_drain_get_an_error_event() {
    let mut gate = TestGate::with()
        .env("MG_SHUTDOWN_DRAIN", "500ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    let mut streams = Vec::new();
    for kind in SCRIPTED {
        gate.plays(
            kind,
            stream_head(kind)
                .piece(text_piece(kind, "one"))
                .then_stall(),
        );
        let mut stream = gate.stream_of(&key, kind).await;
        let events = stream.until_said("one").await;
        streams.push((stream, events));
    }
    gate.terminate();
    for (stream, events) in &mut streams {
        events.extend(stream.collect().await);
        let failure = failure_of(events);
        assert_eq!(
            failure.code.as_deref(),
            Some("server_shutting_down"),
            "{:?}",
            stream.text()
        );
    }
    wait::until("no upstream connection", || {
        gate.upstream.open_connections() == 0
    })
    .await;
    let exit = gate.wait_for_exit().await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    gate.restart().await;
    for row in gate.rows().await {
        assert_eq!(
            (&row["state"], &row["error_code"]),
            (&json!("settled"), &json!("server_shutting_down")),
            "{row}"
        );
        assert_eq!(
            (&row["source"], &row["completion_tokens"]),
            (&json!("estimated"), &json!(1)),
            "{row}"
        );
    }
}

#[tokio::test]
async fn case_87_a_request_that_still_waits_gets_503_at_the_end_of_the_drain() {
    let mut gate = TestGate::with()
        .env("MG_SHUTDOWN_DRAIN", "500ms")
        .start()
        .await;
    let key = gate.with_scripted_kinds().await;
    gate.plays("vllm", Script::stall());
    let mut client = gate.raw().await;
    client.send(chat_request(&key, "vllm")).await;
    let call = gate.upstream.wait_for_chat(1).await;
    gate.terminate();
    client.answer().await.refused(503, "server_shutting_down");
    gate.upstream.wait_closed(call.connection).await;
    assert_eq!(gate.wait_for_exit().await.code, Some(0));
    gate.restart().await;
    assert_eq!(gate.rows().await[0]["state"], "settled");
}

#[tokio::test]
async fn case_88_a_revoked_key_ends_no_stream_and_starts_none() {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    for kind in SCRIPTED {
        for change in ["delete", "disable"] {
            let key = gate.free_key(&format!("{change} {kind}")).await;
            let latch = Latch::new();
            gate.plays(
                kind,
                streamed(kind, &["one", "two"]).hold_after(after_first(kind), &latch),
            );
            let mut stream = gate.stream_of(&key, kind).await;
            let mut events = stream.until_said("one").await;
            let path = format!("/admin/keys/{}", key.id);
            let call = match change {
                "delete" => gate.delete(&path),
                _ => gate.put(&path).json(&json!({"status": "disabled"})),
            };
            let answer = call.bearer(ADMIN_KEY).send().await;
            assert!(answer.status < 300, "{}", answer.describe());
            for refused in KINDS {
                gate.chat_call(&key, &stream_body(refused))
                    .send()
                    .await
                    .refused(401, "invalid_api_key");
            }
            latch.open();
            events.extend(stream.collect().await);
            assert_eq!(
                (content_of(&events).as_str(), ends_well(&events)),
                ("onetwo", true),
                "{kind} {change}"
            );
            assert_eq!(
                gate.row_of(&stream.request_id()).await["completion_tokens"],
                3,
                "{kind} {change}"
            );
        }
    }
}

#[tokio::test]
async fn case_88_a_removed_model_ends_no_stream_and_starts_none() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    for kind in SCRIPTED {
        for change in ["delete", "disable"] {
            let name = format!("{kind}-{change}");
            let id = gate.add_model(gate.model_form(&name, kind)).await;
            let latch = Latch::new();
            gate.plays(
                kind,
                streamed(kind, &["one", "two"]).hold_after(after_first(kind), &latch),
            );
            let mut stream = gate.stream_of(&key, &name).await;
            let mut events = stream.until_said("one").await;
            let path = format!("/admin/models/{id}");
            let call = match change {
                "delete" => gate.delete(&path),
                _ => gate.put(&path).json(&json!({"enabled": false})),
            };
            let answer = call.bearer(ADMIN_KEY).send().await;
            assert!(answer.status < 300, "{}", answer.describe());
            gate.chat_call(&key, &stream_body(&name))
                .send()
                .await
                .refused(404, "model_not_found");
            latch.open();
            events.extend(stream.collect().await);
            assert_eq!(
                (content_of(&events).as_str(), ends_well(&events)),
                ("onetwo", true),
                "{name}"
            );
            let row = gate.row_of(&stream.request_id()).await;
            assert_eq!(
                (&row["completion_tokens"], &row["model"]),
                (&json!(3), &json!(name)),
                "{row}"
            );
        }
    }
}

#[tokio::test]
async fn case_88_a_changed_target_is_seen_by_the_next_request_only() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let id = gate.add_model(gate.model_form("m", "vllm")).await;
    let second = Upstream::start().await;
    let latch = Latch::new();
    gate.upstream
        .answers(streamed("vllm", &["one", "two"]).hold_after(2, &latch));
    let mut stream = gate.chat_stream(&key, "hi").await;
    let mut events = stream.until_said("one").await;
    let call = gate.put(&format!("/admin/models/{id}")).bearer(ADMIN_KEY);
    call.json(&json!({"base_url": second.url()}))
        .send()
        .await
        .expect_status(200);
    second.answers(streamed("vllm", &["elsewhere"]));
    let next = gate.chat_stream(&key, "hi").await.collect().await;
    assert_eq!(content_of(&next), "elsewhere");
    latch.open();
    events.extend(stream.collect().await);
    assert_eq!(content_of(&events), "onetwo");
    assert_eq!((gate.upstream.calls().len(), second.calls().len()), (1, 1));
}
