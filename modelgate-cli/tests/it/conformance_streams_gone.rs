//! Cases 77 and 86, promise R5: clients that leave in mid-stream, one or many.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{H2Client, Stream, ends_well};
use crate::conformance_streams_dialects::{
    SCRIPTED, stream_body, stream_head, streamed, text_piece, with_latches,
};
use crate::gate::{ADMIN_KEY, Key, TestGate, log_field};
use crate::samples::KINDS;
use crate::upstream::{Latch, openai_chunk};
use crate::wait;

/// The promised time for a row after the client hung up.
const SOON: Duration = Duration::from_secs(1);

fn words(kind: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| text_piece(kind, &format!("w{number};")))
        .collect()
}

#[tokio::test]
async fn case_77_after_k_chunks_a_client_that_leaves_is_charged_for_k() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    for kind in SCRIPTED {
        for seen in [1, 2, 7, 20] {
            let (script, latches) = with_latches(stream_head(kind), &words(kind, seen + 5));
            gate.plays(kind, script);
            let mut stream = gate.stream_of(&key, kind).await;
            for (number, latch) in latches.iter().enumerate().take(seen) {
                stream.until_said(&format!("w{number};")).await;
                if number + 1 < seen {
                    latch.open();
                }
            }
            let (id, call) = (
                stream.request_id(),
                gate.upstream.chats().pop().expect("a chat"),
            );
            drop(stream);
            gate.upstream.wait_closed(call.connection).await;
            let row =
                wait::bounded_within(SOON, "the row of an aborted stream", gate.row_of(&id)).await;
            check_row(&row, seen, kind);
            let line = gate.request_log(&id).await;
            assert_eq!(log_field(&line, "status"), 499, "{kind} {line}");
        }
    }
}

fn check_row(row: &Value, seen: usize, what: &str) {
    assert_eq!(
        (&row["status"], &row["state"]),
        (&json!(499), &json!("settled")),
        "{what} {row}"
    );
    assert_eq!(
        (&row["source"], &row["stream"]),
        (&json!("estimated"), &json!(true)),
        "{what} {row}"
    );
    let counted = usize::try_from(row["completion_tokens"].as_u64().expect("a count"))
        .expect("a small count");
    assert!(
        counted.abs_diff(seen) <= 1,
        "{what}: {counted} counted, {seen} seen"
    );
    assert!(
        row["prompt_tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 0),
        "{what} {row}"
    );
}

#[tokio::test]
async fn case_77_what_the_upstream_told_before_the_abort_is_charged() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let mut chunk: Value =
        serde_json::from_str(&openai_chunk(&json!({"content": "one"}), None)).expect("a chunk");
    chunk["usage"] = json!({"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30});
    gate.upstream
        .answers(stream_head("vllm").event(chunk.to_string()).then_stall());
    let mut stream = gate.chat_stream(&key, "hi").await;
    stream.until_said("one").await;
    let id = stream.request_id();
    drop(stream);
    let row = gate.row_of(&id).await;
    assert_eq!(
        (&row["prompt_tokens"], &row["completion_tokens"]),
        (&json!(21), &json!(9)),
        "{row}"
    );
    assert_eq!(
        (&row["source"], &row["status"]),
        (&json!("upstream"), &json!(499)),
        "{row}"
    );
}

#[tokio::test]
async fn case_77_other_streams_do_not_notice() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let h2 = gate.h2().await;
    for kind in SCRIPTED {
        let latch = Latch::new();
        let after_first = if kind == "ollama" { 1 } else { 2 };
        gate.plays(
            kind,
            streamed(kind, &["one", "two"]).hold_after(after_first, &latch),
        );
        let body = stream_body(kind);
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(h2.stream(gate.chat_call(&key, &body)).await);
            streams.push(gate.chat_call(&key, &body).stream().await);
        }
        for stream in &mut streams {
            stream.until_said("one").await;
        }
        let open = gate.upstream.open_connections();
        let (leaving, mut staying): (Vec<Stream>, Vec<Stream>) = {
            let mut rest = streams.split_off(2);
            let kept = rest.split_off(2);
            (streams.into_iter().chain(rest).collect(), kept)
        };
        let left = leaving.len();
        drop(leaving);
        wait::until_within(SOON, "the upstream of those that left is closed", || {
            gate.upstream.open_connections() <= open - left
        })
        .await;
        latch.open();
        for stream in &mut staying {
            assert!(ends_well(&stream.collect().await), "{kind}");
            assert_eq!(
                gate.row_of(&stream.request_id()).await["completion_tokens"],
                3,
                "{kind}"
            );
        }
    }
}

#[tokio::test]
async fn case_77_a_client_of_echo_that_leaves_has_a_row_too() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let mut stream = gate.chat_stream(&key, &"word ".repeat(200_000)).await;
    stream.next().await.expect("an event");
    let id = stream.request_id();
    drop(stream);
    let row = wait::bounded_within(SOON, "the row of an aborted stream", gate.row_of(&id)).await;
    assert_eq!(
        (&row["status"], &row["state"]),
        (&json!(499), &json!("settled")),
        "{row}"
    );
}

/// 500 streams: 400 over four HTTP/2 connections, 100 with connections of their own.
const STREAMS: usize = 500;
const OVER_H2: usize = 400;
const PER_CONNECTION: usize = 100;

#[tokio::test]
async fn case_86_of_five_hundred_streams_half_aborted_nothing_is_left_over() {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    let latch = Latch::new();
    for kind in SCRIPTED {
        let pieces = words(kind, 4);
        let begun = pieces.iter().fold(stream_head(kind), |script, piece| {
            script.piece(piece.clone())
        });
        let end = String::from_utf8(streamed(kind, &["end"]).body()).expect("UTF-8");
        gate.plays(kind, begun.hold(&latch).piece(end));
    }
    let streams = open_all(&gate, &key).await;
    assert_eq!(gate.upstream.open_connections(), STREAMS);
    let (leaving, staying) = halves(streams);
    drop(leaving);
    wait::until("half of the upstream connections are closed", || {
        gate.upstream.open_connections() == STREAMS / 2
    })
    .await;
    latch.open();
    let mut finishing = JoinSet::new();
    for mut stream in staying {
        finishing
            .spawn(async move { assert!(ends_well(&stream.collect().await), "{}", stream.text()) });
    }
    while let Some(finished) = finishing.join_next().await {
        finished.expect("a stream that ends well");
    }
    check_nothing_is_left(&gate, key.id).await;
}

/// All streams, each after its first event: none of them can have ended.
async fn open_all(gate: &TestGate, key: &Key) -> Vec<Stream> {
    let mut clients = Vec::new();
    for _ in 0..OVER_H2 / PER_CONNECTION {
        clients.push(gate.h2().await);
    }
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let kind = SCRIPTED[number % SCRIPTED.len()];
        let call = gate.chat_call(key, &stream_body(kind));
        let client: Option<&H2Client> = clients.get(number / PER_CONNECTION);
        let mut stream = match client {
            Some(client) => client.stream(call).await,
            None => call.stream().await,
        };
        stream.next().await.expect("a first event");
        streams.push(stream);
    }
    streams
}

/// Half of them by a fixed but unordered choice.
fn halves(streams: Vec<Stream>) -> (Vec<Stream>, Vec<Stream>) {
    let mut numbered: Vec<(usize, Stream)> = streams.into_iter().enumerate().collect();
    numbered.sort_by_key(|(number, _)| (number * 7_919) % 1_009);
    let staying = numbered.split_off(STREAMS / 2);
    let only_streams =
        |half: Vec<(usize, Stream)>| half.into_iter().map(|(_, stream)| stream).collect();
    (only_streams(numbered), only_streams(staying))
}

async fn check_nothing_is_left(gate: &TestGate, key: i64) {
    let rows = closed_rows(gate, STREAMS).await;
    let with_status = |status: u64| rows.iter().filter(|row| row["status"] == status).count();
    assert_eq!(
        (with_status(499), with_status(200)),
        (STREAMS / 2, STREAMS / 2)
    );
    assert!(rows.iter().all(|row| row["state"] == "settled"));
    let charged: u64 = rows
        .iter()
        .map(|row| row["total_tokens"].as_u64().expect("a count"))
        .sum();
    let shown = gate.admin(&format!("/admin/keys/{key}")).await;
    assert_eq!(
        (&shown["quota_reserved"], &shown["quota_used"]),
        (&json!(0), &json!(charged))
    );
    // What is left are idle connections that the gateway keeps for a few seconds.
    wait::until("no upstream connection", || {
        gate.upstream.open_connections() == 0
    })
    .await;
}

/// All rows, page by page, as soon as none of them is open.
async fn closed_rows(gate: &TestGate, count: usize) -> Vec<Value> {
    let polling = async {
        loop {
            let rows = all_rows(gate).await;
            if rows.len() == count && rows.iter().all(|row| row["state"] != "open") {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    wait::bounded("every row is closed", polling).await
}

async fn all_rows(gate: &TestGate) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut path = "/admin/requests?limit=200".to_owned();
    loop {
        let page = gate
            .get(&path)
            .bearer(ADMIN_KEY)
            .send()
            .await
            .expect_status(200)
            .json();
        rows.extend(page["data"].as_array().expect("data").iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("/admin/requests?limit=200&before={next}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn case_77_every_kind_is_served_again_after_an_abort() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        gate.plays(
            kind,
            stream_head(kind)
                .piece(text_piece(kind, "one"))
                .then_stall(),
        );
        drop(gate.stream_of(&key, kind).await);
        gate.plays(kind, streamed(kind, &["again"]));
        assert!(
            ends_well(&gate.stream_of(&key, kind).await.collect().await),
            "{kind}"
        );
    }
}
