//! The server's settings, as plain values.

use std::time::Duration;

use modelgate_domain::AllowList;

/// What the server may be told. The default is the default of the settings.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: AllowList,
    /// Origins that browsers may call from; empty turns CORS off, `*` allows all.
    pub cors_origins: Vec<String>,
    /// Compressed request bodies that are taken.
    pub request_encodings: RequestEncodings,
    /// Longest request body, in bytes.
    pub max_body: usize,
    /// Longest head of a request, in bytes.
    pub max_head: usize,
    /// Most header lines of a request.
    pub max_headers: usize,
    /// Longest request target, in bytes.
    pub max_uri: usize,
    /// Most connections at the same time; more wait in the system's queue.
    pub connections: usize,
    /// Most model calls at the same time; more are refused.
    pub in_flight: usize,
    /// How long a head may take from the connection or its first byte.
    pub head_timeout: Duration,
    /// How long a connection may rest between requests.
    pub idle_timeout: Duration,
    /// Longest pause in a request body.
    pub body_timeout: Duration,
    /// How long a client may refuse to take what is written.
    pub write_timeout: Duration,
    /// Silence in a stream after which a comment is sent; zero turns comments off.
    pub keep_alive: Duration,
    /// Begin streams before the first event is known, so that comments can flow while a model loads.
    pub early_headers: bool,
    /// At the stop: how long everything goes on while load balancers notice that the gateway is not ready.
    pub grace: Duration,
    /// At the stop: how long running requests may then take.
    pub drain: Duration,
    /// What `/health` tells.
    pub version: &'static str,
}

/// Compressed request bodies that are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestEncodings {
    /// `Content-Encoding: gzip`
    pub gzip: bool,
    /// `Content-Encoding: zstd`
    pub zstd: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: AllowList::default(),
            cors_origins: Vec::new(),
            request_encodings: RequestEncodings::default(),
            max_body: 5 * 1024 * 1024,
            max_head: 64 * 1024,
            max_headers: 100,
            max_uri: 8 * 1024,
            connections: 10_000,
            in_flight: 5_000,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            early_headers: false,
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(25),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
