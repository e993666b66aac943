//! The backends against servers that misbehave, over real connections.

mod ask;
mod body;
mod connection;
mod discover;
mod request;
mod stream;
mod timer;
mod tls;
mod upstream;
