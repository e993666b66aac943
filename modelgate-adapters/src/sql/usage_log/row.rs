//! A request as its row holds it.

use diesel::prelude::*;
use modelgate_domain::{KeyId, Timestamp, TokenUsage};
use modelgate_ports::driven::{StoreError, UsageRow};

use crate::sql::row::{Column, counted};
use crate::sql::schema::{api_keys, usage};

#[derive(Queryable, Selectable)]
#[diesel(table_name = usage)]
pub(super) struct LogRow {
    id: String,
    key_id: i64,
    #[diesel(select_expression = api_keys::name.nullable())]
    #[diesel(select_expression_type = diesel::dsl::Nullable<api_keys::name>)]
    key_name: Option<String>,
    model_name: String,
    target_name: Option<String>,
    backend: Option<String>,
    status: Option<i32>,
    error_code: Option<String>,
    error_message: Option<String>,
    stream: i32,
    attempts: i32,
    attempt_detail: Option<String>,
    state: String,
    source: Option<String>,
    client: String,
    prompt: i64,
    cached: i64,
    completion: i64,
    reasoning: i64,
    admitted: i64,
    first_token: Option<i64>,
    ended: Option<i64>,
}

const fn column(name: &'static str) -> Column {
    Column::new("usage", name)
}

impl LogRow {
    fn usage(&self) -> TokenUsage {
        TokenUsage {
            prompt: counted(self.prompt),
            cached: counted(self.cached),
            completion: counted(self.completion),
            reasoning: counted(self.reasoning),
        }
    }

    /// Milliseconds since admission.
    fn since(&self, time: Option<i64>) -> Option<u64> {
        time.map(|time| counted(time.saturating_sub(self.admitted)))
    }

    fn attempt_detail(&self) -> Result<Vec<String>, StoreError> {
        match (&self.attempt_detail, &self.backend, &self.target_name) {
            (Some(lines), ..) => column("attempt_detail").list(lines),
            (None, Some(backend), Some(target)) if self.attempts == 1 => {
                Ok(vec![format!("{backend} {target}: answered")])
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl TryFrom<LogRow> for UsageRow {
    type Error = StoreError;

    fn try_from(row: LogRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: column("id").known(row.id.parse().ok())?,
            at: Timestamp::from_millis(row.admitted),
            key: KeyId(row.key_id),
            status: column("status").number(row.status.map(i64::from))?,
            stream: row.stream != 0,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            attempt_detail: row.attempt_detail()?,
            client: Some(column("client").known(row.client.parse().ok())?),
            usage: row.usage(),
            first_token_ms: row.since(row.first_token),
            duration_ms: row.since(row.ended),
            key_name: row.key_name.unwrap_or_default(),
            model: row.model_name,
            target: row.target_name,
            backend: row.backend,
            error_code: row.error_code,
            error_message: row.error_message,
            state: row.state,
            source: row.source,
        })
    }
}
