//! Servers that answer: one port for all kinds, speaking OpenAI's bodies on this side whatever the server speaks.

use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use modelgate_domain::{
    BackendKind, BaseUrl, Endpoint, Head, Model, RequestId, Secret, Target, TokenUsage,
};

use crate::BoxError;

/// One request to one target.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Id of the request, told to the server as `x-request-id`.
    pub request: RequestId,
    /// What the client's body says, as far as the gateway reads it.
    pub head: &'a Head,
    /// The client's body, as received.
    pub body: &'a [Bytes],
    /// The name the client used, which answers must show.
    pub shown_model: &'a str,
    /// The model.
    pub model: &'a Model,
    /// The target to ask.
    pub target: &'a Target,
    /// Output limit for each choice, to be sent because the client gave none.
    pub output_limit: Option<u64>,
}

impl Call<'_> {
    /// Which of the inference endpoints was called.
    pub fn endpoint(&self) -> Endpoint {
        self.head.endpoint
    }
}

/// What a server answered, in OpenAI's form and with the client's name for the model.
pub struct Reply {
    /// The answer.
    pub body: ReplyBody,
    /// Parameters of the request that the server cannot take and that were left out, for `x-modelgate-dropped`.
    pub dropped: Vec<String>,
}

/// A whole answer or a stream.
pub enum ReplyBody {
    /// A complete JSON document, checked to be one.
    Whole {
        /// Its bytes, in order.
        pieces: Vec<Bytes>,
        /// Tokens, when the server told them.
        usage: Option<TokenUsage>,
    },
    /// A stream whose first event has come and is no error.
    Stream(Box<dyn ReplyStream>),
}

/// Part of a stream: one or more whole events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Server-sent events, each `data: ` + JSON without line breaks + two line feeds. May be empty, when only `usage` is
    /// news. Never `[DONE]`.
    pub bytes: Bytes,
    /// Tokens so far, when the server told them with these events; the last word counts.
    pub usage: Option<TokenUsage>,
    /// How many of the events carry output.
    pub deltas: u32,
}

/// A streamed answer. Dropping it closes the connection to the server at once.
pub trait ReplyStream: Send {
    /// The next frame as soon as it has come, `None` after the last: only when the answer is complete.
    ///
    /// # Errors
    /// [`BackendError`] when the server failed, stalled or ended early; nothing comes after it.
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, BackendError>>;
}

/// A server's failure: whose fault it was, and whether another server may be asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// Whose fault it was.
    pub fault: BackendFault,
    /// For the client: at most 300 characters, without addresses, credentials or control characters.
    pub message: String,
    /// OpenAI's word for it, when there is one (`context_length_exceeded`, `unsupported_parameter` …).
    pub code: Option<String>,
    /// The field at fault, when the server or the translation named one.
    pub param: Option<String>,
    /// A good status had come before it failed: the server was at work, and nobody else shall do the work again.
    pub begun: bool,
    /// When to try again, as the server said.
    pub retry_after: Option<Duration>,
    /// Cause, for the log.
    #[source]
    pub source: Option<BoxError>,
}

/// Whose fault a failure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendFault {
    /// The client's: another server would say the same. The status is passed on.
    Request {
        /// 400, 404, 413, 422 …
        status: u16,
        /// Whether the server saw the request; false when its translation was refused here.
        sent: bool,
    },
    /// The operator's: the server did not take our credential.
    Credential,
    /// The server asks for fewer requests (429).
    Limited,
    /// The server is loading or full (503).
    Unavailable,
    /// Nothing was sent: no address, no connection, no TLS session.
    Unreachable,
    /// A timer ran out.
    TimedOut(Timer),
    /// The server failed: 5xx, a reset, an answer that makes no sense, an error in mid-stream.
    Failed,
    /// This gateway stops, and ended the stream itself.
    Stopped,
}

/// How far a request got upstream, which decides what it is charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing was sent: its row is void.
    #[default]
    Nowhere,
    /// A server saw it and said no: charged nothing.
    Refused,
    /// A server works on it, or may: charged the prompt and what was counted.
    AtWork,
}

/// The timers of a request (each reported by name).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Until the connection stands.
    Connect,
    /// Until the first event of a stream.
    FirstEvent,
    /// Between two reads of a stream.
    Idle,
    /// Until a JSON answer is whole.
    Answer,
    /// The whole of a stream.
    Stream,
}

impl Timer {
    /// Its name in settings and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::FirstEvent => "first_event",
            Self::Idle => "idle",
            Self::Answer => "timeout",
            Self::Stream => "stream",
        }
    }
}

impl BackendError {
    /// A failure with a message for the client and nothing else.
    pub fn new(fault: BackendFault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            code: None,
            param: None,
            begun: false,
            retry_after: None,
            source: None,
        }
    }

    /// Whether another target may be asked, as long as nothing was answered yet.
    pub const fn may_try_next(&self) -> bool {
        !self.begun && !matches!(self.fault, BackendFault::Request { .. })
    }

    /// How far the request got.
    pub const fn reach(&self) -> Reach {
        match self.fault {
            _ if self.begun => Reach::AtWork,
            BackendFault::Unreachable
            | BackendFault::TimedOut(Timer::Connect)
            | BackendFault::Request { sent: false, .. } => Reach::Nowhere,
            BackendFault::TimedOut(_) | BackendFault::Stopped => Reach::AtWork,
            _ => Reach::Refused,
        }
    }

    /// The status a client is answered with when this is the last word.
    pub const fn status(&self) -> u16 {
        match self.fault {
            BackendFault::Request { status, .. } => status,
            BackendFault::Limited => 429,
            BackendFault::Unavailable | BackendFault::Stopped => 503,
            BackendFault::TimedOut(_) => 504,
            BackendFault::Credential | BackendFault::Unreachable | BackendFault::Failed => 502,
        }
    }

    /// The stable word for it, in rows, logs and error objects that have no better one.
    pub const fn word(&self) -> &'static str {
        match self.fault {
            BackendFault::Request { .. } => "invalid_request_error",
            BackendFault::Credential => "upstream_auth_error",
            BackendFault::Limited => "rate_limit_exceeded",
            BackendFault::Unavailable => "no_backend_available",
            BackendFault::TimedOut(_) => "upstream_timeout",
            BackendFault::Stopped => "server_shutting_down",
            BackendFault::Unreachable | BackendFault::Failed => "upstream_error",
        }
    }
}

/// A server to ask for its models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// How it is spoken to.
    pub kind: BackendKind,
    /// Where it is.
    pub base_url: BaseUrl,
    /// Credential, when it differs from the adapter's own.
    pub credential: Option<Secret>,
}

/// A model that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// What the server calls it.
    pub name: String,
    /// Context in tokens, when told.
    pub context_length: Option<u64>,
    /// What it can do, when told.
    pub capabilities: Vec<String>,
}

/// A kind of server. Shared by all requests of the process.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait Backend: Send + Sync {
    /// Sends one request and returns once it is known whether the server answers it: with the whole JSON document, or
    /// with the first event of a stream. Dropping the future closes the connection to the server.
    async fn send<'a>(&self, call: Call<'a>) -> Result<Reply, BackendError>;

    /// The models a server offers.
    async fn discover(&self, server: &Upstream) -> Result<Vec<Discovered>, BackendError>;
}
