//! What comes of a request: an answer, or the reason why not, each with what clients and logs are told beside it.

use std::sync::Arc;

use bytes::Bytes;
use modelgate_domain::head::BadRequest;
use modelgate_domain::quota::QuotaExceeded;
use modelgate_domain::rate::{LimitExceeded, Standing};
use modelgate_domain::{Timestamp, TokenUsage};

use super::stream::MeteredStream;
use crate::BoxError;
use crate::driven::BackendError;

/// An answer.
pub struct Answer {
    /// The answer itself.
    pub body: AnswerBody,
    /// What is told beside it.
    pub context: Context,
}

/// A whole answer, charged already, or a stream that is charged before its end.
pub enum AnswerBody {
    /// A JSON document.
    Whole(Vec<Bytes>),
    /// Server-sent events.
    Stream(Box<MeteredStream>),
}

/// What clients (in headers) and the log are told of a request beside its answer.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Where the key stands with its limits per minute.
    pub standing: Standing,
    /// Where it stands with its quota.
    pub quota: Option<QuotaStanding>,
    /// Name of the model that was meant.
    pub model: Option<Arc<str>>,
    /// The target that answered or was tried last, as `kind/name`.
    pub target: Option<String>,
    /// How many targets were tried.
    pub attempts: u32,
    /// Tokens charged, once known.
    pub usage: TokenUsage,
    /// Parameters that were left out for the server's sake.
    pub dropped: Vec<String>,
}

/// Tokens of a quota and what is left of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaStanding {
    /// The quota.
    pub limit: u64,
    /// Neither spent nor promised.
    pub remaining: u64,
    /// When it begins anew; `None` when it never does.
    pub resets_at: Option<Timestamp>,
    /// Now, by the same clock.
    pub now: Timestamp,
}

/// A request that got no answer.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: InferError,
    /// What is told beside it.
    pub context: Box<Context>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The body asks for something impossible.
    #[error("{}", .0.message)]
    BadRequest(BadRequest),
    /// No such model, or not for this key: nobody is told which.
    #[error("the model '{0}' does not exist or is not for this key")]
    ModelNotFound(String),
    /// A limit per minute, or of parallel requests.
    #[error(transparent)]
    Limited(LimitExceeded),
    /// The quota does not allow it.
    #[error(transparent)]
    QuotaExceeded(QuotaExceeded),
    /// Without a row there is no service.
    #[error("requests cannot be metered now")]
    MeteringUnavailable(#[source] BoxError),
    /// The model has no target of a kind this gateway speaks to.
    #[error("the model has no backend")]
    NoBackend,
    /// Every target that might answer failed; this is the last failure.
    #[error(transparent)]
    Backend(BackendError),
}
