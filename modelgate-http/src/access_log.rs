//! One line in the log for each request, written when its answer is over.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use modelgate_domain::{RequestId, TokenUsage};
use modelgate_ports::driving::Caller;
use modelgate_ports::driving::gateway::Context;
use tokio::time::Instant;

/// Longest value of a field, in bytes.
const LONGEST: usize = 256;

/// A request's line, filled while the request runs. Dropped before its end, it tells that the client went away.
pub(crate) struct AccessLine {
    id: RequestId,
    begun: Instant,
    method: Method,
    path: String,
    client: IpAddr,
    client_request_id: Option<String>,
    trace_parent: Option<String>,
    pub(crate) caller: Option<Caller>,
    pub(crate) stream: bool,
    pub(crate) usage: TokenUsage,
    model: Option<String>,
    target: Option<String>,
    attempts: u32,
    first_token: Option<Duration>,
    is_written: bool,
}

impl AccessLine {
    pub(crate) fn new(id: RequestId, parts: &Parts, client: IpAddr) -> Self {
        Self {
            id,
            begun: Instant::now(),
            method: parts.method.clone(),
            path: tame(parts.uri.path()).into_owned(),
            client,
            client_request_id: header(&parts.headers, "x-client-request-id"),
            trace_parent: header(&parts.headers, "traceparent"),
            caller: None,
            stream: false,
            usage: TokenUsage::default(),
            model: None,
            target: None,
            attempts: 0,
            first_token: None,
            is_written: false,
        }
    }

    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// Takes over what a model call tells of itself.
    pub(crate) fn note(&mut self, context: &Context) {
        self.model = context.model.as_deref().map(|name| tame(name).into_owned());
        self.target = context
            .target
            .as_deref()
            .map(|name| tame(name).into_owned());
        self.attempts = context.attempts;
        self.usage = context.usage;
    }

    /// The first event, or the whole answer, is here.
    pub(crate) fn first_token(&mut self) {
        if self.first_token.is_none() {
            self.first_token = Some(self.begun.elapsed());
        }
    }

    /// The answer is over.
    pub(crate) fn finish(&mut self, status: StatusCode, code: Option<&str>) {
        self.write(status.as_u16(), code);
    }

    fn write(&mut self, status: u16, code: Option<&str>) {
        if std::mem::replace(&mut self.is_written, true) {
            return;
        }
        let key = self
            .caller
            .as_ref()
            .map(|caller| tame(caller.key().name.as_str()));
        let id = self.id.to_text();
        tracing::info!(
            request.id = str::from_utf8(&id).unwrap_or_default(),
            key.name = key.as_deref(),
            model.name = self.model.as_deref(),
            target = self.target.as_deref(),
            method = tame(self.method.as_str()).as_ref(),
            path = self.path.as_str(),
            status,
            stream = self.stream,
            attempts = self.attempts,
            tokens.prompt = self.usage.prompt,
            tokens.completion = self.usage.completion,
            first_token_ms = self.first_token.map(millis),
            duration_ms = millis(self.begun.elapsed()),
            client = %self.client,
            client_request_id = self.client_request_id.as_deref(),
            trace.parent = self.trace_parent.as_deref(),
            error.code = code.map(tame).as_deref(),
            "request"
        );
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        self.write(499, Some("client_disconnected"));
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    // What is cut off anyway need not be decoded.
    let text = String::from_utf8_lossy(&value[..value.len().min(LONGEST)]);
    Some(tame(&text).into_owned())
}

/// The text without anything that could break a line or move a cursor, and not too long.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.chars().any(is_wild) {
        return Cow::Borrowed(text);
    }
    let mut tamed = String::new();
    for character in text.chars() {
        let before = tamed.len();
        if is_wild(character) {
            tamed.extend(character.escape_unicode());
        } else {
            tamed.push(character);
        }
        if tamed.len() > LONGEST {
            tamed.truncate(before);
            break;
        }
    }
    Cow::Owned(tamed)
}

/// Control characters, line separators, and marks that reverse what follows them.
fn is_wild(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_tamed() {
        let check = |text: &str, expected: &str| assert_eq!(tame(text), expected);
        check("llama3.2:latest", "llama3.2:latest");
        check("größe 😀", "größe 😀");
        check("a\nb\tc", r"a\u{a}b\u{9}c");
        check("\u{1b}[31mred", r"\u{1b}[31mred");
        check("\u{202e}evil", r"\u{202e}evil");
        check("\u{85}", r"\u{85}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(tame(&"x".repeat(256)).len(), 256);
        assert_eq!(tame(&"x".repeat(5_000)).len(), 256);
        assert_eq!(tame(&"é".repeat(200)).len(), 256);
        assert_eq!(tame(&format!("x{}", "é".repeat(200))).len(), 255);
        let controls = tame(&"\n".repeat(100)).into_owned();
        assert_eq!(controls.len() % r"\u{a}".len(), 0);
        assert!(controls.len() <= 256);
    }
}
