//! Servers' failures in one shape: whose fault, OpenAI's code for it, and a message that gives nothing away.

mod scrub;
mod told;

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use modelgate_domain::{BaseUrl, Secret};
use modelgate_ports::driven::{BackendError, BackendFault, Call};

use self::told::Told;
use super::transport::Answer;

/// The longest wait that is passed on; clients ignore longer ones.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How much of an answer is read to find out why it failed.
const EXCERPT: usize = 64 * 1024;

/// What a server's words may name: the model, put into the client's terms, and what is taken out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    upstream: Box<str>,
    shown: Box<str>,
    host: Box<str>,
    credential: Option<Secret>,
}

impl Names {
    /// Names in the answer to this call, which carried `credential`.
    pub(crate) fn of(call: &Call<'_>, credential: Option<&Secret>) -> Self {
        let base_url = call.target.base_url.as_ref();
        Self {
            upstream: call.target.upstream_name.as_str().into(),
            shown: call.shown_model.into(),
            host: base_url.map_or("", host_of).into(),
            credential: credential.cloned(),
        }
    }

    /// Names in an answer of this server that is about no model.
    pub(crate) fn of_server(base_url: &BaseUrl, credential: Option<&Secret>) -> Self {
        Self {
            host: host_of(base_url).into(),
            credential: credential.cloned(),
            ..Self::default()
        }
    }
}

/// What an answer with a failing status means. Reads its body.
pub(crate) async fn from_answer(answer: Answer, names: &Names) -> BackendError {
    let body = answer.body.excerpt(EXCERPT).await;
    from_status(answer.status, &answer.headers, &body, names)
}

/// What a failing status with this body means.
pub(crate) fn from_status(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    names: &Names,
) -> BackendError {
    let told = Told::read(body);
    let mut error = explain(status.as_u16(), &told, names);
    error.retry_after = retry_after(headers);
    error.source = Some(Box::new(Excerpt::new(status, body, names)));
    error
}

/// What an error inside of an answer means: the value of its `error` member, or all of an event that is nothing else.
/// One that is very large is not read.
pub(crate) fn in_stream(value: &[u8], names: &Names) -> BackendError {
    let told = if value.len() > EXCERPT {
        Told::default()
    } else {
        Told::read(value)
    };
    explain(told.status(), &told, names)
}

/// An answer that makes no sense; `what` is for the client, `cause` for the log.
pub(crate) fn nonsense(
    what: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BackendError {
    let mut error = BackendError::new(BackendFault::Failed, what);
    error.source = Some(cause.into());
    error
}

/// The same failure, after a good status: the server was at work.
pub(crate) fn begun(error: BackendError) -> BackendError {
    BackendError {
        begun: true,
        ..error
    }
}

fn explain(status: u16, told: &Told, names: &Names) -> BackendError {
    let fault = fault(status, told);
    let message = match (fault, &told.message) {
        (BackendFault::Credential, _) | (_, None) => default_message(fault, status),
        _ if told.is_out_of_credit() => default_message(fault, status),
        (_, Some(message)) => scrub::scrub(message, names),
    };
    let mut error = BackendError::new(fault, message);
    if matches!(fault, BackendFault::Request { .. }) {
        error.code = code(status, told).map(|code| scrub::word(&code, names));
        error.param = told.param.as_deref().map(|param| scrub::word(param, names));
    }
    error
}

fn fault(status: u16, told: &Told) -> BackendFault {
    let request = |status| BackendFault::Request { status, sent: true };
    match status {
        401..=403 => BackendFault::Credential,
        429 => BackendFault::Limited,
        503 | 529 => BackendFault::Unavailable,
        400.. if told.is_context_overflow() => request(400),
        501 => request(400),
        400 | 404 | 409 | 413 | 415 | 422 | 451 => request(status),
        _ => BackendFault::Failed,
    }
}

fn code(status: u16, told: &Told) -> Option<String> {
    let known = match status {
        _ if told.is_context_overflow() => "context_length_exceeded",
        404 if told.is_about_the_model() => "model_not_found",
        501 => "unsupported_parameter",
        _ => return told.code.clone(),
    };
    Some(known.to_owned())
}

fn default_message(fault: BackendFault, status: u16) -> String {
    match fault {
        BackendFault::Request { .. } => {
            format!("the model server refused the request (status {status})")
        }
        BackendFault::Credential => {
            "the model server did not accept the gateway's credential".to_owned()
        }
        BackendFault::Limited => "the model server asks for fewer requests".to_owned(),
        BackendFault::Unavailable => "the model server is busy or still loading".to_owned(),
        _ if (300..400).contains(&status) => {
            format!("the model server answered with a redirect (status {status})")
        }
        _ => format!("the model server failed (status {status})"),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|millis| millis / 1000.0)
        .or_else(|| number("retry-after"))
        .filter(|seconds| !seconds.is_nan())?;
    let wait = Duration::try_from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()));
    wait.ok().filter(|wait| !wait.is_zero())
}

fn host_of(base_url: &BaseUrl) -> &str {
    let authority = base_url.origin().split("://").nth(1).unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// The start of an answer, for the log.
#[derive(Debug)]
struct Excerpt(String);

impl Excerpt {
    fn new(status: StatusCode, body: &[u8], names: &Names) -> Self {
        let text = scrub::scrub(&String::from_utf8_lossy(body), names);
        Self(format!("answered {}: {text}", status.as_u16()))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Excerpt {}

#[cfg(test)]
mod tests;
