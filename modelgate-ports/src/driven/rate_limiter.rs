//! Requests and tokens per minute, parallel requests.

use async_trait::async_trait;
use modelgate_domain::KeyId;
use modelgate_domain::rate::{LimitExceeded, Limits, Standing};
use modelgate_domain::time::Monotonic;

use crate::BoxError;

/// A request that was let in, to be finished or taken back exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// When, by the limiter's clock.
    pub at: Monotonic,
    /// Tokens it was counted with.
    pub tokens: u64,
    /// Where the key stands after it.
    pub standing: Standing,
}

/// Why a request was not let in.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A limit stands in the way.
    #[error(transparent)]
    Exceeded(#[from] LimitExceeded),
    /// The limiter cannot tell.
    #[error("the rate limiter is unavailable")]
    Unavailable(#[source] BoxError),
}

/// Limits of all keys. All limits of a key are checked in one step, all or nothing; refused requests cost nothing.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts one request that may use up to `tokens`.
    async fn admit(&self, key: KeyId, limits: &Limits, tokens: u64)
    -> Result<Admitted, LimitError>;

    /// Undoes an admission: the request was refused by something else.
    fn take_back(&self, key: KeyId, limits: &Limits, admitted: &Admitted);

    /// Ends a request that used so many tokens. Must be called once for every admission that was not taken back.
    fn finish(&self, key: KeyId, admitted: &Admitted, used: u64);

    /// Where the key stands, without asking for anything.
    async fn standing(&self, key: KeyId, limits: &Limits) -> Result<Standing, LimitError>;
}
