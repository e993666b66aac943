//! Every shape of error that servers are known to send.

use http::HeaderValue;
use modelgate_domain::BackendKind;

use super::*;
use crate::backend::sample;

mod scrubbed;

fn names() -> Names {
    let mut asked = sample::chat(r#""model":"fast""#);
    let address = modelgate_domain::BaseUrl::parse(BackendKind::Vllm, "http://gpu-3.internal:8000");
    asked.target.base_url = address.ok();
    let secret = Secret::new("topsecret-upstream-key");
    Names::of(&asked.call(), secret.as_ref())
}

fn status_error(status: u16, body: &str) -> BackendError {
    let status = StatusCode::from_u16(status).unwrap();
    from_status(status, &HeaderMap::new(), body.as_bytes(), &names())
}

const fn request(status: u16) -> BackendFault {
    BackendFault::Request { status, sent: true }
}

#[test]
fn whose_fault_a_status_is() {
    let check = |status: u16, expected: BackendFault| {
        assert_eq!(status_error(status, "{}").fault, expected, "{status}");
    };
    for status in [400, 404, 409, 413, 415, 422] {
        check(status, request(status));
    }
    for status in [401, 402, 403] {
        check(status, BackendFault::Credential);
    }
    check(429, BackendFault::Limited);
    check(503, BackendFault::Unavailable);
    check(529, BackendFault::Unavailable);
    check(501, request(400));
    for status in [301, 302, 307, 304, 405, 408, 418, 500, 502, 504, 599] {
        check(status, BackendFault::Failed);
    }
}

#[test]
fn every_shape_gives_its_message_code_and_param() {
    let check = |body: &str, message: &str, code: Option<&str>, param: Option<&str>| {
        let error = status_error(400, body);
        let found = (
            error.message.as_str(),
            error.code.as_deref(),
            error.param.as_deref(),
        );
        assert_eq!(found, (message, code, param), "{body}");
    };
    check(
        r#"{"error":{"message":"no","type":"invalid_request_error","param":"messages[0]","code":"invalid_value"}}"#,
        "no",
        Some("invalid_value"),
        Some("messages[0]"),
    );
    check(
        r#"{"error":{"message":"no","type":"BadRequestError","param":null,"code":400}}"#,
        "no",
        None,
        None,
    );
    check(
        r#"{"object":"error","message":"no","type":"BadRequestError","param":"n","code":400}"#,
        "no",
        None,
        Some("n"),
    );
    check(r#"{"error":"no"}"#, "no", None, None);
    check(
        r#"{"error":"Bad Request","message":"no","status":400}"#,
        "Bad Request",
        None,
        None,
    );
    check(r#"{"detail":"Not Found"}"#, "Not Found", None, None);
    check(
        r#"{"detail":[{"loc":["body","messages",0],"msg":"Field required","type":"missing"}]}"#,
        "messages.0: Field required",
        None,
        Some("messages.0"),
    );
    check(r#"{"message":"no"}"#, "no", None, None);
    check(
        r#"[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]"#,
        "no",
        None,
        None,
    );
    check(
        r#"{"error":"{\"error\":{\"message\":\"no\",\"code\":\"x\"}}"}"#,
        "no",
        Some("x"),
        None,
    );
    check(
        r#"{"error":{"message":"{\"error\":{\"message\":\"no\"}}","type":"api_error"}}"#,
        "no",
        None,
        None,
    );
    check(
        r#"{"error":{"message":"{not json"}}"#,
        "{not json",
        None,
        None,
    );
    let refused = "the model server refused the request (status 400)";
    for silent in [
        "",
        "{}",
        "[]",
        "null",
        "<html>nginx 10.0.0.1</html>",
        "oops",
        r#"{"error":{}}"#,
    ] {
        check(silent, refused, None, None);
    }
}

#[test]
fn a_prompt_that_is_too_long_is_known_in_every_dialect() {
    let check = |status: u16, body: &str| {
        let error = status_error(status, body);
        assert_eq!(error.fault, request(400), "{body}");
        assert_eq!(
            error.code.as_deref(),
            Some("context_length_exceeded"),
            "{body}"
        );
    };
    check(
        400,
        r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
    );
    check(
        400,
        r#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_ctx":8}}"#,
    );
    check(
        400,
        r#"{"error":{"message":"This model's maximum context length is 8 tokens"}}"#,
    );
    check(
        500,
        r#"{"error":"the request exceeds the available context size, try increasing it"}"#,
    );
    check(
        400,
        r#"{"error":"the input length exceeds the context length"}"#,
    );
    check(
        413,
        r#"{"error":{"message":"Prompt is too long: 9 tokens > 8"}}"#,
    );
}

#[test]
fn codes_follow_the_status() {
    let code = |status, body: &str| status_error(status, body).code;
    let vllm = r#"{"error":{"message":"The model `org/real` does not exist.","type":"NotFoundError","param":"model","code":404}}"#;
    assert_eq!(code(404, vllm).as_deref(), Some("model_not_found"));
    assert_eq!(
        code(404, r#"{"error":"model 'org/real' not found"}"#).as_deref(),
        Some("model_not_found")
    );
    assert_eq!(code(404, r#"{"detail":"Not Found"}"#), None);
    assert_eq!(
        code(501, r#"{"error":{"message":"no embeddings"}}"#).as_deref(),
        Some("unsupported_parameter")
    );
    assert_eq!(
        code(429, r#"{"error":{"code":"insufficient_quota"}}"#),
        None
    );
}

#[test]
fn an_account_without_credit_is_not_the_clients() {
    let body =
        r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
    let error = status_error(429, body);
    assert_eq!(error.fault, BackendFault::Limited);
    assert_eq!(error.message, "the model server asks for fewer requests");
    let error = status_error(
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-abc"}}"#,
    );
    assert_eq!(
        error.message,
        "the model server did not accept the gateway's credential"
    );
}

#[test]
fn waiting_times_are_taken_and_capped() {
    let check = |name: &'static str, value: &'static str, expected: Option<u64>| {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]);
        let error = from_status(StatusCode::TOO_MANY_REQUESTS, &headers, b"", &names());
        assert_eq!(
            error.retry_after,
            expected.map(Duration::from_millis),
            "{name}: {value}"
        );
    };
    check("retry-after", "7", Some(7_000));
    check("retry-after", "1.5", Some(1_500));
    check("retry-after", "3600", Some(60_000));
    check("retry-after-ms", "250", Some(250));
    for nonsense in ["-1", "0", "NaN", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        check("retry-after", nonsense, None);
    }
    check("retry-after", "inf", Some(60_000));
}

#[test]
fn errors_in_streams_have_the_status_they_should_have_had() {
    let check = |value: &str, fault: BackendFault, message: &str| {
        let error = in_stream(value.as_bytes(), &names());
        assert_eq!(
            (error.fault, error.message.as_str()),
            (fault, message),
            "{value}"
        );
    };
    check(
        r#"{"message":"no","type":"BadRequestError","code":400}"#,
        request(400),
        "no",
    );
    check(
        r#"{"message":"no","type":"BadRequestError"}"#,
        request(400),
        "no",
    );
    check(
        r#"{"message":"no","type":"invalid_request_error","code":"x"}"#,
        request(400),
        "no",
    );
    check(
        r#"{"message":"no","code":"502"}"#,
        BackendFault::Failed,
        "no",
    );
    check(
        r#"{"message":"wait","type":"rate_limit_error"}"#,
        BackendFault::Limited,
        "wait",
    );
    check(
        r#"{"message":"wait","type":"overloaded_error"}"#,
        BackendFault::Unavailable,
        "wait",
    );
    check(r#""boom""#, BackendFault::Failed, "boom");
    check(r#"{"error":"boom"}"#, BackendFault::Failed, "boom");
    check(
        r#""maximum context length is 8""#,
        request(400),
        "maximum context length is 8",
    );
    check(
        "true",
        BackendFault::Failed,
        "the model server failed (status 500)",
    );
    check(
        "{",
        BackendFault::Failed,
        "the model server failed (status 500)",
    );
    let told = r#"{"message":"no","code":400}"#;
    let padded = |length: usize| format!("{told}{}", " ".repeat(length - told.len()));
    check(&padded(EXCERPT), request(400), "no");
    check(
        &padded(EXCERPT + 1),
        BackendFault::Failed,
        "the model server failed (status 500)",
    );
}

#[test]
fn the_log_gets_the_start_of_what_came() {
    let error = status_error(502, "<html>bad gateway at http://10.0.0.1/</html>");
    let source = error.source.unwrap().to_string();
    assert_eq!(
        source,
        "answered 502: <html>bad gateway at [address]</html>"
    );
}

#[test]
fn the_log_gets_no_half_of_a_credential() {
    let body = format!("{}topsecret-upstream-key", " ".repeat(1_020));
    let error = status_error(502, &body);
    assert_eq!(error.source.unwrap().to_string(), "answered 502: [key]");
}

proptest::proptest! {
    #[test]
    fn no_body_makes_it_panic_or_too_long(body in "\\PC{0,400}", status in 100_u16..600) {
        let error = status_error(status, &body);
        proptest::prop_assert!(error.message.chars().count() <= 300);
        let error = in_stream(serde_json::json!(body).to_string().as_bytes(), &names());
        proptest::prop_assert!(error.message.chars().count() <= 300);
    }
}
