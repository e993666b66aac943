//! What a crash left open is closed at start: charged with what is known, and flagged.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::usage::RowState;
use modelgate_domain::{Source, Timestamp, quota};

use super::{Counts, balance, store_balance};
use crate::sql::error::WriteError;
use crate::sql::row::counted;
use crate::sql::schema::{api_keys, usage};

#[derive(Queryable)]
struct OpenRow {
    id: String,
    key_id: i64,
    prompt_bound: i64,
    completion: i64,
    reserved: i64,
    admitted: i64,
}

/// Closes every open row, all or none. Each is charged the bound of its prompt and the output that was saved while it ran.
pub(in crate::sql) fn recover(connection: &mut SqliteConnection) -> Result<(), WriteError> {
    connection.immediate_transaction(|connection| {
        let columns = (
            usage::id,
            usage::key_id,
            usage::prompt_bound,
            usage::completion,
            usage::reserved,
            usage::admitted,
        );
        // A literal, so that the partial index serves: a table of millions is not read at start.
        let open = usage::table
            .filter(sql::<Bool>("state = 'open'"))
            .select(columns)
            .load::<OpenRow>(connection)?;
        for row in &open {
            close(connection, row)?;
        }
        // No row is open now, so nothing is promised.
        let promised = api_keys::table.filter(api_keys::reserved.ne(0));
        diesel::update(promised)
            .set(api_keys::reserved.eq(0))
            .execute(connection)?;
        if !open.is_empty() {
            tracing::warn!(
                count = open.len(),
                "requests that ran when the program ended were closed as recovered"
            );
        }
        Ok(())
    })
}

fn close(connection: &mut SqliteConnection, row: &OpenRow) -> QueryResult<()> {
    let changes = (
        usage::state.eq(RowState::Recovered.as_str()),
        usage::source.eq(Source::Recovered.as_str()),
        usage::prompt.eq(row.prompt_bound),
    );
    diesel::update(usage::table.find(&row.id))
        .set(changes)
        .execute(connection)?;
    let columns = (api_keys::used, api_keys::reserved, api_keys::quota_since);
    let held: Counts = api_keys::table
        .find(row.key_id)
        .select(columns)
        .first(connection)?;
    let spent = counted(row.prompt_bound).saturating_add(counted(row.completion));
    let after = quota::settle(
        balance(held),
        Timestamp::from_millis(row.admitted),
        counted(row.reserved),
        spent,
    );
    store_balance(connection, row.key_id, after)
}
