//! The ledger: what every key was promised and spent, and one row for every admitted request.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use modelgate_domain::quota::{Balance, OutputAsk, Quota, QuotaExceeded};
use modelgate_domain::{KeyId, ModelId, RequestId, Spent, TargetId, Timestamp};

use crate::BoxError;

/// A request that asks to be admitted.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Its id, which is also its row's.
    pub request: RequestId,
    /// Who asks.
    pub key: KeyId,
    /// What for.
    pub model: ModelId,
    /// The model's name at this time, kept when the model goes.
    pub model_name: Arc<str>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Where the request came from.
    pub client: IpAddr,
    /// When.
    pub admitted: Timestamp,
    /// The key's quota; `None` means no limit.
    pub quota: Option<Quota>,
    /// What decides how many tokens it needs. The ledger fills in `left`, which only it knows.
    pub ask: OutputAsk,
}

/// A promise that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Tokens promised, prompt and output.
    pub promised: u64,
    /// Output limit for each choice to send in the client's stead.
    pub injected: Option<u64>,
    /// The key's balance with this promise.
    pub balance: Balance,
}

/// Why nothing was promised. Nothing is held then and there is no row.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The quota does not allow it.
    #[error(transparent)]
    Exceeded(#[from] QuotaExceeded),
    /// The ledger cannot write; without a row there is no service.
    #[error("the ledger is unavailable")]
    Unavailable(#[source] BoxError),
}

/// The ledger could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger is unavailable")]
pub struct LedgerError(#[source] pub BoxError);

/// What went wrong with a request, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Stable word, such as `upstream_timeout`.
    pub code: String,
    /// Sentence for people, without secrets, prompts or addresses.
    pub message: String,
}

/// One try at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which target.
    pub target: TargetId,
    /// `None` when it answered, else why it was given up.
    pub failure: Option<String>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What is charged.
    pub spent: Spent,
    /// Nothing was sent upstream: the row becomes void and nothing is charged.
    pub void: bool,
    /// HTTP status the client was answered with; 499 when it had gone.
    pub status: u16,
    /// What went wrong.
    pub error: Option<RowError>,
    /// The target that answered, or was tried last.
    pub target: Option<TargetId>,
    /// Every try, in order.
    pub attempts: Vec<Attempt>,
    /// When the first event or the answer came.
    pub first_token: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
}

/// Promises and spending of all keys. Row and balance change in one transaction; every call is idempotent by request id.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait QuotaLedger: Send + Sync {
    /// Promises what the request needs and writes its open row, both or neither, before it returns.
    async fn reserve(&self, admission: &Admission) -> Result<Reservation, ReserveError>;

    /// Replaces the promise by what was spent, and returns once that is committed: called before the last byte leaves.
    /// Should the store stall, it returns after a quarter of a second with the settlement still queued.
    async fn settle(&self, request: RequestId, settlement: Settlement) -> Result<(), LedgerError>;

    /// The same from `Drop`, when a client hangs up: queued, never fails.
    fn abandon(&self, request: RequestId, settlement: Settlement);

    /// What the key spent and was promised in the period that holds `now`.
    async fn balance(&self, key: KeyId, now: Timestamp) -> Result<Balance, LedgerError>;

    /// Whether promises can be stored now: what readiness means.
    async fn is_healthy(&self) -> bool;

    /// Waits until everything queued is stored. For shutdown and tests.
    async fn flush(&self);
}
