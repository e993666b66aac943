//! The guard of a running request: whatever happens to it, it is settled exactly once.

use std::sync::Arc;

use modelgate_domain::{KeyId, RequestId, Spent, TargetId, Timestamp, TokenUsage};

use super::Ports;
use crate::driven::{Admitted, Attempt, BackendError, LedgerError, Reach, RowError, Settlement};

const GONE: &str = "the client closed the connection";

/// A reservation and a place in the limiter, both given back when this is settled or dropped.
///
/// Dropped early, the request is void only if nothing was sent upstream; otherwise it is charged the estimated prompt
/// and the output counted so far, unless the server has told better.
pub(crate) struct Hold {
    ports: Arc<Ports>,
    request: RequestId,
    key: KeyId,
    admitted: Admitted,
    prompt_estimate: u64,
    settled: bool,
    pub(crate) reach: Reach,
    pub(crate) told: Option<TokenUsage>,
    pub(crate) counted: u64,
    attempts: Vec<Attempt>,
    target: Option<TargetId>,
    pub(crate) first_token: Option<Timestamp>,
}

impl Hold {
    pub(crate) fn new(
        ports: &Arc<Ports>,
        request: RequestId,
        key: KeyId,
        admitted: Admitted,
        prompt_estimate: u64,
    ) -> Self {
        Self {
            ports: Arc::clone(ports),
            request,
            key,
            admitted,
            prompt_estimate,
            settled: false,
            reach: Reach::Nowhere,
            told: None,
            counted: 0,
            attempts: Vec::new(),
            target: None,
            first_token: None,
        }
    }

    /// What the request is charged if it ends now.
    pub(crate) fn spent(&self) -> Spent {
        match self.reach {
            Reach::AtWork => Spent::known(self.told, self.prompt_estimate, self.counted),
            Reach::Nowhere | Reach::Refused => Spent::NOTHING,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// A target is asked. Until it is known what came of it, the client's going away is what ended it.
    pub(crate) fn begin_attempt(&mut self, target: TargetId) {
        self.target = Some(target);
        let failure = Some(GONE.to_owned());
        self.attempts.push(Attempt { target, failure });
    }

    /// It is known what came of the last target.
    pub(crate) fn end_attempt(&mut self, failure: Option<String>) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.failure = failure;
        }
    }

    /// Begins to settle; the future ends once it is stored. What it stores is decided here, before anything is awaited.
    pub(crate) fn settle(
        &mut self,
        status: u16,
        error: Option<RowError>,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send + use<> {
        let settlement = self.close(status, error);
        let ledger = Arc::clone(&self.ports.ledger);
        let request = self.request;
        async move { ledger.settle(request, settlement).await }
    }

    fn close(&mut self, status: u16, error: Option<RowError>) -> Settlement {
        self.settled = true;
        let spent = self.spent();
        self.ports
            .limiter
            .finish(self.key, &self.admitted, spent.usage.total());
        Settlement {
            spent,
            void: self.reach == Reach::Nowhere,
            status,
            error,
            target: self.target,
            attempts: std::mem::take(&mut self.attempts),
            first_token: self.first_token,
            ended: self.ports.clock.now(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.settled {
            let gone = RowError {
                code: "client_disconnected".into(),
                message: GONE.into(),
            };
            let settlement = self.close(499, Some(gone));
            self.ports.ledger.abandon(self.request, settlement);
        }
    }
}

/// What a row tells of a server's failure.
pub(crate) fn row_error(error: &BackendError) -> RowError {
    let code = error
        .code
        .clone()
        .unwrap_or_else(|| error.word().to_owned());
    RowError {
        code,
        message: error.message.clone(),
    }
}
