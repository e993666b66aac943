//! The settings as plain values, section by section, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hidden::Hidden;
use super::span;

/// Where the server listens, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Address or host name to listen on.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// TLS on the listener.
    pub tls: Tls,
    /// Encodings in which requests may come: `gzip`, `zstd`.
    pub request_encodings: Vec<String>,
    /// Web pages that may call.
    pub cors: Cors,
}

/// Certificate and key, both or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
}

/// Web pages that may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Their origins, or `*`.
    pub origins: Vec<String>,
}

/// How the server stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown {
    /// Still accepting while not ready, as long as connections are open.
    #[serde(with = "span")]
    pub grace: Duration,
    /// Then the longest wait for running requests.
    #[serde(with = "span")]
    pub drain: Duration,
}

/// The embedded database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its file.
    pub path: PathBuf,
}

/// Limits of keys that set none of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests in any 60 seconds.
    pub rpm: Option<u32>,
    /// Of these, requests within one second.
    pub burst: Option<u32>,
}

/// Token quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Tokens of keys that set no quota of their own.
    pub default_tokens: Option<u64>,
    /// How a prompt is bounded before it is counted.
    pub mode: QuotaMode,
    /// Where days, weeks and months begin.
    pub time_zone: String,
    /// Most output tokens of an answer for which the client sets no limit.
    pub max_output: u64,
}

/// How a prompt's tokens are bounded before they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    /// A third of its bytes.
    Estimate,
    /// Its bytes.
    Bytes,
    /// The model's whole context.
    Window,
}

/// Timers of upstream requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Until the connection stands.
    #[serde(with = "span")]
    pub connect: Duration,
    /// Until the first event of a stream.
    #[serde(with = "span")]
    pub first_event: Duration,
    /// Between two reads of a stream.
    #[serde(with = "span")]
    pub idle: Duration,
    /// The whole of a stream.
    #[serde(with = "span")]
    pub stream: Duration,
}

/// Streams to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// A comment line after such a silence; zero for none.
    #[serde(with = "span")]
    pub keep_alive: Duration,
    /// Whether status 200 goes out before the first event.
    pub early_headers: bool,
    /// Kinds of backends whose streams are repaired.
    pub normalize: Vec<String>,
    /// What the field with a model's thoughts is called.
    pub reasoning_field: String,
    /// Whether parameters that a backend cannot take are refused instead of left out.
    pub strict_params: bool,
}

/// Connections to backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstreams {
    /// Whether private addresses are refused.
    pub deny_private: bool,
    /// PEM file with more certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Proxy for https; `off`, or absent for what the environment says.
    pub proxy: Option<String>,
    /// Which images may be passed on: `allow`, `hosts` or `data_only`.
    pub image_policy: String,
    /// With `hosts`: from these.
    pub image_hosts: Vec<String>,
}

/// Bounds on clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Requests at the same time.
    pub in_flight: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Until the head has come.
    #[serde(with = "span")]
    pub head_timeout: Duration,
    /// Between two requests of a connection.
    #[serde(with = "span")]
    pub idle_timeout: Duration,
    /// Between two reads of a body.
    #[serde(with = "span")]
    pub body_timeout: Duration,
    /// Until a client takes what was written.
    #[serde(with = "span")]
    pub write_timeout: Duration,
}

/// Administration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// The admin key; without one it is generated at the first start.
    pub api_key: Option<Hidden>,
}

/// The configured servers, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapters {
    /// Ollama.
    pub ollama: Adapter,
    /// vLLM.
    pub vllm: Adapter,
    /// llama.cpp.
    pub llamacpp: Adapter,
    /// OpenAI.
    pub openai: Adapter,
    /// Any other OpenAI-compatible service.
    pub api3: Adapter,
}

/// One configured server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// Its address; absent means that there is none.
    pub base_url: Option<String>,
    /// Its credential.
    pub api_key: Option<Hidden>,
}

/// Finding models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// Whether the servers are asked at start while there is no model.
    pub on_start: bool,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// A level, or directives.
    pub level: String,
    /// `json`, `text`, or `auto` for text on a terminal.
    pub format: String,
}

/// What seals credentials at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// File with the sealing key; made when it is missing.
    pub key_file: PathBuf,
    /// The sealing key itself, instead of the file.
    pub key: Option<Hidden>,
}
