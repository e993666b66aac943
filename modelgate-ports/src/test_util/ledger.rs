//! Promises and spending in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use modelgate_domain::quota::{self, Balance, QuotaExceeded};
use modelgate_domain::time::{Period, Zone};
use modelgate_domain::usage::RowState;
use modelgate_domain::{KeyId, RequestId, Timestamp};

use super::FakeUsageLog;
use crate::driven::{Admission, LedgerError, QuotaLedger, Reservation, ReserveError, Settlement};

/// A ledger in memory. Keys begin with nothing spent.
#[derive(Debug)]
pub struct FakeLedger {
    zone: Zone,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    balances: HashMap<KeyId, (Balance, Period)>,
    pub(super) rows: BTreeMap<RequestId, Row>,
}

/// A request as the ledger holds it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) admission: Admission,
    pub(super) promised: u64,
    pub(super) state: RowState,
    pub(super) settlement: Option<Settlement>,
}

impl FakeLedger {
    /// An empty ledger whose periods begin at midnight of that zone.
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            state: Arc::default(),
        }
    }

    /// The rows of this ledger, as people see them.
    pub fn usage_log(&self) -> FakeUsageLog {
        FakeUsageLog::over(Arc::clone(&self.state))
    }

    /// How a request ended; `None` for an unknown or running one.
    pub fn settlement(&self, request: RequestId) -> Option<Settlement> {
        self.state()
            .rows
            .get(&request)
            .and_then(|row| row.settlement.clone())
    }

    /// Where a request's row stands; `None` when there is no row.
    pub fn row_state(&self, request: RequestId) -> Option<RowState> {
        self.state().rows.get(&request).map(|row| row.state)
    }

    /// Every request that has a row, oldest first.
    pub fn requests(&self) -> Vec<RequestId> {
        self.state().rows.keys().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

impl State {
    fn reserve(
        &mut self,
        admission: &Admission,
        zone: &Zone,
    ) -> Result<Reservation, QuotaExceeded> {
        let (held, period) = self.balances.entry(admission.key).or_default();
        let promise = quota::promise(
            admission.quota,
            *held,
            &admission.ask,
            admission.admitted,
            zone,
        )?;
        *held = promise.balance;
        *period = admission.quota.map_or(Period::Total, |quota| quota.period);
        let admission = Admission {
            admitted: promise.admitted,
            ..admission.clone()
        };
        self.rows.insert(
            admission.request,
            Row {
                admission,
                promised: promise.promised,
                state: RowState::Open,
                settlement: None,
            },
        );
        Ok(Reservation {
            promised: promise.promised,
            injected: promise.injected,
            balance: promise.balance,
        })
    }

    fn settle(&mut self, request: RequestId, settlement: Settlement) {
        let Some(row) = self
            .rows
            .get_mut(&request)
            .filter(|row| row.state == RowState::Open)
        else {
            return;
        };
        let spent = if settlement.void {
            0
        } else {
            settlement.spent.usage.total()
        };
        let (balance, _) = self.balances.entry(row.admission.key).or_default();
        *balance = quota::settle(*balance, row.admission.admitted, row.promised, spent);
        row.state = if settlement.void {
            RowState::Void
        } else {
            RowState::Settled
        };
        row.settlement = Some(settlement);
    }
}

#[async_trait]
impl QuotaLedger for FakeLedger {
    async fn reserve(&self, admission: &Admission) -> Result<Reservation, ReserveError> {
        let mut state = self.state();
        if state.rows.contains_key(&admission.request) {
            return Err(ReserveError::Unavailable(
                "the request has a row already".into(),
            ));
        }
        Ok(state.reserve(admission, &self.zone)?)
    }

    async fn settle(&self, request: RequestId, settlement: Settlement) -> Result<(), LedgerError> {
        self.state().settle(request, settlement);
        Ok(())
    }

    fn abandon(&self, request: RequestId, settlement: Settlement) {
        self.state().settle(request, settlement);
    }

    async fn balance(&self, key: KeyId, now: Timestamp) -> Result<Balance, LedgerError> {
        let (balance, period) = self.state().balances.get(&key).copied().unwrap_or_default();
        Ok(quota::current(balance, period, now, &self.zone))
    }

    async fn is_healthy(&self) -> bool {
        true
    }

    async fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::contract::{ledger_contract, usage_log_contract};

    fn keys<const N: usize>() -> [KeyId; N] {
        std::array::from_fn(|index| KeyId(i64::try_from(index).expect("few") + 1))
    }

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        ledger_contract(&FakeLedger::new(Zone::UTC), keys()).await;
    }

    #[tokio::test]
    async fn its_rows_keep_the_contract_of_the_log() {
        let ledger = FakeLedger::new(Zone::UTC);
        usage_log_contract(&ledger, &ledger.usage_log(), keys()).await;
    }
}
