//! ModelGate's rules, as pure functions over values: no I/O, no clock, no randomness, no async.
//!
//! Read in this order: names ([`id`], [`time`]), who calls ([`key`], [`address`]), what they ask ([`head`], [`json`]),
//! where it goes ([`model`], [`route`]), and what it may cost ([`usage`], [`quota`], [`rate`]).
#![warn(missing_docs)]

pub mod address;
pub mod head;
pub mod id;
pub mod json;
pub mod key;
pub mod model;
pub mod quota;
pub mod rate;
pub mod route;
pub mod time;
pub mod usage;

pub use address::AllowList;
pub use head::{Endpoint, Head};
pub use id::{KeyId, KeyName, ModelId, ModelName, NameError, RequestId, TargetId};
pub use key::{ApiKey, KeyDigest, KeyStatus, PlainKey, Role};
pub use model::{BackendKind, BaseUrl, Model, Secret, Target};
pub use time::Timestamp;
pub use usage::{Source, Spent, TokenUsage};
