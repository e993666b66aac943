//! A promise: the key's balance is looked at, changed, and the request's row written, in one step.

use std::sync::Arc;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::quota::{self, Balance};
use modelgate_domain::time::{Period, Zone};
use modelgate_domain::usage::RowState;
use modelgate_domain::{RequestId, Spent, Timestamp, TokenUsage};
use modelgate_ports::driven::{Admission, Clock, Reservation, ReserveError, Settlement};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::settle::Settle;
use super::{Counts, balance};
use crate::sql::fixed::{self, Statement};
use crate::sql::row::{IdText, count, counted};
use crate::sql::schema::{api_keys, usage};
use crate::sql::write::{Job, Message, Queue};

pub(super) type Answer = Result<Promise, ReserveError>;

pub(super) struct Reserve {
    admission: Admission,
    zone: Arc<Zone>,
    clock: Arc<dyn Clock>,
    queue: Queue,
    outcome: Option<Result<Reservation, ReserveError>>,
    reply: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Reserve {
    pub(super) fn new(
        admission: &Admission,
        zone: Arc<Zone>,
        clock: Arc<dyn Clock>,
        queue: Queue,
        reply: oneshot::Sender<Answer>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            admission: admission.clone(),
            zone,
            clock,
            queue,
            outcome: None,
            reply,
            _place: place,
        }
    }

    /// Nothing is written before every reason to refuse is out of the way.
    fn promise(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Result<Reservation, ReserveError>, Error> {
        let columns = (api_keys::used, api_keys::reserved, api_keys::quota_since);
        // Not `first`: it binds a limit, and SQLite plans a query with a bound limit anew each time.
        let held = api_keys::table
            .find(self.admission.key.0)
            .select(columns)
            .get_result::<Counts>(connection)
            .optional()?;
        let Some(held) = held else {
            return Ok(refused("the key has no balance"));
        };
        let held = self.begun(connection, balance(held))?;
        let Admission {
            quota,
            ask,
            admitted,
            ..
        } = &self.admission;
        let made = match quota::promise(*quota, held, ask, *admitted, &self.zone) {
            Ok(made) => made,
            Err(exceeded) => return Ok(Err(exceeded.into())),
        };
        match self.open_row(connection, &made) {
            Ok(()) => {}
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
                return Ok(refused("the request has a row already"));
            }
            Err(error) => return Err(error),
        }
        self.store(connection, made.balance)?;
        Ok(Ok(Reservation {
            promised: made.promised,
            injected: made.injected,
            balance: made.balance,
        }))
    }

    /// The balance, begun anew when it is time. A period that was changed may begin before rows that count in it.
    fn begun(&self, connection: &mut SqliteConnection, held: Balance) -> QueryResult<Balance> {
        let Admission {
            key,
            quota,
            admitted,
            ..
        } = &self.admission;
        let period = quota.map_or(Period::Total, |quota| quota.period);
        let begun = quota::current(held, period, *admitted, &self.zone);
        if begun.since == held.since {
            return Ok(held);
        }
        // Ids sort by time, and an index begins with the key: only rows since then are read.
        let first = IdText::new(RequestId::new(begun.since, [0; 10]));
        let spent = usage::table
            .filter(usage::key_id.eq(key.0))
            .filter(usage::id.ge(first.as_str()))
            .filter(usage::admitted.ge(begun.since.millis()))
            .filter(usage::state.eq_any([RowState::Settled.as_str(), RowState::Recovered.as_str()]))
            .select(sql::<BigInt>("COALESCE(SUM(prompt + completion), 0)"))
            .get_result::<i64>(connection)?;
        Ok(Balance {
            used: counted(spent),
            ..begun
        })
    }

    fn open_row(
        &self,
        connection: &mut SqliteConnection,
        made: &quota::Promise,
    ) -> QueryResult<()> {
        let admission = &self.admission;
        let (id, client) = (IdText::new(admission.request), admission.client.to_string());
        let binds = [
            id.as_str().into(),
            admission.key.0.into(),
            admission.model.0.into(),
            (*admission.model_name).into(),
            i64::from(admission.stream).into(),
            client.as_str().into(),
            RowState::Open.as_str().into(),
            count(admission.ask.estimate.min(TokenUsage::MOST)).into(),
            count(made.promised).into(),
            made.admitted.millis().into(),
        ];
        fixed::execute::<InsertRow>(connection, &binds).map(drop)
    }

    fn store(&self, connection: &mut SqliteConnection, balance: Balance) -> QueryResult<()> {
        let binds = [
            count(balance.used).into(),
            count(balance.reserved).into(),
            balance.since.millis().into(),
            self.admission.admitted.millis().into(),
            self.admission.key.0.into(),
        ];
        fixed::execute::<UpdateKey>(connection, &binds).map(drop)
    }
}

struct InsertRow;

impl Statement for InsertRow {
    const TEXT: &'static str = "INSERT INTO usage (id, key_id, model_id, model_name, stream, client, state, \
        prompt_bound, reserved, admitted, prompt, cached, completion, reasoning, attempts) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)";
}

struct UpdateKey;

impl Statement for UpdateKey {
    const TEXT: &'static str = "UPDATE api_keys SET used = ?, reserved = ?, quota_since = ?, last_used_at = ? WHERE id = ?";
}

fn refused(why: &'static str) -> Result<Reservation, ReserveError> {
    Err(ReserveError::Unavailable(why.into()))
}

impl Job for Reserve {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.outcome = None;
        self.outcome = Some(self.promise(connection)?);
        Ok(())
    }

    fn committed(self: Box<Self>) {
        let Self {
            admission,
            clock,
            queue,
            outcome,
            reply,
            ..
        } = *self;
        let Some(outcome) = outcome else { return };
        let promise = |reservation| Promise {
            reservation,
            request: admission.request,
            undo: Some((queue, clock)),
        };
        // Should nobody wait any more, the promise comes back and is taken back as it drops.
        let _gone = reply.send(outcome.map(promise));
    }

    fn failed(self: Box<Self>, error: &Error) -> Option<Box<dyn Job>> {
        let _gone = self
            .reply
            .send(Err(ReserveError::Unavailable(error.to_string().into())));
        None
    }
}

/// A promise on its way to the caller. Dropped before it gets there, it is taken back: nobody else would.
pub(super) struct Promise {
    reservation: Reservation,
    request: RequestId,
    undo: Option<(Queue, Arc<dyn Clock>)>,
}

impl Promise {
    pub(super) fn keep(mut self) -> Reservation {
        self.undo = None;
        self.reservation
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let Some((queue, clock)) = self.undo.take() else {
            return;
        };
        let undo = Settle::new(self.request, never_sent(clock.now()), None);
        // A ledger that ended closes the row at its next start.
        let _ended = queue.send(Message::Job(Box::new(undo)));
    }
}

/// The client had gone before anything was sent.
fn never_sent(ended: Timestamp) -> Settlement {
    Settlement {
        spent: Spent::NOTHING,
        void: true,
        status: 499,
        error: None,
        target: None,
        attempts: Vec::new(),
        first_token: None,
        ended,
    }
}
