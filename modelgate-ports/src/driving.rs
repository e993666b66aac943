//! What drivers call: [`Gateway`] for the people who use models, [`Console`] for those who run the place.

pub mod console;
pub mod gateway;
mod hold;

use std::collections::BTreeMap;
use std::sync::Arc;

use modelgate_domain::head::{BoundMode, Caps};
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Zone;
use modelgate_domain::{BackendKind, KeyDigest};

pub use console::{Console, ConsoleError};
pub use gateway::{AuthError, Caller, Gateway};

use crate::driven::{
    Backend, Catalog, Clock, Entropy, KeyStore, QuotaLedger, RateLimiter, Upstream, UsageLog,
};

/// The whole program behind its drivers.
#[derive(Clone)]
pub struct App {
    /// Calls models.
    pub gateway: Arc<Gateway>,
    /// Runs the place.
    pub console: Arc<Console>,
}

impl App {
    /// Wires both faces over the same adapters.
    pub fn new(ports: Ports, policy: Policy) -> Self {
        let gateway = Arc::new(Gateway::new(ports.clone(), &policy));
        let console = Arc::new(Console::new(ports, policy));
        Self { gateway, console }
    }
}

/// Everything the use cases need from the world.
#[derive(Clone)]
pub struct Ports {
    /// API keys.
    pub keys: Arc<dyn KeyStore>,
    /// Models and targets.
    pub catalog: Arc<dyn Catalog>,
    /// Promises, spending, rows.
    pub ledger: Arc<dyn QuotaLedger>,
    /// Rows, for reading.
    pub usage: Arc<dyn UsageLog>,
    /// Requests per minute and the like.
    pub limiter: Arc<dyn RateLimiter>,
    /// Servers by kind.
    pub backends: Backends,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The backend for each kind of server.
#[derive(Clone, Default)]
pub struct Backends(BTreeMap<BackendKind, Arc<dyn Backend>>);

impl Backends {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `backend` for servers of that kind.
    #[must_use]
    pub fn with(mut self, kind: BackendKind, backend: Arc<dyn Backend>) -> Self {
        self.0.insert(kind, backend);
        self
    }

    /// The backend for servers of that kind.
    pub fn get(&self, kind: BackendKind) -> Option<&Arc<dyn Backend>> {
        self.0.get(&kind)
    }
}

/// A configured server that sync looks at.
#[derive(Debug, Clone)]
pub struct Server {
    /// The server.
    pub upstream: Upstream,
    /// Its address is the default one, so that nothing listening there is no fault.
    pub is_default: bool,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Limits of new keys that set none of their own.
    pub default_limits: Limits,
    /// Tokens of new keys that set no quota of their own; `None` means no limit.
    pub default_quota: Option<u64>,
    /// How a prompt's tokens are bounded before they are known.
    pub bound: Bound,
    /// Most output tokens of a whole answer for which the client set no limit.
    pub max_output: u64,
    /// Where days begin.
    pub zone: Zone,
    /// Most choices and inputs in one request.
    pub caps: Caps,
    /// The configured admin key, which may be any text.
    pub root: Option<KeyDigest>,
    /// Servers that sync looks at.
    pub servers: Vec<Server>,
}

impl Default for Policy {
    /// The defaults of the settings.
    fn default() -> Self {
        Self {
            default_limits: Limits {
                rpm: Some(60),
                ..Limits::default()
            },
            default_quota: Some(1_000_000),
            bound: Bound::Estimate,
            max_output: 8192,
            zone: Zone::UTC,
            caps: Caps::default(),
            root: None,
            servers: Vec::new(),
        }
    }
}

/// How a prompt's tokens are bounded before they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bound {
    /// A third of its bytes: near the truth, and may be passed a little by unusual text.
    #[default]
    Estimate,
    /// Its bytes: never passed by byte-level tokenizers.
    Bytes,
    /// The model's whole context, where it is known.
    Window,
}

impl Bound {
    /// The rule for a model with that context.
    pub fn for_context(self, context: Option<u64>) -> BoundMode {
        match (self, context) {
            (Self::Estimate, _) => BoundMode::Estimate,
            (Self::Window, Some(context)) => BoundMode::Window(context),
            (Self::Bytes, _) | (Self::Window, None) => BoundMode::Bytes,
        }
    }
}
