//! A settlement: the promise is replaced by what was spent, once.

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::usage::RowState;
use modelgate_domain::{RequestId, Spent, TargetId, Timestamp, quota};
use modelgate_ports::driven::{Attempt, Settlement};
use tokio::sync::oneshot;

use super::{Counts, balance, store_balance};
use crate::sql::fixed::{self, Statement};
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
    pub(super) fn new(
        request: RequestId,
        settlement: Settlement,
        reply: Option<oneshot::Sender<()>>,
    ) -> Self {
        Self {
            request,
            settlement,
            reply,
            was_told: false,
        }
    }

    fn settle(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let id = IdText::new(self.request);
        // The state is looked at here and not in the query: as a bound value it would meet the partial index of open rows,
        // and SQLite plans such a query anew each time.
        let balance_columns = (api_keys::used, api_keys::reserved, api_keys::quota_since);
        let columns = (
            usage::state,
            usage::key_id,
            usage::admitted,
            usage::reserved,
            balance_columns,
        );
        let row = usage::table
            .inner_join(api_keys::table)
            .filter(usage::id.eq(id.as_str()))
            .select(columns);
        let found = row
            .get_result::<(String, i64, i64, i64, Counts)>(connection)
            .optional()?;
        let open = found.filter(|(state, ..)| state == RowState::Open.as_str());
        let Some((_, key, admitted, promised, held)) = open else {
            tracing::debug!(request.id = %self.request, "a request without an open row is not settled again");
            return Ok(());
        };
        let charged = if self.settlement.void {
            Spent::NOTHING
        } else {
            self.settlement.spent
        };
        let usage = charged.usage.believable();
        self.close_row(connection, id.as_str(), Spent { usage, ..charged })?;
        let after = quota::settle(
            balance(held),
            Timestamp::from_millis(admitted),
            counted(promised),
            usage.total(),
        );
        store_balance(connection, key, after)
    }

    fn close_row(
        &self,
        connection: &mut SqliteConnection,
        id: &str,
        charged: Spent,
    ) -> QueryResult<()> {
        let Settlement {
            void,
            status,
            error,
            target,
            attempts,
            first_token,
            ended,
            ..
        } = &self.settlement;
        let state = if *void {
            RowState::Void
        } else {
            RowState::Settled
        };
        let called = target
            .map(|target| called(connection, target))
            .transpose()?
            .flatten();
        let detail = detail(connection, attempts)?;
        let tokens = charged.usage;
        let binds = [
            state.as_str().into(),
            (!void).then(|| charged.source.as_str()).into(),
            count(tokens.prompt).into(),
            count(tokens.cached).into(),
            count(tokens.completion).into(),
            count(tokens.reasoning).into(),
            i64::from(*status).into(),
            error.as_ref().map(|error| error.code.as_str()).into(),
            error.as_ref().map(|error| error.message.as_str()).into(),
            target.map(|target| target.0).into(),
            called.as_ref().map(|(kind, _)| kind.as_str()).into(),
            called.as_ref().map(|(_, name)| name.as_str()).into(),
            i64::try_from(attempts.len()).unwrap_or(i64::MAX).into(),
            detail.as_deref().into(),
            millis(*first_token).into(),
            ended.millis().into(),
            id.into(),
        ];
        fixed::execute::<CloseRow>(connection, &binds).map(drop)
    }
}

struct CloseRow;

impl Statement for CloseRow {
    const TEXT: &'static str = "UPDATE usage SET state = ?, source = ?, prompt = ?, cached = ?, completion = ?, \
        reasoning = ?, status = ?, error_code = ?, error_message = ?, target_id = ?, backend = ?, target_name = ?, \
        attempts = ?, attempt_detail = ?, first_token = ?, ended = ? WHERE id = ?";
}

fn called(connection: &mut SqliteConnection, target: TargetId) -> QueryResult<Option<Called>> {
    let columns = (model_targets::kind, model_targets::upstream_name);
    model_targets::table
        .find(target.0)
        .select(columns)
        .get_result(connection)
        .optional()
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
        lines.push(format!(
            "{server}: {}",
            attempt.failure.as_deref().unwrap_or("answered")
        ));
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
