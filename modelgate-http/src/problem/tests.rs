//! Every error with its status, its words and its advice to come back.

use modelgate_domain::head::BadRequest;
use modelgate_domain::quota::QuotaExceeded;
use modelgate_domain::rate::{LimitExceeded, Standing, Which};
use modelgate_ports::driven::{BackendError, BackendFault, NoEntropy, StoreError, Timer};
use modelgate_ports::driving::gateway::InferError;
use modelgate_ports::driving::{AuthError, ConsoleError};
use serde_json::Value;

use super::*;
use crate::body::receive::BodyError;
use crate::credential::CredentialError;
use crate::form::FormError;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Status, type, code, param, retry-after, x-should-retry; an empty code or param is null.
type Row = (
    u16,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

fn check<P: Into<Problem>>(problem: P, expected: Row) {
    let problem: Problem = problem.into();
    let body: Value = serde_json::from_slice(&problem.json()).unwrap();
    let error = &body["error"];
    assert_eq!(
        error.as_object().map(serde_json::Map::len),
        Some(4),
        "{body}"
    );
    let message = error["message"].as_str();
    assert!(message.is_some_and(|message| !message.is_empty()), "{body}");
    let response = problem.into_response();
    assert_eq!(response.headers()["content-type"], "application/json");
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    let text = |key: &str| match &error[key] {
        Value::Null => "",
        value => value.as_str().unwrap(),
    };
    let words = (text("type"), text("code"), text("param"));
    let advice = (header("retry-after"), header("x-should-retry"));
    let found = (
        response.status().as_u16(),
        words.0,
        words.1,
        words.2,
        advice.0,
        advice.1,
    );
    assert_eq!(found, expected, "{body}");
}

const REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const NO: Option<&str> = Some("false");
const YES: Option<&str> = Some("true");

#[test]
fn credentials() {
    check(CredentialError::Missing, (401, REQUEST, "", "", None, NO));
    check(
        CredentialError::Malformed,
        (401, REQUEST, "invalid_api_key", "", None, NO),
    );
    check(
        CredentialError::Conflict,
        (400, REQUEST, "conflicting_credentials", "", None, NO),
    );
    check(
        AuthError::Invalid,
        (401, REQUEST, "invalid_api_key", "", None, NO),
    );
    let address = "10.0.0.1".parse().unwrap();
    check(
        AuthError::Address(address),
        (403, REQUEST, "ip_not_allowed", "", None, NO),
    );
    let waits = AuthError::TooManyUnknown {
        retry_after: Duration::from_millis(30_500),
    };
    check(
        waits,
        (429, "requests", "rate_limit_exceeded", "", Some("31"), YES),
    );
    let down = AuthError::Unavailable(StoreError::Unavailable("down".into()));
    check(down, (503, SERVER, "store_unavailable", "", Some("1"), YES));
}

#[test]
fn a_malformed_and_an_unknown_key_read_alike() {
    let malformed = Problem::from(CredentialError::Malformed).json();
    assert_eq!(malformed, Problem::from(AuthError::Invalid).json());
}

#[test]
fn bodies() {
    check(
        BodyError::TooLarge(9),
        (413, REQUEST, "request_too_large", "", None, NO),
    );
    check(
        BodyError::TooSlow,
        (408, REQUEST, "request_timeout", "", None, None),
    );
    check(
        BodyError::Broken("x".into()),
        (400, REQUEST, "broken_body", "", None, NO),
    );
    check(
        BodyError::ContentType,
        (415, REQUEST, "unsupported_content_type", "", None, NO),
    );
    check(
        BodyError::ContentEncoding,
        (415, REQUEST, "unsupported_content_encoding", "", None, NO),
    );
    check(
        BodyError::Encoding("x".into()),
        (400, REQUEST, "broken_body", "", None, NO),
    );
    let missing = BodyError::BadRequest(BadRequest::missing("model"));
    check(
        missing,
        (
            400,
            REQUEST,
            "missing_required_parameter",
            "model",
            None,
            NO,
        ),
    );
    check(
        FormError::unknown("id"),
        (400, REQUEST, "unknown_parameter", "id", None, NO),
    );
}

#[test]
fn limits_and_quotas() {
    let limited = |which, wait| LimitExceeded {
        which,
        retry_after: wait,
        standing: Standing::default(),
    };
    let code = "rate_limit_exceeded";
    check(
        limited(Which::Requests, seconds(7)),
        (429, "requests", code, "", Some("7"), YES),
    );
    check(
        limited(Which::Tokens, seconds(600)),
        (429, "tokens", code, "", Some("60"), YES),
    );
    check(
        limited(Which::Parallel, seconds(0)),
        (429, "requests", code, "", Some("1"), YES),
    );
    let spent = QuotaExceeded {
        asked: 10,
        left: 3,
        reserved: 6,
    };
    check(
        spent,
        (
            429,
            "insufficient_quota",
            "insufficient_quota",
            "",
            None,
            NO,
        ),
    );
    let promised = QuotaExceeded {
        asked: 10,
        left: 3,
        reserved: 7,
    };
    check(promised, (429, "tokens", code, "", Some("1"), YES));
}

#[test]
fn model_calls() {
    check(
        InferError::ModelNotFound("m".into()),
        (404, REQUEST, "model_not_found", "", None, NO),
    );
    let unmetered = InferError::MeteringUnavailable("disk full".into());
    check(
        unmetered,
        (503, SERVER, "metering_unavailable", "", Some("1"), YES),
    );
    check(
        InferError::NoBackend,
        (503, SERVER, "no_backend_available", "", Some("1"), NO),
    );
    check(
        Problem::overloaded(),
        (503, SERVER, "overloaded", "", Some("1"), YES),
    );
    check(
        Problem::stopping(),
        (503, SERVER, "server_shutting_down", "", Some("1"), YES),
    );
}

#[test]
fn backends() {
    let failed = |fault| BackendError::new(fault, "it failed");
    let told = |fault, wait| BackendError {
        retry_after: Some(seconds(wait)),
        ..failed(fault)
    };
    let upstream = "upstream_error";
    check(
        failed(BackendFault::Credential),
        (502, SERVER, "upstream_auth_error", "", None, NO),
    );
    check(
        failed(BackendFault::Unreachable),
        (502, SERVER, upstream, "", None, NO),
    );
    check(
        failed(BackendFault::Failed),
        (502, SERVER, upstream, "", None, NO),
    );
    check(
        failed(BackendFault::TimedOut(Timer::FirstEvent)),
        (504, SERVER, "upstream_timeout", "", None, NO),
    );
    check(
        failed(BackendFault::Stopped),
        (503, SERVER, "server_shutting_down", "", Some("1"), YES),
    );
    let limited = "rate_limit_exceeded";
    check(
        failed(BackendFault::Limited),
        (429, "requests", limited, "", Some("1"), None),
    );
    check(
        told(BackendFault::Limited, 300),
        (429, "requests", limited, "", Some("60"), None),
    );
    check(
        told(BackendFault::Unavailable, 9),
        (503, SERVER, "no_backend_available", "", Some("9"), None),
    );
    let status = |status| BackendError {
        code: Some("context_length_exceeded".into()),
        param: Some("messages".into()),
        ..failed(BackendFault::Request { status, sent: true })
    };
    let code = "context_length_exceeded";
    check(status(400), (400, REQUEST, code, "messages", None, NO));
    check(status(422), (422, REQUEST, code, "messages", None, NO));
    check(status(200), (400, REQUEST, code, "messages", None, NO));
    check(
        failed(BackendFault::Request {
            status: 404,
            sent: false,
        }),
        (404, REQUEST, "", "", None, NO),
    );
}

#[test]
fn administration() {
    check(
        ConsoleError::invalid("rpm", "is odd"),
        (400, REQUEST, "invalid_value", "rpm", None, NO),
    );
    check(
        ConsoleError::Taken {
            param: "name".into(),
        },
        (409, REQUEST, "already_exists", "name", None, NO),
    );
    check(
        ConsoleError::NotFound("key"),
        (404, REQUEST, "not_found", "", None, NO),
    );
    check(
        ConsoleError::LastAdmin,
        (409, REQUEST, "last_admin", "", None, NO),
    );
    check(
        ConsoleError::NoEntropy(NoEntropy),
        (503, SERVER, "no_randomness", "", Some("1"), YES),
    );
    let store = |error| ConsoleError::Store(error);
    check(
        store(StoreError::Unavailable("x".into())),
        (503, SERVER, "store_unavailable", "", Some("1"), YES),
    );
    let corrupt = StoreError::Corrupt {
        table: "keys",
        column: "role",
    };
    check(store(corrupt), (500, SERVER, "store_corrupt", "", None, NO));
    check(
        Problem::forbidden("admin"),
        (403, REQUEST, "insufficient_role", "", None, None),
    );
}

#[test]
fn causes_stay_inside() {
    for problem in [
        Problem::from(InferError::MeteringUnavailable("secret path".into())),
        Problem::from(AuthError::Unavailable(StoreError::Unavailable(
            "secret path".into(),
        ))),
        Problem::panicked(&"secret path"),
    ] {
        assert!(
            !String::from_utf8(problem.json())
                .unwrap()
                .contains("secret path")
        );
        assert!(problem.0.cause.is_some());
    }
}

#[test]
fn an_event_is_one_line_of_data() {
    let event = Problem::model_not_found("a\nb").event();
    let text = str::from_utf8(&event).unwrap();
    assert!(
        text.starts_with("data: {\"error\":{\"message\":\"The model `a\\nb`"),
        "{text}"
    );
    assert!(text.ends_with("}}\n\n"), "{text}");
    assert_eq!(text.lines().count(), 2);
}
