//! ModelGate's HTTP face: a server, the routes, the wire types, and errors as responses.
//!
//! [`serve`] runs a listener until it is told to stop; [`handle`] answers one request without a socket.

mod access_log;
mod answer;
mod body;
mod config;
mod cors;
mod credential;
mod form;
mod handler;
mod link;
mod patience;
mod percent;
mod problem;
mod query;
mod rate;
mod router;
mod server;
mod service;
mod visit;

pub use answer::handle;
pub use body::{Body, CutShort, Inbound};
pub use config::{RequestEncodings, ServerConfig};
pub use server::{Tls, TlsError, serve};
pub use service::Service;
