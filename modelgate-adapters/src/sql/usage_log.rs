//! Reading the rows of requests.

mod row;

use async_trait::async_trait;
use diesel::prelude::*;
use modelgate_domain::{KeyId, RequestId, Timestamp};
use modelgate_ports::driven::{Recent, RowFilter, StoreError, UsageLog, UsageRow};

use super::Database;
use super::error::unavailable;
use super::row::{IdText, counted};
use super::schema::{api_keys, usage};
use row::LogRow;

/// Most rows of one answer.
const PAGE: u32 = 200;

/// How much earlier than its admission a request's id may have been made: its body came in between.
const SLACK_MS: i64 = 120_000;

/// The rows of requests in SQLite.
#[derive(Clone)]
pub struct SqlUsageLog {
    sql: Database,
}

impl SqlUsageLog {
    /// The rows of that database.
    pub fn new(sql: Database) -> Self {
        Self { sql }
    }
}

#[async_trait]
impl UsageLog for SqlUsageLog {
    #[tracing::instrument(name = "sql.usage.rows", level = "debug", skip_all)]
    async fn rows(&self, filter: &RowFilter) -> Result<Vec<UsageRow>, StoreError> {
        let filter = filter.clone();
        let rows = self.sql.read(move |connection| {
            let mut query = usage::table
                .left_join(api_keys::table.on(api_keys::id.eq(usage::key_id)))
                .select(LogRow::as_select())
                .into_boxed();
            if let Some(before) = filter.before {
                query = query.filter(usage::id.lt(IdText::new(before).as_str().to_owned()));
            }
            if let Some(key) = filter.key {
                query = query.filter(usage::key_id.eq(key.0));
            }
            let page = query
                .order(usage::id.desc())
                .limit(filter.limit.clamp(1, PAGE).into());
            page.load::<LogRow>(connection).map_err(unavailable)
        });
        rows.await?.into_iter().map(UsageRow::try_from).collect()
    }

    #[tracing::instrument(name = "sql.usage.recent", level = "debug", skip_all)]
    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        // Ids begin with the time they were made at, so that their index serves instead of one by time.
        let made = Timestamp::from_millis(since.millis().saturating_sub(SLACK_MS).max(0));
        let first = RequestId::new(made, [0; 10]);
        let rows = self.sql.read(move |connection| {
            let columns = (
                usage::key_id,
                usage::admitted,
                usage::state,
                usage::reserved,
                usage::prompt,
                usage::completion,
            );
            usage::table
                .filter(usage::id.ge(IdText::new(first).as_str().to_owned()))
                .filter(usage::admitted.ge(since.millis()))
                .select(columns)
                .order((usage::admitted, usage::id))
                .load::<RecentRow>(connection)
                .map_err(unavailable)
        });
        Ok(rows.await?.into_iter().map(recent).collect())
    }
}

type RecentRow = (i64, i64, String, i64, i64, i64);

fn recent((key, admitted, state, reserved, prompt, completion): RecentRow) -> Recent {
    let tokens = if state == "open" {
        counted(reserved)
    } else {
        counted(prompt).saturating_add(counted(completion))
    };
    Recent {
        key: KeyId(key),
        admitted: Timestamp::from_millis(admitted),
        tokens,
    }
}
