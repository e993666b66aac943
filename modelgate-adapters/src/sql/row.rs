//! How values stand in columns, for all tables.

use modelgate_domain::{RequestId, Timestamp};
use modelgate_ports::driven::StoreError;

use super::error::corrupt;

/// A count, as the largest integer a column holds when it is larger: nobody has that many tokens.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count read back. None is ever stored below zero.
pub(super) fn counted(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Reads a value that every version of this program stores in one form.
pub(super) struct Column {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
}

impl Column {
    pub(super) const fn new(table: &'static str, column: &'static str) -> Self {
        Self { table, column }
    }

    pub(super) const fn corrupt(&self) -> StoreError {
        corrupt(self.table, self.column)
    }

    /// `None` is an impossible value.
    pub(super) fn known<T>(&self, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or(self.corrupt())
    }

    /// A number that must fit.
    pub(super) fn number<T: TryFrom<i64>>(
        &self,
        value: Option<i64>,
    ) -> Result<Option<T>, StoreError> {
        value
            .map(T::try_from)
            .transpose()
            .map_err(|_| self.corrupt())
    }

    /// A JSON list of texts.
    pub(super) fn list(&self, text: &str) -> Result<Vec<String>, StoreError> {
        serde_json::from_str(text).map_err(|_| self.corrupt())
    }
}

/// A JSON list of texts.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let values = texts.into_iter().map(serde_json::Value::from).collect();
    serde_json::Value::Array(values).to_string()
}

pub(super) fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

pub(super) fn millis(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::millis)
}

/// A request's id as its rows hold it, without an allocation.
pub(super) struct IdText([u8; 36]);

impl IdText {
    pub(super) fn new(id: RequestId) -> Self {
        Self(id.to_text())
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // it is ASCII
    }
}
