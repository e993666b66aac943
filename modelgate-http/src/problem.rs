//! Errors as responses: the only place that knows statuses and OpenAI's words for what went wrong.

mod admin;
mod infer;
mod request;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use modelgate_domain::RequestId;
use modelgate_ports::BoxError;
use serde::Serialize;

use crate::body::{self, Body};
use crate::{access_log, rate};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Wait that is told when nothing better is known.
const SOON: Duration = Duration::from_secs(1);
/// Longest request target that is shown in a message, in characters.
const LONGEST_TARGET: usize = 9_000;

/// What kind of error OpenAI's clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Requests,
    Tokens,
    Quota,
    Server,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "invalid_request_error",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Quota => "insufficient_quota",
            Self::Server => "server_error",
        }
    }
}

/// A request that is answered with an error.
#[derive(Debug)]
pub(crate) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    status: StatusCode,
    kind: Kind,
    code: Option<Cow<'static, str>>,
    param: Option<String>,
    message: String,
    retry_after: Option<Duration>,
    should_retry: Option<bool>,
    headers: HeaderMap,
    closes: bool,
    cause: Option<BoxError>,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

impl Problem {
    fn new(status: StatusCode, kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status,
            kind,
            code: Some(Cow::Borrowed(code)),
            param: None,
            message: message.into(),
            retry_after: None,
            should_retry: None,
            headers: HeaderMap::new(),
            closes: false,
            cause: None,
        }))
    }

    /// The client's fault.
    fn request(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, Kind::Request, code, message)
    }

    /// It may go better soon: the client is told when to come back.
    fn later(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    fn retried(mut self, should_retry: bool) -> Self {
        self.0.should_retry = Some(should_retry);
        self
    }

    fn coded(mut self, code: Option<impl Into<Cow<'static, str>>>) -> Self {
        self.0.code = code.map(Into::into);
        self
    }

    fn about(mut self, param: Option<String>) -> Self {
        self.0.param = param;
        self
    }

    fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// No such route.
    pub(crate) fn unknown_url(method: &Method, target: &str) -> Self {
        let shown: String = target.chars().take(LONGEST_TARGET).collect();
        let message =
            format!("Unknown request URL: {method} {shown}. Please check the URL for typos.");
        Self::request(StatusCode::NOT_FOUND, "unknown_url", message)
    }

    /// The route is there, for other methods.
    pub(crate) fn wrong_method(method: &Method, path: &str, allowed: &str) -> Self {
        let message = format!("Method {method} is not supported at {path}. Use {allowed}.");
        let mut problem = Self::request(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_supported",
            message,
        );
        if let Ok(allowed) = HeaderValue::from_str(allowed) {
            problem.0.headers.insert(ALLOW, allowed);
        }
        problem
    }

    /// The request target is too long.
    pub(crate) fn long_uri(most: usize) -> Self {
        let message = format!("The request target is longer than {most} bytes.");
        Self::request(StatusCode::URI_TOO_LONG, "uri_too_long", message).closing()
    }

    /// The head is too long.
    pub(crate) fn large_head(most: usize, lines: usize) -> Self {
        let message =
            format!("The head of the request has more than {most} bytes or {lines} header lines.");
        Self::request(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            message,
        )
        .closing()
    }

    /// The key may do other things, not this.
    pub(crate) fn forbidden(needed: &'static str) -> Self {
        let message = format!("This needs a key with the role {needed}.");
        Self::request(StatusCode::FORBIDDEN, "insufficient_role", message)
    }

    /// More model calls run than the gateway was told to bear.
    pub(crate) fn overloaded() -> Self {
        let message = "The gateway is overloaded. Please try again soon.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Kind::Server,
            "overloaded",
            message,
        )
        .later(SOON)
        .retried(true)
    }

    /// The gateway stops.
    pub(crate) fn stopping() -> Self {
        let message = "The gateway is shutting down. Please try again.";
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Kind::Server,
            "server_shutting_down",
            message,
        );
        problem.later(SOON).retried(true).closing()
    }

    /// A backend answered a request for a stream with a whole document.
    pub(crate) fn no_stream() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            Kind::Server,
            "upstream_error",
            "The model's server sent no stream.",
        )
        .retried(false)
    }

    /// A bug: the request ends, the gateway goes on.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no text");
        let message = "The gateway made a mistake with this request. Its log tells more.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Server,
            "internal_error",
            message,
        )
        .retried(false)
        .because(format!("panic: {text}"))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The word for the log, also where clients get none.
    pub(crate) fn log_code(&self) -> &str {
        self.0.code.as_deref().unwrap_or(self.0.kind.as_str())
    }

    /// Whether nothing may follow on the same connection.
    pub(crate) fn closes(&self) -> bool {
        self.0.closes
    }

    /// Further headers of the answer.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.0.headers
    }

    /// Writes the cause down, where there is one that clients are not told.
    pub(crate) fn log(&self, request: RequestId) {
        if let Some(cause) = &self.0.cause {
            let error: &(dyn Error + 'static) = cause.as_ref();
            let code = access_log::tame(self.log_code());
            tracing::error!(request.id = %request, error.code = code.as_ref(), error, "a request failed");
        }
    }

    /// The whole answer.
    pub(crate) fn into_response(mut self) -> Response<Body> {
        let mut headers = std::mem::take(&mut self.0.headers);
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, rate::retry_after(wait).into());
        }
        if let Some(should_retry) = self.0.should_retry {
            headers.insert(
                SHOULD_RETRY,
                HeaderValue::from_static(if should_retry { "true" } else { "false" }),
            );
        }
        let mut response = body::json_pieces(self.0.status, vec![self.json().into()]);
        response.headers_mut().extend(headers);
        response
    }

    /// The error as the last event of a stream.
    pub(crate) fn event(&self) -> Bytes {
        let mut event = b"data: ".to_vec();
        event.extend_from_slice(&self.json());
        event.extend_from_slice(b"\n\n");
        event.into()
    }

    fn json(&self) -> Vec<u8> {
        let Details {
            message,
            kind,
            param,
            code,
            ..
        } = &*self.0;
        let error = ErrorObject {
            message,
            r#type: kind.as_str(),
            param: param.as_deref(),
            code: code.as_deref(),
        };
        // Three texts and their names: there is nothing that could not be written.
        serde_json::to_vec(&ErrorView { error }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
