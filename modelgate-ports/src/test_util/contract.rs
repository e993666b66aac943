//! What every implementation of a port must do, as functions that panic when it does not.
//!
//! Each is run against the fake here and against every adapter in `modelgate-adapters`.

mod catalog;
mod key_store;
mod ledger;
mod limiter;
mod usage_log;

pub use catalog::catalog_contract;
pub use key_store::key_store_contract;
pub use ledger::{LEDGER_KEYS, ledger_contract};
pub use limiter::limiter_contract;
pub use usage_log::usage_log_contract;
