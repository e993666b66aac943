//! The stop: nothing is lost that had begun, and nothing new begins.

use std::time::Duration;

use modelgate_http::ServerConfig;
use modelgate_ports::test_util::StreamStep;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fixture::{
    CHAT, FedBackend, Gate, Running, chat_body, event, frame, stream_body, until,
};

fn config(grace: u64, drain: u64) -> ServerConfig {
    ServerConfig {
        grace: Duration::from_millis(grace),
        drain: Duration::from_millis(drain),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn without_a_connection_it_stops_at_once() {
    let mut server = Running::start(config(60_000, 60_000)).await;
    let mut client = server.connect().await;
    client
        .send(server.gate.raw("GET", "/health", &[], ""))
        .await;
    client.answer().await.expect(200);
    drop(client);
    server.stop();
    server.finished().await;
}

#[tokio::test]
async fn in_the_grace_everything_goes_on_but_readiness() {
    let mut server = Running::start(config(60_000, 60_000)).await;
    let mut idle = server.connect().await;
    idle.send(server.gate.raw("GET", "/ready", &[], "")).await;
    idle.answer().await.expect(200);
    server.stop();
    let unready = loop {
        let mut client = server.connect().await;
        client.send(server.gate.raw("GET", "/ready", &[], "")).await;
        let answer = client.answer().await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(
        (unready.status, unready.header("connection")),
        (503, Some("close"))
    );
    assert_eq!(unready.json()["status"], "draining");
    server.gate.backend.answers("{}", None);
    idle.send(server.gate.raw("POST", CHAT, &[], &chat_body().to_string()))
        .await;
    assert_eq!(
        idle.answer().await.expect(200).header("connection"),
        Some("close")
    );
    assert_eq!(idle.until_close().await, "");
    server.finished().await;
}

#[tokio::test]
async fn in_the_drain_a_running_stream_ends_well_and_nothing_new_begins() {
    let fed = std::sync::Arc::new(FedBackend::default());
    let gate = Gate::over(
        config(50, 60_000),
        std::sync::Arc::clone(&fed) as _,
        std::sync::Arc::default(),
    )
    .await;
    let mut server = Running::start_gate(gate, config(50, 60_000), None).await;
    let tap = fed.tap();
    let mut client = server.connect().await;
    client
        .send(
            server
                .gate
                .raw("POST", CHAT, &[], &stream_body().to_string()),
        )
        .await;
    tap.send(frame("a")).await.expect("taken");
    client.wait_for("\"a\"").await;
    let mut idle = server.connect().await;
    idle.send(server.gate.raw("GET", "/health", &[], "")).await;
    idle.answer().await.expect(200);
    let mut half = server.connect().await;
    let (begin, end) = ("GET /v1/mod", "els HTTP/1.1\r\nHost: x\r\n\r\n");
    half.send(begin).await;
    server.stop();
    assert_eq!(idle.until_close().await, "", "idle connections go first");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody listens any more"
    );
    half.send(end).await;
    let refused = half.answer().await;
    assert_eq!(refused.code(503), "server_shutting_down");
    assert_eq!(refused.header("connection"), Some("close"));
    tap.send(frame("b")).await.expect("taken");
    drop(tap);
    assert!(
        client
            .until_close()
            .await
            .ends_with("data: [DONE]\n\n\r\n0\r\n\r\n")
    );
    server.finished().await;
}

#[tokio::test]
async fn at_the_end_of_the_drain_what_is_left_is_told_why() {
    let mut server = Running::start(config(50, 200)).await;
    let gate = &server.gate;
    gate.backend.streams([event("a"), StreamStep::Hang]);
    gate.backend.hangs();
    let mut stream = server.connect().await;
    stream
        .send(gate.raw("POST", CHAT, &[], &stream_body().to_string()))
        .await;
    stream.wait_for("\"a\"").await;
    let mut whole = server.connect().await;
    whole
        .send(gate.raw("POST", CHAT, &[], &chat_body().to_string()))
        .await;
    until("both calls are under way", || gate.backend.open() == 2).await;
    let mut sending = server.connect().await;
    let lines = ["Content-Length: 100", "Expect: 100-continue"];
    sending.send(gate.raw("POST", CHAT, &lines, "")).await;
    // The server says so when it begins to read.
    sending.head().await.expect(100);
    sending.send("{").await;
    let start = Instant::now();
    server.stop();
    let said = stream.until_close().await;
    assert!(
        said.contains("\"code\":\"server_shutting_down\"") && !said.contains("[DONE]"),
        "{said}"
    );
    for client in [&mut whole, &mut sending] {
        let answer = client.answer().await;
        assert_eq!(answer.code(503), "server_shutting_down");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    drop((whole, sending));
    server.finished().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(server.gate.backend.open(), 0);
    let ledger = &server.gate.ledger;
    assert!(
        ledger
            .requests()
            .iter()
            .all(|&request| ledger.settlement(request).is_some())
    );
}

#[tokio::test]
async fn a_reader_that_stalls_does_not_hold_up_the_stop() {
    let mut server = Running::start(config(50, 200)).await;
    let big = modelgate_ports::driven::Frame {
        bytes: vec![b'x'; 1 << 20].into(),
        usage: None,
        deltas: 1,
    };
    server
        .gate
        .backend
        .streams((0..64).map(|_| StreamStep::Frame(big.clone())));
    let mut client = crate::fixture::RawClient::connect_narrow(server.address).await;
    client
        .send(
            server
                .gate
                .raw("POST", CHAT, &[], &stream_body().to_string()),
        )
        .await;
    client.head().await.expect(200);
    server.stop();
    server.finished().await;
    assert_eq!(server.gate.backend.open(), 0);
}
