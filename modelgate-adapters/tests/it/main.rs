//! The adapters against the contracts of their ports, and what only a real database can show.

mod balances;
mod catalog;
mod contracts;
mod crash;
mod keeping;
mod locked;
mod opening;
mod scratch;
mod usage;
