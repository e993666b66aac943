//! Calls from browsers of other origins, as far as the settings allow them.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::body::Body;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-api-key");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, x-should-retry, x-modelgate-dropped, x-ratelimit-limit-requests, \
     x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, \
     x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens",
);
/// How long browsers may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Longest list of header names that a preflight may ask for.
const LONGEST_LIST: usize = 4_096;

/// The answer to a preflight, when this is one and CORS is on. It needs no key: browsers send none.
pub(crate) fn preflight(origins: &[String], parts: &Parts) -> Option<Response<Body>> {
    let asks = parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if origins.is_empty() || parts.method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allowed(origins, &parts.headers).is_some() {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked_headers(&parts.headers));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Some(response)
}

/// Marks an answer as readable for the origin that asked, if it is allowed.
pub(crate) fn mark(origins: &[String], asked: &HeaderMap, answer: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    answer.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed(origins, asked) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn allowed(origins: &[String], asked: &HeaderMap) -> Option<HeaderValue> {
    let origin = asked.get(ORIGIN)?;
    if origins.iter().any(|known| known == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    origins
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes())
        .then(|| origin.clone())
}

/// Header names that a script wants to send are harmless: what is not known is not read.
fn asked_headers(asked: &HeaderMap) -> HeaderValue {
    let is_list = |value: &&HeaderValue| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_, ".contains(byte);
        value.len() <= LONGEST_LIST && value.as_bytes().iter().all(allowed)
    };
    asked
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .filter(is_list)
        .cloned()
        .unwrap_or(HEADERS)
}
