//! What the use cases need from the world: one trait for each role.
//!
//! A new port: the types it speaks in `modelgate-domain`, the trait here with its contract in words, a fake and a
//! contract suite in `test_util`, the adapter, and one line in the composition root.

pub mod backend;
pub mod catalog;
pub mod clock;
pub mod entropy;
pub mod key_store;
pub mod ledger;
pub mod rate_limiter;
pub mod sealer;
pub mod usage_log;

pub use backend::{
    Backend, BackendError, BackendFault, Call, Discovered, Frame, Reach, Reply, ReplyBody,
    ReplyStream, Timer, Upstream,
};
pub use catalog::{Catalog, Models, NewModel, NewTarget};
pub use clock::Clock;
pub use entropy::{Entropy, NoEntropy};
pub use key_store::{FoundKey, KeyRecord, KeyStore, NewKey, StoredSecret, Watcher};
pub use ledger::{
    Admission, Attempt, LedgerError, QuotaLedger, Reservation, ReserveError, RowError, Settlement,
};
pub use rate_limiter::{Admitted, LimitError, RateLimiter};
pub use sealer::{Sealer, Unsealable};
pub use usage_log::{Recent, RowFilter, UsageLog, UsageRow};

use crate::BoxError;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something else has that value already.
    #[error("{field} is taken")]
    Taken {
        /// The field of the object, as the admin API names it.
        field: &'static str,
    },
    /// The store cannot be reached or is busy for too long.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// What is stored does not make sense.
    #[error("the store holds an impossible value in {table}.{column}")]
    Corrupt {
        /// Table of the bad row.
        table: &'static str,
        /// Column of the bad value.
        column: &'static str,
    },
}
