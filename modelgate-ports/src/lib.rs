//! ModelGate's ports: the traits its adapters implement ([`driven`]) and the calls its drivers make ([`driving`]).
//!
//! The currency between them is the OpenAI body as received pieces of bytes plus a small parsed head. Nothing here
//! knows a wire protocol, a database or a runtime.
#![warn(missing_docs)]

pub mod driven;
pub mod driving;
#[cfg(any(test, feature = "test-util"))]
pub mod test_util;

/// A cause from below, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
