//! Clients that hang up: their calls are let go at once.

use modelgate_http::ServerConfig;
use modelgate_ports::test_util::StreamStep;

use crate::fixture::{CHAT, Running, chat_body, event, stream_body, until};

async fn settled_status(server: &Running) -> u16 {
    let ledger = &server.gate.ledger;
    let request = ledger.requests()[0];
    until("the row is closed", || ledger.settlement(request).is_some()).await;
    ledger.settlement(request).expect("closed").status
}

#[tokio::test]
async fn while_it_waits_for_a_whole_answer() {
    let server = Running::start(ServerConfig::default()).await;
    server.gate.backend.hangs();
    let mut client = server.connect().await;
    client
        .send(server.gate.raw("POST", CHAT, &[], &chat_body().to_string()))
        .await;
    until("the call is under way", || server.gate.backend.open() == 1).await;
    drop(client);
    until("the call is let go", || server.gate.backend.open() == 0).await;
    assert_eq!(settled_status(&server).await, 499);
}

#[tokio::test]
async fn while_it_waits_for_the_first_event() {
    for early_headers in [false, true] {
        let server = Running::start(ServerConfig {
            early_headers,
            ..ServerConfig::default()
        })
        .await;
        server.gate.backend.hangs();
        let mut client = server.connect().await;
        client
            .send(
                server
                    .gate
                    .raw("POST", CHAT, &[], &stream_body().to_string()),
            )
            .await;
        until("the call is under way", || server.gate.backend.open() == 1).await;
        drop(client);
        until("the call is let go", || server.gate.backend.open() == 0).await;
        assert_eq!(settled_status(&server).await, 499);
    }
}

#[tokio::test]
async fn in_mid_stream() {
    let server = Running::start(ServerConfig::default()).await;
    server
        .gate
        .backend
        .streams([event("a"), event("b"), StreamStep::Hang]);
    let mut client = server.connect().await;
    client
        .send(
            server
                .gate
                .raw("POST", CHAT, &[], &stream_body().to_string()),
        )
        .await;
    client.wait_for("\"b\"").await;
    drop(client);
    until("the stream is let go", || server.gate.backend.open() == 0).await;
    assert_eq!(settled_status(&server).await, 499);
    let settlement = server
        .gate
        .ledger
        .settlement(server.gate.ledger.requests()[0])
        .expect("closed");
    assert_eq!(settlement.spent.usage.completion, 2);
}
