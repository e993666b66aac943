//! Doubles of the driven ports, and the contracts that doubles and adapters alike must keep.
//!
//! A fake is a small true implementation over a map and the domain's own rules; where a fake cannot say what a test
//! wants (never called, fails now), the mocks that stand beside each trait can.

mod backend;
mod catalog;
mod clock;
pub mod contract;
mod entropy;
mod key_store;
mod ledger;
mod limiter;
pub mod sample;
mod usage_log;

pub use backend::{RecordedCall, ScriptedBackend, StreamStep};
pub use catalog::FakeCatalog;
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use key_store::FakeKeyStore;
pub use ledger::FakeLedger;
pub use limiter::FakeLimiter;
pub use usage_log::FakeUsageLog;
