//! Running the place: keys, models, what was used.

mod admin;
pub mod keys;
pub mod models;
pub mod sync;
#[cfg(test)]
mod tests;

pub use keys::{IssuedKey, KeyPatch};
pub use models::{ModelPatch, OptionsPatch, TargetPatch};
pub use sync::{ServerReport, SyncAsk, SyncReport};

use super::{Policy, Ports};
use crate::driven::{NoEntropy, RowFilter, StoreError, UsageRow};

/// The calls of people who run the place. Drivers check the caller's role before they call.
pub struct Console {
    ports: Ports,
    policy: Policy,
}

/// Why a change was not made. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// A field holds what it must not; the text says what it may hold.
    #[error("{param}: {message}")]
    Invalid {
        /// The field, as the admin API names it.
        param: String,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// Something else has that value already.
    #[error("{param} is taken")]
    Taken {
        /// The field, as the admin API names it.
        param: String,
    },
    /// There is no such key or model.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It would leave nobody who may administer.
    #[error("this is the last active admin key")]
    LastAdmin,
    /// The store cannot be used now.
    #[error("the store is unavailable")]
    Store(#[source] StoreError),
    /// No new secret can be made.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl From<StoreError> for ConsoleError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { field } => Self::Taken {
                param: field.to_owned(),
            },
            other => Self::Store(other),
        }
    }
}

impl ConsoleError {
    /// A field holds what it must not.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            param: param.into(),
            message: message.into(),
        }
    }
}

impl Console {
    pub(super) fn new(ports: Ports, policy: Policy) -> Self {
        Self { ports, policy }
    }

    /// The newest requests that pass the filter.
    ///
    /// # Errors
    /// [`ConsoleError::Store`] when rows cannot be read.
    pub async fn requests(&self, filter: &RowFilter) -> Result<Vec<UsageRow>, ConsoleError> {
        Ok(self.ports.usage.rows(filter).await?)
    }

    /// Whether the store can be read and written: what readiness means.
    pub async fn is_ready(&self) -> bool {
        self.ports.ledger.is_healthy().await
    }
}
