//! The scripted upstream and the clients, one against the other, without a gateway between them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Call, RawClient, content_of, request};
use crate::upstream::{
    self, Latch, Recorded, Script, Upstream, ndjson, openai_chat, openai_stream, usage,
};
use crate::wait;

fn post(upstream: &Upstream, body: &Value) -> Call {
    Call::new(upstream.address(), "POST", "/v1/chat/completions").json(body)
}

async fn body_of(script: Script) -> String {
    let upstream = Upstream::start().await;
    upstream.answers(script);
    let answer = post(&upstream, &json!({})).send().await;
    answer.expect_status(200).text().to_owned()
}

#[tokio::test]
async fn every_framing_and_every_split_gives_the_same_body() {
    let script = || Script::status(200).piece("abc").piece("").piece("defg");
    let shapes = [
        script().length_framed(),
        script().chunked(),
        script().until_close(),
        script().chunked().split(1),
        script().piece("more").truncated_to(7),
        script().chunked().piece("more").truncated_to(7),
        script().split_at(4),
        script().chunked().split_at(0),
        Script::status(200).repeated("abcdefg", 1),
        Script::exact("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nabcdefg"),
        script().pause(Duration::from_millis(1)),
    ];
    for shape in shapes {
        let shown = format!("{shape:?}");
        assert_eq!(body_of(shape).await, "abcdefg", "{shown}");
    }
}

#[tokio::test]
async fn requests_are_written_down_with_their_connection() {
    let upstream = Upstream::start().await;
    let mut client = RawClient::connect(upstream.address()).await;
    client
        .send(request(
            "POST",
            "/v1/chat/completions?a=b",
            &["X-One: 1"],
            "{\"n\":1}",
        ))
        .await;
    client.answer().await.expect_status(200);
    client.send("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n0\r\nT: 1\r\n\r\n").await;
    client.answer().await.expect_status(404);
    let calls = upstream.wait_for_calls(2).await;
    let seen = |call: &Recorded| (call.path.clone(), call.body_text(), call.connection);
    assert_eq!(
        seen(&calls[0]),
        (
            "/v1/chat/completions?a=b".to_owned(),
            "{\"n\":1}".to_owned(),
            0
        )
    );
    assert_eq!(seen(&calls[1]), ("/x".to_owned(), "abc".to_owned(), 0));
    assert_eq!(
        (calls[0].header("x-one"), calls[0].json()["n"].as_i64()),
        (Some("1"), Some(1))
    );
    assert!(calls[0].at <= calls[1].at);
}

#[tokio::test]
async fn queue_then_path_then_fallback_then_manners() {
    let upstream = Upstream::start().await;
    let status = async || post(&upstream, &json!({})).send().await.status;
    assert_eq!(status().await, 200);
    upstream.answers_with(|request| {
        Script::status(if request.json() == json!({}) {
            418
        } else {
            400
        })
    });
    upstream.queue(upstream::json(503, "{}"));
    assert_eq!((status().await, status().await), (503, 418));
    upstream.on("/v1/chat/completions", upstream::json(409, "{}"));
    assert_eq!(status().await, 409);
    assert_eq!(
        Call::new(upstream.address(), "GET", "/v1/models")
            .send()
            .await
            .status,
        200
    );
    assert_eq!((upstream.calls().len(), upstream.requests().len()), (4, 5));
}

#[tokio::test]
async fn a_latch_holds_a_stream_until_it_is_opened() {
    let upstream = Upstream::start().await;
    let latch = Latch::new();
    upstream.answers(openai_stream(&["he", "llo"], usage(5, 2)).hold_after(2, &latch));
    let mut stream = post(&upstream, &json!({})).stream().await;
    let mut events = vec![
        stream.next().await.expect("role"),
        stream.next().await.expect("he"),
    ];
    assert_eq!(
        (upstream.open_connections(), stream.header("content-type")),
        (1, Some("text/event-stream"))
    );
    latch.open();
    events.extend(stream.collect().await);
    assert_eq!(content_of(&events), "hello");
    assert!(
        events.last().is_some_and(|event| event.is_done()
            && event.at >= events[0].at
            && event.name.is_none())
    );
    assert_eq!((stream.cut(), stream.status), (None, 200));
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_held_back_answer_waits_with_its_head() {
    let upstream = Upstream::start().await;
    let latch = Latch::new();
    upstream.answers(openai_chat("late", usage(1, 1)).held_back(&latch));
    let mut client = RawClient::connect(upstream.address()).await;
    client
        .send(request("POST", "/v1/chat/completions", &[], "{}"))
        .await;
    upstream.wait_for_calls(1).await;
    assert!(client.silent_for(Duration::from_millis(20)).await);
    latch.open();
    assert!(client.answer().await.text().contains("late"));
}

#[tokio::test]
async fn cuts_resets_and_hang_ups_are_seen_by_the_client() {
    let endings = [
        Script::status(200).chunked().piece("abc").then_close(),
        Script::status(200).chunked().piece("abc").then_reset(),
        Script::status(200).piece("abcdef").cut_after(3),
    ];
    for ending in endings {
        let upstream = Upstream::start().await;
        upstream.answers(ending);
        let mut stream = post(&upstream, &json!({})).stream().await;
        assert!(stream.next().await.is_none());
        assert!(stream.cut().is_some());
    }
    let upstream = Upstream::start().await;
    upstream.answers(Script::hang_up());
    let mut client = RawClient::connect(upstream.address()).await;
    client.send(request("POST", "/", &[], "")).await;
    assert!(client.try_answer().await.is_none());
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed_during_a_stall() {
    let upstream = Upstream::start().await;
    upstream.queue(openai_stream(&[], Value::Null).then_stall());
    let mut stream = post(&upstream, &json!({})).stream().await;
    stream
        .next_within(Duration::from_secs(5))
        .await
        .expect("role");
    drop(stream);
    upstream.wait_closed(0).await;

    upstream.queue(Script::stall());
    let mut client = RawClient::connect(upstream.address()).await;
    client.send(request("POST", "/", &[], "")).await;
    upstream.wait_for_calls(2).await;
    client.reset();
    upstream.wait_closed(1).await;
    assert_eq!(upstream.open_connections(), 0);
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_upstream() {
    let upstream = Upstream::start().await;
    let piece = vec![b'x'; 64 * 1_024];
    upstream.answers(Script::status(200).chunked().repeated(piece, 1_024));
    let mut client = RawClient::connect_narrow(upstream.address()).await;
    client.send(request("POST", "/", &[], "")).await;
    client.head().await.expect_status(200);
    let full = upstream.wait_sent_settles(0).await;
    assert!(
        full < 32 << 20,
        "{full} bytes went out to a reader that reads nothing"
    );
    client.exactly(8 << 20).await;
    wait::until("more is sent when more is read", || upstream.sent(0) > full).await;
}

#[tokio::test]
async fn gzip_keeps_the_borders_of_the_pieces() {
    let script = Script::status(200).event("a").gzip();
    let packed = script.body();
    assert!(packed.starts_with(&[0x1f, 0x8b]));
    let mut plain = String::new();
    let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_string(&mut decoder, &mut plain).expect("gzip");
    assert_eq!(plain, "data: a\n\n");
}

#[tokio::test]
async fn an_outage_refuses_and_ends() {
    let mut upstream = Upstream::start().await;
    let address = upstream.address();
    let mut client = RawClient::connect(address).await;
    upstream.down().await;
    assert_eq!(client.until_close().await, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    upstream.up().await;
    assert_eq!(post(&upstream, &json!({})).send().await.status, 200);
    assert!(
        tokio::net::TcpStream::connect(upstream::closed_port().await)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn comments_stand_between_events() {
    let upstream = Upstream::start().await;
    let latch = Latch::new();
    let script = Script::status(200)
        .chunked()
        .piece(": keep-alive\n")
        .piece(": keep-alive\n");
    upstream.answers(
        script
            .hold(&latch)
            .event("{\"n\":1}")
            .piece("event: error\ndata: {}\n\n"),
    );
    let mut stream = post(&upstream, &json!({})).stream().await;
    assert_eq!(
        stream.wait_for_comments(2).await,
        ["keep-alive", "keep-alive"]
    );
    latch.open();
    let events = stream.collect().await;
    assert_eq!((events.len(), events[0].json()["n"].as_i64()), (2, Some(1)));
    assert_eq!(events[1].name.as_deref(), Some("error"));
}

#[tokio::test]
async fn a_stream_that_is_none_can_be_read_as_an_answer() {
    let upstream = Upstream::start().await;
    upstream.answers(ndjson(&["{}", "{}"]).header("x-one", "1"));
    let stream = post(&upstream, &json!({})).stream().await;
    let answer = stream.into_answer().await;
    assert_eq!(
        (answer.text(), answer.header("x-one")),
        ("{}\n{}\n", Some("1"))
    );
}
