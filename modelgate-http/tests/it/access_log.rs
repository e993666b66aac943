//! One line for each request.

use std::io::Write;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use http_body_util::BodyExt;
use modelgate_domain::TokenUsage;
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::test_util::StreamStep;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::fixture::{CHAT, Gate, call, chat_body, event, stream_body};

/// What was logged while this lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn begin(&self) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while locked").clone()).expect("text")
    }

    /// The fields of each line that tells of a request.
    fn requests(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines
            .map(|mut line| line["fields"].take())
            .filter(|fields| fields["message"] == "request")
            .collect()
    }

    fn only_request(&self) -> Value {
        let mut lines = self.requests();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines.remove(0)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no panic while locked")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const USAGE: TokenUsage = TokenUsage {
    prompt: 5,
    cached: 0,
    completion: 2,
    reasoning: 0,
};

#[tokio::test]
async fn a_whole_answer_is_one_line_with_its_tokens() {
    let gate = Gate::new().await;
    let log = Log::default();
    let _guard = log.begin();
    gate.backend.answers("{}", Some(USAGE));
    let mut request = call(
        "POST",
        "/v1/chat/completions?secret=canary",
        &gate.user,
        &chat_body().to_string(),
    );
    request
        .headers_mut()
        .insert("x-client-request-id", HeaderValue::from_static("mine"));
    request
        .headers_mut()
        .insert("traceparent", HeaderValue::from_static("00-4bf9-00f0-01"));
    let answer = gate.send(request).await.expect(200);
    let mut line = log.only_request();
    for time in ["duration_ms", "first_token_ms"] {
        assert!(
            line.as_object_mut()
                .expect("fields")
                .remove(time)
                .is_some_and(|value| value.is_u64()),
            "{time}"
        );
    }
    let expected = json!({"message": "request", "request.id": answer.header("x-request-id"), "key.name": "user",
        "model.name": "m", "target": "vllm/meta-llama/Llama-3", "method": "POST", "path": CHAT, "status": 200, "stream": false,
        "attempts": 1, "tokens.prompt": 5, "tokens.completion": 2, "client": "192.0.2.7", "client_request_id": "mine",
        "trace.parent": "00-4bf9-00f0-01"});
    assert_eq!(line, expected);
    assert!(!log.text().contains("canary") && !log.text().contains(&gate.user));
}

#[tokio::test]
async fn a_stream_is_logged_at_its_end() {
    let gate = Gate::new().await;
    let log = Log::default();
    let _guard = log.begin();
    gate.backend.streams([event("a"), event("b")]);
    let response = gate
        .respond(call("POST", CHAT, &gate.user, &stream_body().to_string()))
        .await;
    let mut body = response.into_body();
    body.frame().await.expect("the event").expect("never fails");
    assert_eq!(log.requests(), [] as [Value; 0]);
    body.collect().await.expect("never fails");
    let line = log.only_request();
    assert_eq!(
        (&line["status"], &line["stream"], &line["tokens.completion"]),
        (&json!(200), &json!(true), &json!(2))
    );
    assert!(line["first_token_ms"].is_u64());
    assert_eq!(line.get("error.code"), None);
}

#[tokio::test]
async fn a_client_that_goes_away_is_499() {
    let gate = Gate::new().await;
    let log = Log::default();
    let _guard = log.begin();
    gate.backend.streams([event("a"), StreamStep::Hang]);
    let response = gate
        .respond(call("POST", CHAT, &gate.user, &stream_body().to_string()))
        .await;
    let mut body = response.into_body();
    body.frame().await.expect("the event").expect("never fails");
    drop(body);
    gate.backend.hangs();
    let waiting = gate.respond(call("POST", CHAT, &gate.user, &chat_body().to_string()));
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(20), waiting)
            .await
            .is_err()
    );
    let lines = log.requests();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(
            (&line["status"], &line["error.code"]),
            (&json!(499), &json!("client_disconnected")),
            "{line}"
        );
    }
    assert_eq!(lines[0]["tokens.completion"], 1);
}

#[tokio::test]
async fn failures_are_told_with_their_code() {
    let gate = Gate::new().await;
    let log = Log::default();
    let _guard = log.begin();
    gate.backend.streams([
        event("a"),
        StreamStep::Fail(BackendError::new(BackendFault::Failed, "it broke")),
    ]);
    gate.chat(&stream_body()).await.expect(200);
    gate.backend
        .fails(BackendError::new(BackendFault::Limited, "slow down"));
    gate.chat(&chat_body()).await.code(429);
    gate.get("/v1/models", "").await.refused(401);
    gate.get("/v1/none", &gate.user).await.code(404);
    let found: Vec<_> = log
        .requests()
        .iter()
        .map(|line| {
            (
                line["status"].as_u64(),
                line["error.code"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let expected = [
        (502, "upstream_error"),
        (429, "rate_limit_exceeded"),
        (401, "invalid_request_error"),
        (404, "unknown_url"),
    ];
    assert_eq!(
        found,
        expected.map(|(status, code)| (Some(status), Some(code.to_owned())))
    );
}

#[tokio::test]
async fn what_clients_write_cannot_harm_a_log() {
    let gate = Gate::new().await;
    let log = Log::default();
    let _guard = log.begin();
    let mut body = chat_body();
    body["model"] = format!("\u{1b}[31m\u{202e}{}", "x".repeat(2_000)).into();
    let mut request = call("POST", CHAT, &gate.user, &body.to_string());
    let hostile = [b"\ta\xff".as_slice(), &[b'x'; 5_000]].concat();
    request.headers_mut().insert(
        "x-client-request-id",
        HeaderValue::from_bytes(&hostile).expect("a value"),
    );
    gate.send(request).await.code(404);
    gate.get(&format!("/v1/{}", "y".repeat(3_000)), "")
        .await
        .code(404);
    let text = log.text();
    assert!(text.lines().all(|line| line.len() < 2_000), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\t']), "{text}");
}
