//! Case 48: one request after the other on one connection, also after an answer that left a body unread.

use crate::client::{RawClient, request};
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{Recorded, openai_chat, usage};

const PATH: &str = "/v1/chat/completions";

fn auth(key: &Key) -> String {
    format!("Authorization: Bearer {}", key.secret)
}

fn text_of(call: &Recorded) -> String {
    call.json()["messages"][0]["content"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[tokio::test]
async fn case_48_an_unread_body_never_becomes_the_next_request() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "1024")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let auth = auth(&key);
    let bait = request("GET", "/health", &["X-Bait: 1"], "").repeat(30);
    let json = "Content-Type: application/json";
    let table = [
        (404, "/v1/unknown", vec![auth.as_str(), json]),
        (401, PATH, vec![json]),
        (401, PATH, vec!["Authorization: Bearer mg-wrong", json]),
        (405, "/v1/models", vec![auth.as_str(), json]),
        (413, PATH, vec![auth.as_str(), json]),
        (415, PATH, vec![auth.as_str(), "Content-Type: text/plain"]),
        (415, PATH, vec![auth.as_str(), json, "Content-Encoding: br"]),
        (400, PATH, vec![auth.as_str(), json, "x-api-key: another"]),
    ];
    for (status, path, headers) in table {
        let body = if status == 413 {
            bait.as_str()
        } else {
            &bait[..900]
        };
        let next = request("GET", "/v1/models", &[&auth], "");
        let mut client = gate.raw().await;
        client
            .try_send(request("POST", path, &headers, body) + &next)
            .await;
        client.answer().await.expect_status(status);
        // Drained or closed; never an answer to the bait.
        if let Some(answer) = client.try_answer().await {
            assert_eq!(
                answer.expect_status(200).json()["data"][0]["id"],
                "m",
                "{path}"
            );
        }
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_48_pipelined_requests_are_answered_in_order() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.upstream
        .answers_with(|request| openai_chat(&text_of(request), usage(1, 1)));
    let (auth, json) = (auth(&key), "Content-Type: application/json");
    let ask = |text: &str| {
        request(
            "POST",
            PATH,
            &[&auth, json],
            &chat_body("m", text).to_string(),
        )
    };
    let broken = request("POST", PATH, &[&auth, json], "{");
    let mut client = gate.raw().await;
    client
        .send(ask("one") + &broken + &ask("two") + &request("GET", "/health", &[], ""))
        .await;
    assert_eq!(said_by(&mut client).await, "one");
    client.answer().await.refused(400, None);
    assert_eq!(said_by(&mut client).await, "two");
    client.answer().await.expect_status(200);
}

async fn said_by(client: &mut RawClient) -> String {
    let answer = client.answer().await.expect_status(200);
    answer.json()["choices"][0]["message"]["content"]
        .as_str()
        .expect("a text")
        .to_owned()
}
