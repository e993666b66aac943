//! Settings: defaults, then the file, then `MG_` variables, then flags. Anything unknown or out of range stops the start.

mod check;
mod defaults;
mod environment;
mod hidden;
mod keys;
mod layer;
mod loader;
mod nearest;
mod rule;
mod sections;
mod span;
mod twice;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use environment::Environment;
pub use hidden::Hidden;
pub use loader::{ConfigFile, Flag, Loaded, Shown};
pub use sections::{
    Adapter, Adapters, Admin, Cors, Database, Limits, Log, Quota, QuotaMode, RateLimit, Secrets,
    Server, Shutdown, Streams, Sync, Timeouts, Tls, Upstreams,
};

/// Everything an operator decides. `config/modelgate.yaml` explains each setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the server listens, and whom it believes.
    pub server: Server,
    /// How the server stops.
    pub shutdown: Shutdown,
    /// The embedded database.
    pub database: Database,
    /// Limits of keys that set none of their own.
    pub rate_limit: RateLimit,
    /// Token quotas.
    pub quota: Quota,
    /// Until a JSON answer of a backend is whole.
    #[serde(with = "span")]
    pub timeout: Duration,
    /// Other timers of upstream requests.
    pub timeouts: Timeouts,
    /// Streams to clients.
    pub streams: Streams,
    /// Connections to backends.
    pub upstreams: Upstreams,
    /// Bounds on clients.
    pub limits: Limits,
    /// Bytes of a request's body.
    pub max_body_size: usize,
    /// Administration.
    pub admin: Admin,
    /// The configured servers, by kind.
    pub adapters: Adapters,
    /// Finding models.
    pub sync: Sync,
    /// The log.
    pub log: Log,
    /// What seals credentials at rest.
    pub secrets: Secrets,
}

/// Settings that cannot be used: one line that names the setting, where its value comes from, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl Settings {
    /// Reads the file, if there is one, and the variables of `environment`.
    ///
    /// # Errors
    /// [`SettingsError`] at the first value that cannot be used.
    pub fn load(file: &ConfigFile, environment: &Environment) -> Result<Self, SettingsError> {
        Loaded::from(file, environment, &[]).map(|loaded| loaded.settings)
    }

    /// Checks settings that a program made itself.
    ///
    /// # Errors
    /// [`SettingsError`] at the first value that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        layer::check(self)?;
        check::check(self)
    }
}
