//! Case 40: HTTP/2 by prior knowledge.

use std::time::Duration;

use crate::client::{content_of, ends_well};
use crate::gate::{TestGate, chat_body};
use crate::upstream::{Latch, openai_stream, usage};
use crate::wait;

#[tokio::test]
async fn case_40_plain_calls_work_on_one_connection() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let client = gate.h2().await;
    client.send(gate.get("/health")).await.expect_status(200);
    client
        .send(gate.get("/v1/models").bearer(&key))
        .await
        .expect_status(200);
    client.send(gate.get("/v1/models")).await.refused(401, None);
    client
        .send(gate.put("/v1/models").bearer(&key))
        .await
        .refused(405, "method_not_supported");
    let answer = client
        .send(gate.chat_call(&key, &chat_body("m", "hi")))
        .await
        .expect_status(200);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
    assert_eq!(gate.row_of(answer.request_id()).await["status"], 200);
}

#[tokio::test]
async fn case_40_of_100_streams_a_reset_cancels_only_its_own_upstream_call() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let latch = Latch::new();
    gate.upstream
        .answers(openai_stream(&["hel", "lo"], usage(5, 2)).hold_after(2, &latch));
    let client = gate.h2().await;
    let mut body = chat_body("m", "hi");
    body["stream"] = true.into();
    let mut streams = Vec::new();
    for number in 0..100 {
        body["user"] = format!("user-{number}").into();
        let mut stream = client.stream(gate.chat_call(&key, &body)).await;
        assert_eq!(stream.status, 200);
        stream.next().await.expect("the role chunk");
        streams.push(stream);
    }
    assert_eq!(gate.upstream.open_connections(), 100);

    drop(streams.remove(42));
    let calls = gate.upstream.calls();
    let aborted = calls
        .iter()
        .find(|call| call.json()["user"] == "user-42")
        .expect("its call");
    gate.upstream.wait_closed(aborted.connection).await;
    assert_eq!(gate.upstream.open_connections(), 99);

    latch.open();
    for mut stream in streams {
        let events = stream.collect().await;
        assert_eq!(content_of(&events), "hello");
        assert!(ends_well(&events));
        assert_eq!(stream.cut(), None);
    }
    let rows = gate.rows().await;
    let finished = rows.iter().filter(|row| row["status"] == 200).count();
    assert!(
        finished > 0
            && rows
                .iter()
                .all(|row| row["status"] == 200 || row["status"] == 499),
        "{rows:?}"
    );
}

#[tokio::test]
async fn case_40_a_closed_connection_cancels_all_its_calls() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.upstream
        .answers(openai_stream(&["hel"], usage(5, 2)).hold_after(1, &Latch::new()));
    let mut body = chat_body("m", "hi");
    body["stream"] = true.into();
    let client = gate.h2().await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = client.stream(gate.chat_call(&key, &body)).await;
        stream.next().await.expect("the role chunk");
        streams.push(stream);
    }
    drop((streams, client));
    wait::until_within(Duration::from_secs(1), "no upstream call is left", || {
        gate.upstream.open_connections() == 0
    })
    .await;
}
