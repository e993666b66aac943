//! Reading the rows that the ledger wrote.

use std::net::IpAddr;

use async_trait::async_trait;
use modelgate_domain::{KeyId, RequestId, Timestamp, TokenUsage};

use super::StoreError;

/// Which rows to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Only rows older than this one.
    pub before: Option<RequestId>,
    /// Only rows of this key.
    pub key: Option<KeyId>,
    /// Most rows, from 1 to 200.
    pub limit: u32,
}

/// One request, as people see it. Times are milliseconds since admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Id, which is also the answer's `x-request-id`.
    pub id: RequestId,
    /// When it was admitted.
    pub at: Timestamp,
    /// Whose it was.
    pub key: KeyId,
    /// Name of the key.
    pub key_name: String,
    /// Name of the model.
    pub model: String,
    /// What the answering server calls the model, when one was tried.
    pub target: Option<String>,
    /// Kind of the server.
    pub backend: Option<String>,
    /// HTTP status; `None` while it runs.
    pub status: Option<u16>,
    /// What went wrong, as a word.
    pub error_code: Option<String>,
    /// What went wrong, in a sentence.
    pub error_message: Option<String>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// How many targets were tried.
    pub attempts: u32,
    /// Each try with its failure.
    pub attempt_detail: Vec<String>,
    /// `open`, `settled`, `recovered` or `void`.
    pub state: String,
    /// `upstream`, `estimated` or `recovered`; `None` while it runs.
    pub source: Option<String>,
    /// Where the request came from.
    pub client: Option<IpAddr>,
    /// Tokens charged.
    pub usage: TokenUsage,
    /// Until the first event.
    pub first_token_ms: Option<u64>,
    /// Until the end.
    pub duration_ms: Option<u64>,
}

/// A request of the last minute, for limits that survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// Whose it was.
    pub key: KeyId,
    /// When it was admitted.
    pub admitted: Timestamp,
    /// Tokens charged, or promised while it runs.
    pub tokens: u64,
}

/// Rows, newest first.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait UsageLog: Send + Sync {
    /// The newest rows that pass the filter.
    async fn rows(&self, filter: &RowFilter) -> Result<Vec<UsageRow>, StoreError>;

    /// Requests admitted at or after `since`, oldest first.
    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError>;
}
