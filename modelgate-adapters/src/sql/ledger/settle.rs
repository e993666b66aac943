//! A settlement: the promise is replaced by what was spent, once.

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::usage::RowState;
use modelgate_domain::{RequestId, Spent, TargetId, Timestamp, quota};
use modelgate_ports::driven::{Attempt, Settlement};
use tokio::sync::oneshot;

use super::{Counts, balance, store_balance};
use crate::sql::row::{IdText, count, counted, list, millis};
use crate::sql::schema::{api_keys, model_targets, usage};
use crate::sql::write::Job;

pub(super) struct Settle {
    request: RequestId,
    settlement: Settlement,
    reply: Option<oneshot::Sender<()>>,
    was_told: bool,
}

/// Kind and name of a target, as it is called now.
type Called = (String, String);

impl Settle {
    pub(super) fn new(request: RequestId, settlement: Settlement, reply: Option<oneshot::Sender<()>>) -> Self {
        Self { request, settlement, reply, was_told: false }
    }

    fn settle(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let id = IdText::new(self.request);
        let columns = (usage::key_id, usage::admitted, usage::reserved);
        let open = usage::table.find(id.as_str()).filter(usage::state.eq(RowState::Open.as_str())).select(columns);
        let Some((key, admitted, promised)) = open.first::<(i64, i64, i64)>(connection).optional()? else {
            tracing::debug!(request.id = %self.request, "a request without an open row is not settled again");
            return Ok(());
        };
        let charged = if self.settlement.void { Spent::NOTHING } else { self.settlement.spent };
        self.close_row(connection, id.as_str(), charged)?;
        let columns = (api_keys::used, api_keys::reserved, api_keys::quota_since);
        let held: Counts = api_keys::table.find(key).select(columns).first(connection)?;
        let admitted = Timestamp::from_millis(admitted);
        let after = quota::settle(balance(held), admitted, counted(promised), charged.usage.total());
        store_balance(connection, key, after).map(drop)
    }

    fn close_row(&self, connection: &mut SqliteConnection, id: &str, charged: Spent) -> QueryResult<()> {
        let Settlement { void, status, error, target, attempts, first_token, ended, .. } = &self.settlement;
        let state = if *void { RowState::Void } else { RowState::Settled };
        let called = target.map(|target| called(connection, target)).transpose()?.flatten();
        let detail = detail(connection, attempts)?;
        let tokens = charged.usage.believable();
        let changes = (
            (usage::state.eq(state.as_str()), usage::source.eq((!void).then(|| charged.source.as_str()))),
            (usage::prompt.eq(count(tokens.prompt)), usage::cached.eq(count(tokens.cached))),
            (usage::completion.eq(count(tokens.completion)), usage::reasoning.eq(count(tokens.reasoning))),
            usage::status.eq(i32::from(*status)),
            usage::error_code.eq(error.as_ref().map(|error| error.code.as_str())),
            usage::error_message.eq(error.as_ref().map(|error| error.message.as_str())),
            usage::target_id.eq(target.map(|target| target.0)),
            usage::backend.eq(called.as_ref().map(|(kind, _)| kind.as_str())),
            usage::target_name.eq(called.as_ref().map(|(_, name)| name.as_str())),
            usage::attempts.eq(i32::try_from(attempts.len()).unwrap_or(i32::MAX)),
            usage::attempt_detail.eq(detail),
            (usage::first_token.eq(millis(*first_token)), usage::ended.eq(ended.millis())),
        );
        diesel::update(usage::table.find(id)).set(changes).execute(connection).map(drop)
    }
}

fn called(connection: &mut SqliteConnection, target: TargetId) -> QueryResult<Option<Called>> {
    let columns = (model_targets::kind, model_targets::upstream_name);
    model_targets::table.find(target.0).select(columns).first(connection).optional()
}

/// A line for each attempt; nothing when the first one answered, which the row says already.
fn detail(connection: &mut SqliteConnection, attempts: &[Attempt]) -> QueryResult<Option<String>> {
    if attempts.iter().all(|attempt| attempt.failure.is_none()) {
        return Ok(None);
    }
    let mut lines = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        let server = match called(connection, attempt.target)? {
            Some((kind, name)) => format!("{kind} {name}"),
            None => format!("target {}", attempt.target.0),
        };
        lines.push(format!("{server}: {}", attempt.failure.as_deref().unwrap_or("answered")));
    }
    Ok(Some(list(lines.iter().map(String::as_str))))
}

impl Job for Settle {
    /// Always: what was spent is charged, whoever has gone.
    fn is_wanted(&self) -> bool {
        true
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.settle(connection)
    }

    fn committed(self: Box<Self>) {
        if let Some(reply) = self.reply {
            let _gone = reply.send(());
        }
    }

    fn failed(mut self: Box<Self>, error: &Error) -> Option<Box<dyn Job>> {
        if !self.was_told {
            tracing::error!(request.id = %self.request, error = %error, "a request cannot be settled and is tried again");
            self.was_told = true;
        }
        Some(self)
    }
}
