//! The ledger: one transaction touches a request's row and its key's balance together.

mod recover;
mod reserve;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::quota::{self, Balance};
use modelgate_domain::time::{Period, Zone};
use modelgate_domain::{KeyId, RequestId, Timestamp};
use modelgate_ports::BoxError;
use modelgate_ports::driven::{
    Admission, Clock, LedgerError, QuotaLedger, Reservation, ReserveError, Settlement,
};
use tokio::sync::oneshot;

use super::Database;
use super::error::{corrupt, unavailable};
use super::fixed::{self, Statement};
use super::row::{count, counted};
use super::schema::api_keys;
use super::write::Closed;
use reserve::Reserve;
use settle::Settle;

pub(super) use recover::recover;

/// Longest wait for a promise.
const PATIENCE: Duration = Duration::from_secs(2);

/// After this an answer may end although its settlement is still queued: its row exists.
const STALL: Duration = Duration::from_millis(250);

/// Promises and spending in SQLite, written by the one writer.
pub struct SqlLedger {
    sql: Database,
    zone: Arc<Zone>,
    clock: Arc<dyn Clock>,
}

impl SqlLedger {
    /// The ledger of that database; periods begin at midnight of that zone.
    pub fn new(sql: Database, zone: Zone, clock: Arc<dyn Clock>) -> Self {
        Self {
            sql,
            zone: Arc::new(zone),
            clock,
        }
    }

    /// Queues the question; the answer comes once it is committed.
    fn ask(
        &self,
        admission: &Admission,
    ) -> Result<oneshot::Receiver<reserve::Answer>, ReserveError> {
        let writer = self.sql.writer.as_ref().ok_or_else(|| no_promise(Closed))?;
        let place = writer.place().map_err(no_promise)?;
        let (reply, answer) = oneshot::channel();
        let (zone, clock) = (Arc::clone(&self.zone), Arc::clone(&self.clock));
        let job = Reserve::new(admission, zone, clock, writer.queue(), reply, place);
        writer.submit(Box::new(job)).map_err(no_promise)?;
        Ok(answer)
    }
}

fn no_promise(cause: impl Into<BoxError>) -> ReserveError {
    ReserveError::Unavailable(cause.into())
}

/// Balances as they stand in the key's row.
type Counts = (i64, i64, i64);

fn balance((used, reserved, since): Counts) -> Balance {
    Balance {
        used: counted(used),
        reserved: counted(reserved),
        since: Timestamp::from_millis(since),
    }
}

struct UpdateBalance;

impl Statement for UpdateBalance {
    const TEXT: &'static str =
        "UPDATE api_keys SET used = ?, reserved = ?, quota_since = ? WHERE id = ?";
}

fn store_balance(connection: &mut SqliteConnection, key: i64, balance: Balance) -> QueryResult<()> {
    let binds = [
        count(balance.used).into(),
        count(balance.reserved).into(),
        balance.since.millis().into(),
        key.into(),
    ];
    fixed::execute::<UpdateBalance>(connection, &binds).map(drop)
}

#[async_trait]
impl QuotaLedger for SqlLedger {
    #[tracing::instrument(name = "sql.ledger.reserve", level = "debug", skip_all)]
    async fn reserve(&self, admission: &Admission) -> Result<Reservation, ReserveError> {
        let answer = self.ask(admission)?;
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(no_promise)?;
        answer.map_err(no_promise)?.map(reserve::Promise::keep)
    }

    #[tracing::instrument(name = "sql.ledger.settle", level = "debug", skip_all)]
    async fn settle(&self, request: RequestId, settlement: Settlement) -> Result<(), LedgerError> {
        let (reply, stored) = oneshot::channel();
        let job = Settle::new(request, settlement, Some(reply));
        self.sql
            .submit(Box::new(job))
            .map_err(|closed| LedgerError(closed.into()))?;
        match tokio::time::timeout(STALL, stored).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(LedgerError(Closed.into())),
            Err(_) => {
                tracing::warn!(request.id = %request, "a settlement is still queued; its answer is not held back any longer");
                Ok(())
            }
        }
    }

    fn abandon(&self, request: RequestId, settlement: Settlement) {
        let job = Settle::new(request, settlement, None);
        if self.sql.submit(Box::new(job)).is_err() {
            tracing::error!(request.id = %request, "a request ended after its ledger; the next start closes it as recovered");
        }
    }

    #[tracing::instrument(name = "sql.ledger.balance", level = "debug", skip_all)]
    async fn balance(&self, key: KeyId, now: Timestamp) -> Result<Balance, LedgerError> {
        let zone = Arc::clone(&self.zone);
        let reading = self.sql.read(move |connection| {
            let columns = (
                api_keys::quota_period,
                (api_keys::used, api_keys::reserved, api_keys::quota_since),
            );
            let found = api_keys::table
                .find(key.0)
                .select(columns)
                .first::<(Option<String>, Counts)>(connection);
            let (period, counts) = found.map_err(unavailable)?;
            let period = period.map_or(Some(Period::Total), |word| Period::parse(&word));
            let period = period.ok_or(corrupt("api_keys", "quota_period"))?;
            Ok(quota::current(balance(counts), period, now, &zone))
        });
        reading.await.map_err(|error| LedgerError(error.into()))
    }

    async fn is_healthy(&self) -> bool {
        self.sql.is_healthy().await
    }

    async fn flush(&self) {
        self.sql.flush().await;
    }
}
