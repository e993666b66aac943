//! From the database's errors to the ports'.

use diesel::result::{DatabaseErrorKind, Error};
use modelgate_ports::driven::StoreError;

/// Shorthand for a value that no version of this program stores.
pub(super) const fn corrupt(table: &'static str, column: &'static str) -> StoreError {
    StoreError::Corrupt { table, column }
}

/// Everything that a caller can do nothing about.
pub(super) fn unavailable(cause: impl Into<modelgate_ports::BoxError>) -> StoreError {
    StoreError::Unavailable(cause.into())
}

/// Why a piece of writing stored nothing.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The rules say no; others in the same transaction are not concerned.
    Refused(StoreError),
    /// The database failed, for whoever shares the transaction.
    Failed(Error),
}

impl From<StoreError> for WriteError {
    fn from(refused: StoreError) -> Self {
        Self::Refused(refused)
    }
}

impl From<Error> for WriteError {
    fn from(failed: Error) -> Self {
        Self::Failed(failed)
    }
}

impl WriteError {
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Refused(refused) => refused,
            Self::Failed(failed) => unavailable(failed),
        }
    }
}

/// Reads a violated uniqueness as `Taken`.
pub(super) fn taken<T>(outcome: Result<T, Error>, field: &'static str) -> Result<T, WriteError> {
    match outcome {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            Err(StoreError::Taken { field }.into())
        }
        other => Ok(other?),
    }
}
