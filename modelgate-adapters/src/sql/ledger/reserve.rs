//! A promise: the key's balance is looked at, changed, and the request's row written, in one step.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;
use modelgate_domain::quota::{self, Balance, OutputAsk, QuotaExceeded};
use modelgate_domain::time::{Period, Zone};
use modelgate_domain::usage::RowState;
use modelgate_domain::{RequestId, Spent, Timestamp, TokenUsage};
use modelgate_ports::driven::{Admission, Clock, Reservation, ReserveError, Settlement};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::settle::Settle;
use super::{Counts, balance};
use crate::sql::row::{IdText, count};
use crate::sql::schema::{api_keys, usage};
use crate::sql::write::{Job, Message, Queue};

/// Most that a request is promised, without which two absurd ones could not be added up. No request is ever charged more.
const MOST: u64 = 2 * TokenUsage::MOST;

type Answer = Result<Promise, ReserveError>;

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
        Self { admission: admission.clone(), zone, clock, queue, outcome: None, reply, _place: place }
    }

    /// Nothing is written before every reason to refuse is out of the way.
    fn promise(&self, connection: &mut SqliteConnection) -> Result<Result<Reservation, ReserveError>, Error> {
        let columns = (api_keys::used, api_keys::reserved, api_keys::quota_since);
        let held = api_keys::table.find(self.admission.key.0).select(columns).first::<Counts>(connection).optional()?;
        let Some(held) = held else { return Ok(refused("the key has no balance")) };
        let reservation = match self.decide(balance(held)) {
            Ok(reservation) => reservation,
            Err(exceeded) => return Ok(Err(exceeded.into())),
        };
        match self.open_row(connection, &reservation) {
            Ok(_) => {}
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => return Ok(refused("the request has a row already")),
            Err(error) => return Err(error),
        }
        self.store(connection, reservation.balance)?;
        Ok(Ok(reservation))
    }

    fn decide(&self, held: Balance) -> Result<Reservation, QuotaExceeded> {
        let Admission { quota, ask, admitted, .. } = &self.admission;
        let period = quota.map_or(Period::Total, |quota| quota.period);
        let limit = quota.map(|quota| quota.limit);
        let balance = quota::current(held, period, *admitted, &self.zone);
        let ask = OutputAsk { left: limit.map(|limit| quota::left(limit, balance)), ..*ask };
        let bound = quota::output_bound(&ask);
        let promised = ask.prompt.saturating_add(bound.promised).min(MOST);
        let balance = quota::reserve(limit, balance, promised)?;
        Ok(Reservation { promised, injected: bound.injected, balance })
    }

    fn open_row(&self, connection: &mut SqliteConnection, reservation: &Reservation) -> QueryResult<usize> {
        let admission = &self.admission;
        // A wall clock that went back must not put the request into a period that is over, where nothing is charged.
        let admitted = admission.admitted.max(reservation.balance.since);
        let row = (
            usage::id.eq(IdText::new(admission.request).as_str().to_owned()),
            usage::key_id.eq(admission.key.0),
            usage::model_id.eq(admission.model.0),
            usage::model_name.eq(&*admission.model_name),
            usage::stream.eq(i32::from(admission.stream)),
            usage::client.eq(admission.client.to_string()),
            usage::state.eq(RowState::Open.as_str()),
            usage::prompt_bound.eq(count(admission.ask.prompt.min(TokenUsage::MOST))),
            usage::reserved.eq(count(reservation.promised)),
            (usage::prompt.eq(0), usage::cached.eq(0), usage::completion.eq(0), usage::reasoning.eq(0)),
            usage::attempts.eq(0),
            usage::admitted.eq(admitted.millis()),
        );
        diesel::insert_into(usage::table).values(row).execute(connection)
    }

    fn store(&self, connection: &mut SqliteConnection, balance: Balance) -> QueryResult<usize> {
        let changes = (
            api_keys::used.eq(count(balance.used)),
            api_keys::reserved.eq(count(balance.reserved)),
            api_keys::quota_since.eq(balance.since.millis()),
            api_keys::last_used_at.eq(self.admission.admitted.millis()),
        );
        diesel::update(api_keys::table.find(self.admission.key.0)).set(changes).execute(connection)
    }
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
        let Self { admission, clock, queue, outcome, reply, .. } = *self;
        let Some(outcome) = outcome else { return };
        let promise = |reservation| Promise { reservation, request: admission.request, undo: Some((queue, clock)) };
        // Should nobody wait any more, the promise comes back and is taken back as it drops.
        let _gone = reply.send(outcome.map(promise));
    }

    fn failed(self: Box<Self>, error: &Error) -> Option<Box<dyn Job>> {
        let _gone = self.reply.send(Err(ReserveError::Unavailable(error.to_string().into())));
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
        let Some((queue, clock)) = self.undo.take() else { return };
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
