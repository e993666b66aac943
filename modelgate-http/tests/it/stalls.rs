//! Clients that are too slow: to send a head, to send a body, to read an answer, to ask again.

use std::sync::Arc;
use std::time::Duration;

use modelgate_http::ServerConfig;
use modelgate_ports::driven::Frame;

use crate::fixture::{CHAT, FedBackend, Gate, RawClient, Running, stream_body, until};

fn quick() -> ServerConfig {
    ServerConfig {
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(400),
        body_timeout: Duration::from_millis(200),
        write_timeout: Duration::from_millis(300),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn heads_that_do_not_come_are_not_waited_for() {
    let server = Running::start(quick()).await;
    for start in [
        "",
        "G",
        "PRI * HTTP/2.0\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let mut client = server.connect().await;
        client.send(start).await;
        assert_eq!(client.until_close().await, "", "{start:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_although_each_byte_is_quick() {
    let server = Running::start(quick()).await;
    let mut client = server.connect().await;
    client
        .send(server.gate.raw("GET", "/health", &[], ""))
        .await;
    client.answer().await.expect(200);
    let mut sent = 0;
    while client.try_send("x").await {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sent += 1;
        assert!(sent < 200, "still open after four seconds");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let config = ServerConfig {
        idle_timeout: Duration::from_secs(2),
        ..quick()
    };
    let server = Running::start(config).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client
            .send(server.gate.raw("GET", "/health", &[], ""))
            .await;
        client.answer().await.expect(200);
        // Longer than a head may take, shorter than a rest.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(client.until_close().await, "");
}

#[tokio::test]
async fn a_body_that_pauses_gets_408_and_the_close() {
    let server = Running::start(quick()).await;
    for (framing, begin) in [
        ("Content-Length: 100", "{"),
        ("Content-Length: 100", ""),
        ("Transfer-Encoding: chunked", "1\r\n{\r\n"),
    ] {
        let mut client = server.connect().await;
        client
            .send(server.gate.raw("POST", CHAT, &[framing], "") + begin)
            .await;
        assert_eq!(client.answer().await.code(408), "request_timeout");
        assert_eq!(client.until_close().await, "");
    }
}

#[tokio::test]
async fn a_reader_that_stalls_is_cut_and_its_stream_is_not_read_ahead() {
    let fed = Arc::new(FedBackend::default());
    let gate = Gate::over(quick(), Arc::clone(&fed) as _, Arc::default()).await;
    let server = Running::start_gate(gate, quick(), None).await;
    let tap = fed.tap();
    let mut client = RawClient::connect_narrow(server.address).await;
    client
        .send(
            server
                .gate
                .raw("POST", CHAT, &[], &stream_body().to_string()),
        )
        .await;
    client.head().await.expect(200);
    let big = Frame {
        bytes: format!("data: {}\n\n", "x".repeat(60_000)).into(),
        usage: None,
        deltas: 1,
    };
    let mut taken = 0;
    while tap.send(big.clone()).await.is_ok() {
        taken += 1;
        assert!(
            taken < 500,
            "30 MB were read for a client that reads nothing"
        );
    }
    let ledger = &server.gate.ledger;
    until("the row is closed", || {
        ledger.settlement(ledger.requests()[0]).is_some()
    })
    .await;
    let settlement = ledger.settlement(ledger.requests()[0]).expect("closed");
    assert_eq!(settlement.status, 499);
    assert!(settlement.spent.usage.completion > 0);
}
