//! Pools of connections: one for each credential, so that no connection ever carries two.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use modelgate_domain::Secret;

use super::connect::Connector;
use super::pieces::Pieces;

/// Most servers close an idle connection after five seconds: we are first.
const IDLE: Duration = Duration::from_secs(4);
/// More credentials than this are not in use at the same time; then the pools begin anew.
const MOST_POOLS: usize = 1024;
/// What a server may send of one h2 stream before it is read.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Most that is read from a connection ahead of those who want it, and most that a head may have.
const READ_AHEAD: usize = 64 * 1024;
const PING: Duration = Duration::from_secs(20);

pub(super) type HttpClient = Client<Connector, Pieces>;

/// Connections that carry one credential, or none, to any number of servers.
pub(super) struct Pool {
    pub(super) client: HttpClient,
    pub(super) authorization: Option<HeaderValue>,
}

pub(super) struct Pools {
    connector: Connector,
    anonymous: Arc<Pool>,
    by_credential: RwLock<HashMap<Box<str>, Arc<Pool>>>,
    /// Connects anew for each request.
    pub(super) fresh: HttpClient,
}

impl Pools {
    pub(super) fn new(connector: &Connector) -> Self {
        let fresh = builder().pool_max_idle_per_host(0).build(connector.clone());
        let anonymous = Pool {
            client: builder().build(connector.clone()),
            authorization: None,
        };
        Self {
            connector: connector.clone(),
            anonymous: Arc::new(anonymous),
            by_credential: RwLock::default(),
            fresh,
        }
    }

    pub(super) fn of(&self, credential: Option<&Secret>) -> Arc<Pool> {
        let Some(credential) = credential else {
            return Arc::clone(&self.anonymous);
        };
        self.known(credential)
            .unwrap_or_else(|| self.open(credential))
    }

    fn known(&self, credential: &Secret) -> Option<Arc<Pool>> {
        let pools = self.by_credential.read();
        let pools = pools.unwrap_or_else(PoisonError::into_inner);
        pools.get(credential.reveal()).map(Arc::clone)
    }

    fn open(&self, credential: &Secret) -> Arc<Pool> {
        let mut pools = self
            .by_credential
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= MOST_POOLS {
            pools.clear();
        }
        let pool = pools.entry(credential.reveal().into()).or_insert_with(|| {
            let client = builder().build(self.connector.clone());
            Arc::new(Pool {
                client,
                authorization: bearer(credential),
            })
        });
        Arc::clone(pool)
    }
}

/// A [`Secret`] is visible ASCII, which every header takes.
fn bearer(credential: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(READ_AHEAD)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING);
    builder
}
