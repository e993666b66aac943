//! Case 62 and promise R5: clients that go away while they wait for the first byte.

use serde_json::{Value, json};

use crate::client::{RawClient, request};
use crate::conformance_streams_dialects::{SCRIPTED, chat_path, refusal, stream_body, stream_head};
use crate::gate::{Key, TestGate, chat_body, log_field};
use crate::upstream::{Script, Upstream};
use crate::wait;

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum Going {
    Close,
    Reset,
}

async fn ask(gate: &TestGate, key: &Key, body: &Value) -> RawClient {
    let auth = format!("Authorization: Bearer {}", key.secret);
    let lines = [auth.as_str(), "Content-Type: application/json"];
    let mut client = gate.raw().await;
    client
        .send(request(
            "POST",
            "/v1/chat/completions",
            &lines,
            &body.to_string(),
        ))
        .await;
    client
}

#[tokio::test]
async fn case_62_a_client_that_leaves_before_the_first_byte_frees_the_upstream() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        // Before its head, and after it but before any byte of the body.
        for script in [Script::stall(), stream_head(kind).then_stall()] {
            gate.plays(kind, script);
            for body in [chat_body(kind, "hi"), stream_body(kind)] {
                for going in [Going::Close, Going::Reset] {
                    leave(&gate, &key, &body, going).await;
                }
            }
        }
    }
    let rows = gate.rows().await;
    assert_eq!(rows.len(), SCRIPTED.len() * 8);
    for row in rows {
        check_row(&gate, &row).await;
    }
    wait::until("no upstream connection", || {
        gate.upstream.open_connections() == 0
    })
    .await;
}

async fn leave(gate: &TestGate, key: &Key, body: &Value, going: Going) {
    let before = gate.upstream.chats().len();
    let client = ask(gate, key, body).await;
    let connection = gate.upstream.wait_for_chat(before + 1).await.connection;
    match going {
        Going::Close => drop(client),
        Going::Reset => client.reset(),
    }
    gate.upstream.wait_closed(connection).await;
}

/// The prompt is charged as far as it is known, and no output: none was seen.
async fn check_row(gate: &TestGate, row: &Value) {
    assert_eq!(
        (&row["status"], &row["state"]),
        (&json!(499), &json!("settled")),
        "{row}"
    );
    assert_eq!(
        (&row["completion_tokens"], &row["source"]),
        (&json!(0), &json!("estimated")),
        "{row}"
    );
    let line = gate.request_log(row["id"].as_str().expect("an id")).await;
    assert_eq!(log_field(&line, "status"), 499, "{line}");
}

#[tokio::test]
async fn case_62_nothing_stays_promised_to_a_client_that_left() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": 1_000, "rate_limit": null, "max_parallel": 1}))
        .await;
    let mut body = stream_body("m");
    body["max_tokens"] = 900.into();
    gate.upstream.answers(Script::stall());
    for going in [Going::Close, Going::Reset] {
        leave(&gate, &key, &body, going).await;
        gate.rows().await;
        let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
        assert_eq!(shown["quota_reserved"], 0, "{shown}");
        assert!(
            shown["quota_used"].as_u64().is_some_and(|used| used < 200),
            "only prompts: {shown}"
        );
    }
}

#[tokio::test]
async fn case_62_a_client_that_leaves_during_the_second_try_frees_that_server() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    for kind in SCRIPTED {
        let second = Upstream::start().await;
        second.on(chat_path(kind), Script::stall());
        gate.plays(kind, refusal(kind, 500, "boom"));
        gate.add_pair(kind, kind, &second).await;
        for body in [chat_body(kind, "hi"), stream_body(kind)] {
            let before = second.chats().len();
            let client = ask(&gate, &key, &body).await;
            let connection = second.wait_for_chat(before + 1).await.connection;
            drop(client);
            second.wait_closed(connection).await;
        }
    }
    for row in gate.rows().await {
        check_row(&gate, &row).await;
    }
}

#[tokio::test]
async fn r13_an_attempt_that_the_client_ended_is_in_the_row() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let second = Upstream::start().await;
    gate.add_model(gate.model_form("one", "vllm")).await;
    gate.add_pair("two", "vllm", &second).await;
    second.answers(Script::stall());
    let table = [
        ("one", Script::stall(), &gate.upstream, 1),
        ("two", refusal("vllm", 500, "boom"), &second, 2),
    ];
    for (model, script, asked, attempts) in table {
        gate.plays("vllm", script);
        let before = asked.chats().len();
        let client = ask(&gate, &key, &stream_body(model)).await;
        let connection = asked.wait_for_chat(before + 1).await.connection;
        drop(client);
        asked.wait_closed(connection).await;
        let row = gate.rows().await.pop().expect("a row");
        assert_eq!(
            (&row["model"], &row["attempts"]),
            (&json!(model), &json!(attempts)),
            "{row}"
        );
    }
}
