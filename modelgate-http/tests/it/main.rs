//! The HTTP face over fakes: whole requests without a socket, and the server over real ones.

mod access_log;
mod admin;
mod admin_models;
mod admin_roles;
mod bodies;
mod cors;
mod fixture;
mod framing;
mod hang_up;
mod http2;
mod inference;
mod limits;
mod models;
mod panel;
mod shutdown;
mod stalls;
mod streams;
mod tls;
