//! Streamed answers: their bytes, their headers, their ends, and their silence.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use modelgate_domain::TokenUsage;
use modelgate_http::{Body, ServerConfig};
use modelgate_ports::driven::{BackendError, BackendFault, Frame};
use modelgate_ports::test_util::{ScriptedBackend, StreamStep};
use serde_json::Value;
use tokio::time::Instant;

use crate::fixture::{
    CHAT, FedBackend, Gate, PanickingBackend, call, chat_body, event, frame, stream_body,
};

async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.expect("never fails");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text"))
}

async fn begin(gate: &Gate) -> Body {
    let response = gate
        .respond(call("POST", CHAT, &gate.user, &stream_body().to_string()))
        .await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

fn error_of(event: &str) -> Value {
    let json = event
        .strip_prefix("data: ")
        .and_then(|rest| rest.strip_suffix("\n\n"))
        .expect("one event");
    let mut body: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(
        body["error"].as_object().map(serde_json::Map::len),
        Some(4),
        "{body}"
    );
    body["error"].take()
}

#[tokio::test]
async fn events_pass_and_the_end_is_done() {
    let gate = Gate::new().await;
    let usage = TokenUsage {
        prompt: 5,
        completion: 2,
        ..TokenUsage::default()
    };
    let told = Frame {
        bytes: "data: {}\n\n".into(),
        usage: Some(usage),
        deltas: 0,
    };
    gate.backend.streams([
        event("a"),
        StreamStep::Pause,
        event("b"),
        StreamStep::Frame(told),
    ]);
    let answer = gate.chat(&stream_body()).await.expect(200);
    assert_eq!(
        answer.text(),
        "data: {\"text\":\"a\"}\n\ndata: {\"text\":\"b\"}\n\ndata: {}\n\ndata: [DONE]\n\n"
    );
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    );
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("content-length"), None);
    let settled = gate
        .ledger
        .settlement(gate.ledger.requests()[0])
        .expect("settled");
    assert_eq!((settled.status, settled.spent.usage), (200, usage));
}

#[tokio::test]
async fn an_event_leaves_as_soon_as_it_comes_and_nothing_is_fetched_ahead() {
    let fed = Arc::new(FedBackend::default());
    let gate = Gate::over(
        ServerConfig::default(),
        Arc::clone(&fed) as _,
        Arc::default(),
    )
    .await;
    let tap = fed.tap();
    let mut body = begin(&gate).await;
    tap.send(frame("1")).await.expect("taken");
    assert_eq!(
        next(&mut body).await.as_deref(),
        Some("data: {\"text\":\"1\"}\n\n")
    );
    tap.try_send(frame("2")).expect("room for one");
    assert!(
        tap.try_send(frame("3")).is_err(),
        "the reader asks for nothing"
    );
    assert_eq!(
        next(&mut body).await.as_deref(),
        Some("data: {\"text\":\"2\"}\n\n")
    );
    drop(tap);
    assert_eq!(next(&mut body).await.as_deref(), Some("data: [DONE]\n\n"));
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_failure_is_the_last_event_and_nothing_is_done() {
    let gate = Gate::new().await;
    let failure = BackendError::new(BackendFault::Failed, "it broke");
    gate.backend
        .streams([event("a"), StreamStep::Fail(failure)]);
    let mut body = begin(&gate).await;
    next(&mut body).await.expect("the event");
    let error = error_of(&next(&mut body).await.expect("the error"));
    assert_eq!(
        (error["code"].as_str(), error["type"].as_str()),
        (Some("upstream_error"), Some("server_error"))
    );
    assert_eq!(next(&mut body).await, None);
    let settled = gate
        .ledger
        .settlement(gate.ledger.requests()[0])
        .expect("settled");
    assert_eq!((settled.status, settled.spent.usage.completion), (502, 1));
}

#[tokio::test]
async fn an_error_before_the_first_event_keeps_its_status() {
    let gate = Gate::new().await;
    gate.backend
        .fails(BackendError::new(BackendFault::Credential, "no"));
    assert_eq!(
        gate.chat(&stream_body()).await.code(502),
        "upstream_auth_error"
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments() {
    let gate = Gate::new().await;
    gate.backend.streams([event("a"), StreamStep::Hang]);
    let mut body = begin(&gate).await;
    next(&mut body).await.expect("the event");
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(next(&mut body).await.as_deref(), Some(": keep-alive\n"));
        let silent = start.elapsed();
        assert!(
            silent >= Duration::from_secs(15) && silent < Duration::from_secs(16),
            "{silent:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_puts_the_next_comment_off() {
    let fed = Arc::new(FedBackend::default());
    let gate = Gate::over(
        ServerConfig::default(),
        Arc::clone(&fed) as _,
        Arc::default(),
    )
    .await;
    let tap = fed.tap();
    let mut body = begin(&gate).await;
    for _ in 0..4 {
        let silence = tokio::time::timeout(Duration::from_secs(10), next(&mut body)).await;
        assert!(silence.is_err(), "{silence:?}");
        tap.send(frame("x")).await.expect("taken");
        next(&mut body).await.expect("the event");
    }
}

#[tokio::test(start_paused = true)]
async fn comments_can_be_switched_off() {
    let gate = Gate::with(ServerConfig {
        keep_alive: Duration::ZERO,
        ..ServerConfig::default()
    })
    .await;
    gate.backend.streams([event("a"), StreamStep::Hang]);
    let mut body = begin(&gate).await;
    next(&mut body).await.expect("the event");
    assert!(
        tokio::time::timeout(Duration::from_secs(3_600), next(&mut body))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_first_event_by_default() {
    let gate = Gate::new().await;
    gate.backend.hangs();
    let response = gate.respond(call("POST", CHAT, &gate.user, &stream_body().to_string()));
    assert!(
        tokio::time::timeout(Duration::from_secs(200), response)
            .await
            .is_err()
    );
    assert_eq!(gate.backend.open(), 0, "the call was let go");
}

#[tokio::test(start_paused = true)]
async fn with_early_headers_comments_flow_while_the_model_loads() {
    let config = ServerConfig {
        early_headers: true,
        ..ServerConfig::default()
    };
    let gate = Gate::with(config).await;
    gate.backend.hangs();
    let mut body = begin(&gate).await;
    assert_eq!(next(&mut body).await.as_deref(), Some(": keep-alive\n"));
    assert_eq!(gate.backend.open(), 1);
    drop(body);
    assert_eq!(gate.backend.open(), 0);
}

#[tokio::test]
async fn with_early_headers_later_errors_are_events() {
    let config = ServerConfig {
        early_headers: true,
        ..ServerConfig::default()
    };
    let gate = Gate::with(config).await;
    let mut wrong = stream_body();
    wrong["model"] = "none".into();
    let answer = gate.chat(&wrong).await.expect(200);
    assert_eq!(error_of(answer.text())["code"], "model_not_found");
    gate.backend.streams([event("a")]);
    let answer = gate.chat(&stream_body()).await.expect(200);
    assert_eq!(answer.text(), "data: {\"text\":\"a\"}\n\ndata: [DONE]\n\n");
    gate.backend.answers("{}", None);
    assert_eq!(
        gate.chat(&chat_body()).await.expect(200).text(),
        "{}",
        "whole answers are as ever"
    );
    gate.backend.answers("{}", None);
    let whole = gate.chat(&stream_body()).await.expect(200);
    assert_eq!(
        error_of(whole.text())["code"],
        "upstream_error",
        "a whole answer is no stream"
    );
}

#[tokio::test]
async fn a_stream_that_is_dropped_lets_its_server_go_and_is_charged() {
    let gate = Gate::new().await;
    gate.backend
        .streams([event("a"), event("b"), StreamStep::Hang]);
    let mut body = begin(&gate).await;
    next(&mut body).await.expect("the event");
    assert_eq!(gate.backend.open(), 1);
    drop(body);
    assert_eq!(gate.backend.open(), 0);
    let settled = gate
        .ledger
        .settlement(gate.ledger.requests()[0])
        .expect("settled");
    assert_eq!((settled.status, settled.spent.usage.completion), (499, 1));
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let gate = Gate::over(
        ServerConfig::default(),
        Arc::new(PanickingBackend),
        Arc::new(ScriptedBackend::new()),
    )
    .await;
    let answer = gate.chat(&chat_body()).await;
    assert_eq!(answer.code(500), "internal_error");
    let streamed = gate.chat(&stream_body()).await.expect(200);
    let (first, last) = streamed.text().split_once("\n\n").expect("two events");
    assert_eq!(first, "data: {\"text\":\"first\"}");
    assert_eq!(error_of(last)["code"], "internal_error");
    for request in gate.ledger.requests() {
        assert!(
            gate.ledger.settlement(request).is_some(),
            "settled all the same"
        );
    }
    gate.get("/v1/models", &gate.user).await.expect(200);
}
