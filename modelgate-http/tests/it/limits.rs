//! Caps on heads, on connections and on calls at the same time.

use std::time::Duration;

use modelgate_http::ServerConfig;
use modelgate_ports::test_util::StreamStep;

use crate::fixture::{CHAT, Gate, Running, call, chat_body, event, stream_body, until};

#[tokio::test]
async fn each_cap_of_a_head_is_exact_and_answered_in_shape() {
    let server = Running::start(ServerConfig::default()).await;
    let path = |length: usize| format!("/health?{}", "x".repeat(length - "/health?".len()));
    // Host and Authorization are two of the hundred.
    let many = |count: usize| {
        (2..count)
            .map(|number| format!("x-{number}: y"))
            .collect::<Vec<_>>()
    };
    let table = [
        (path(8_192), vec![], 200),
        (path(8_193), vec![], 414),
        (path(60_000), vec![], 414),
        ("/health".to_owned(), many(100), 200),
        ("/health".to_owned(), many(101), 431),
        ("/health".to_owned(), many(190), 431),
        (
            "/health".to_owned(),
            vec![format!("x-big: {}", "y".repeat(65_000))],
            200,
        ),
        (
            "/health".to_owned(),
            vec![format!("x-big: {}", "y".repeat(65_600))],
            431,
        ),
        (
            "/health".to_owned(),
            vec![format!("x-big: {}", "y".repeat(120_000))],
            431,
        ),
    ];
    for (path, lines, status) in table {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut client = server.connect().await;
        client.send(server.gate.raw("GET", &path, &lines, "")).await;
        let answer = client.answer().await;
        if status == 200 {
            answer.expect(200);
        } else {
            answer.refused(status);
        }
    }
}

#[tokio::test]
async fn beyond_its_connections_a_server_lets_clients_wait() {
    let server = Running::start(ServerConfig {
        connections: 1,
        ..ServerConfig::default()
    })
    .await;
    let mut first = server.connect().await;
    first.send(server.gate.raw("GET", "/health", &[], "")).await;
    first.answer().await.expect(200);
    let mut second = server.connect().await;
    second
        .send(server.gate.raw("GET", "/health", &[], ""))
        .await;
    let early = tokio::time::timeout(Duration::from_millis(100), second.answer()).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    second.answer().await.expect(200);
}

#[tokio::test]
async fn beyond_its_calls_a_server_refuses_at_once() {
    let gate = Gate::with(ServerConfig {
        in_flight: 1,
        ..ServerConfig::default()
    })
    .await;
    gate.backend.streams([event("a"), StreamStep::Hang]);
    let stream = gate
        .respond(call("POST", CHAT, &gate.user, &stream_body().to_string()))
        .await;
    let refused = gate.chat(&chat_body()).await;
    assert_eq!(refused.code(503), "overloaded");
    assert_eq!(
        (
            refused.header("retry-after"),
            refused.header("x-should-retry")
        ),
        (Some("1"), Some("true"))
    );
    gate.get("/v1/models", &gate.user).await.expect(200);
    drop(stream);
    gate.backend.answers("{}", None);
    gate.chat(&chat_body()).await.expect(200);
}

#[tokio::test]
async fn connections_that_are_gone_leave_nothing_behind() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    let mut clients = Vec::new();
    for number in 0..40 {
        gate.backend.streams([event("a"), StreamStep::Hang]);
        let mut client = server.connect().await;
        client
            .send(gate.raw("POST", CHAT, &[], &stream_body().to_string()))
            .await;
        client.wait_for("data: {").await;
        if number % 2 == 0 {
            clients.push(client);
        }
    }
    until("half of the calls are left", || gate.backend.open() == 20).await;
    drop(clients);
    until("no call is left", || gate.backend.open() == 0).await;
    let settled = gate
        .ledger
        .requests()
        .iter()
        .filter(|&&request| gate.ledger.settlement(request).is_some())
        .count();
    assert_eq!(settled, 40);
}
