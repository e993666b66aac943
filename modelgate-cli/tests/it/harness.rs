//! The harness checked against itself: a client that talks to a scripted upstream, and a gate that starts and stops.

mod gates;
mod upstreams;
