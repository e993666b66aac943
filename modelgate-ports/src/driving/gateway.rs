//! Calling models: who asks, what they may, where it goes, what it costs.

mod answer;
mod auth;
mod infer;
mod key_cache;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use modelgate_domain::quota::{self, Balance};
use modelgate_domain::rate::Standing;
use modelgate_domain::{Model, RequestId, route};

pub use answer::{Answer, AnswerBody, Context, InferError, QuotaStanding, Refused};
pub use auth::{AuthError, Caller};
pub use infer::Inference;
use key_cache::KeyCache;
pub use stream::MeteredStream;

use super::{Policy, Ports};
use crate::driven::{LedgerError, LimitError};

/// The calls of people who use models.
pub struct Gateway {
    ports: Arc<Ports>,
    policy: Policy,
    keys: Arc<KeyCache>,
    strangers: auth::Strangers,
    request_count: AtomicU64,
}

/// Where a key stands with all its limits, for `GET /v1/key`.
#[derive(Debug, Clone, Copy)]
pub struct KeyStanding {
    /// Requests and tokens per minute.
    pub limits: Standing,
    /// Spent and promised in this period.
    pub balance: Balance,
    /// When the quota begins anew.
    pub resets_at: Option<modelgate_domain::Timestamp>,
}

/// The standing of a key cannot be told now.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The limiter cannot tell.
    #[error(transparent)]
    Limiter(#[from] LimitError),
}

impl Gateway {
    /// A gateway over these adapters.
    pub fn new(ports: Ports, policy: &Policy) -> Self {
        let keys = Arc::new(KeyCache::default());
        let remembered = Arc::clone(&keys);
        ports.keys.watch(Arc::new(move || remembered.clear()));
        Self {
            ports: Arc::new(ports),
            policy: policy.clone(),
            keys,
            strangers: auth::Strangers::default(),
            request_count: AtomicU64::new(0),
        }
    }

    /// Most choices and inputs in one request, for reading its head.
    pub fn caps(&self) -> modelgate_domain::head::Caps {
        self.policy.caps
    }

    /// A new id for a request that arrives now. Unique even when the system has no randomness to give.
    pub fn request_id(&self) -> RequestId {
        let mut random = [0; 10];
        if self.ports.entropy.fill(&mut random).is_err() {
            let count = self.request_count.fetch_add(1, Ordering::Relaxed);
            random[2..].copy_from_slice(&count.to_be_bytes());
        }
        RequestId::new(self.ports.clock.now(), random)
    }

    /// The models this caller may use, by name.
    pub fn models(&self, caller: &Caller) -> Vec<Arc<Model>> {
        let models = self.ports.catalog.models();
        models
            .all()
            .iter()
            .filter(|model| route::allowed(model, caller.key()).is_ok())
            .cloned()
            .collect()
    }

    /// One model by the name the caller uses for it; `None` also when it is not for this caller.
    pub fn model(&self, caller: &Caller, name: &str) -> Option<Arc<Model>> {
        let models = self.ports.catalog.models();
        models
            .resolve(name)
            .filter(|model| route::allowed(model, caller.key()).is_ok())
            .cloned()
    }

    /// Where the caller stands with its limits.
    ///
    /// # Errors
    /// [`StandingError`] when ledger or limiter cannot tell.
    pub async fn standing(&self, caller: &Caller) -> Result<KeyStanding, StandingError> {
        let key = caller.key();
        let now = self.ports.clock.now();
        let balance = self.ports.ledger.balance(key.id, now).await?;
        let limits = self.ports.limiter.standing(key.id, &key.limits).await?;
        let period = key.quota.map(|quota| quota.period).unwrap_or_default();
        let balance = quota::current(balance, period, now, &self.policy.zone);
        Ok(KeyStanding {
            limits,
            balance,
            resets_at: period.end(now, &self.policy.zone),
        })
    }

    /// Waits until all spending is stored. For shutdown.
    pub async fn flush(&self) {
        self.ports.ledger.flush().await;
    }
}
