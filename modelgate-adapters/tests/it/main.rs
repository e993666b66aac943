//! The adapters against the contracts of their ports, and what only a real database can show.

mod balances;
mod catalog;
mod contracts;
mod crash;
mod locked;
mod opening;
mod scratch;
mod perf_tmp;
mod usage;
