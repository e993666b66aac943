//! The backends against servers that misbehave, over real connections.
#![expect(
    clippy::unwrap_used,
    reason = "in a test, what should not fail may panic"
)]

mod ask;
mod body;
mod connection;
mod discover;
mod request;
mod stream;
mod timer;
mod tls;
mod upstream;
