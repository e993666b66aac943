//! The composition root: the only place that names adapters, and the one that turns settings into each part's own.

mod backends;
mod policy;
mod server;

use std::sync::Arc;
use std::time::Duration;

use modelgate_adapters::limiter::LocalLimiter;
use modelgate_adapters::sealer::{AeadSealer, SecretKey, SecretKeyError};
use modelgate_adapters::sql::{
    Database, DatabaseConfig, SqlCatalog, SqlKeyStore, SqlLedger, SqlUsageLog,
};
use modelgate_adapters::system::{OsEntropy, SystemClock};
use modelgate_ports::BoxError;
use modelgate_ports::driven::{Clock, Entropy, StoreError, UsageLog};
use modelgate_ports::driving::console::IssuedKey;
use modelgate_ports::driving::{App, ConsoleError, Ports};

pub(crate) use server::server_config;

use crate::settings::{Settings, SettingsError};

/// The whole program without a server, wired as the settings say.
pub struct Assembled {
    /// What drivers call.
    pub app: App,
    /// The admin key that was made because nobody could administer. It is known here and nowhere else.
    pub admin_key: Option<IssuedKey>,
    database: Database,
}

/// Why the parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database, or the folder it is in, cannot be used.
    #[error("cannot use the data of this gateway")]
    Data(#[source] BoxError),
}

/// Opens the database and wires every adapter.
///
/// # Errors
/// [`AssembleError`] when a setting or the database cannot be used.
pub async fn assemble(settings: &Settings) -> Result<Assembled, AssembleError> {
    settings.check()?;
    let policy = policy::policy(settings)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let backends = backends::backends(settings, &clock, &entropy)?;
    let database = Database::open(&DatabaseConfig::new(&settings.database.path)).map_err(data)?;
    let sealer =
        AeadSealer::new(&sealing_key(settings, &*entropy)?, Arc::clone(&entropy)).map_err(data)?;
    let catalog = SqlCatalog::load(database.clone(), Arc::new(sealer))
        .await
        .map_err(data)?;
    let usage = Arc::new(SqlUsageLog::new(database.clone()));
    let ports = Ports {
        keys: Arc::new(SqlKeyStore::new(database.clone())),
        catalog: Arc::new(catalog),
        ledger: Arc::new(SqlLedger::new(
            database.clone(),
            policy.zone.clone(),
            Arc::clone(&clock),
        )),
        limiter: Arc::new(limiter(&usage, &clock).await.map_err(data)?),
        usage,
        backends,
        clock,
        entropy,
    };
    let app = App::new(ports, policy);
    let admin_key = ensure_admin(&app, settings).await?;
    Ok(Assembled {
        app,
        admin_key,
        database,
    })
}

impl Assembled {
    /// Waits until all spending is stored, and closes the database.
    pub async fn close(self) {
        // What cannot be stored now is stored, or closed as recovered, by the next start.
        let flushing = self.app.gateway.flush();
        if tokio::time::timeout(PARTING, flushing).await.is_err() {
            tracing::error!("not all spending could be stored before the end");
        }
        self.database.close().await;
    }
}

/// A restart resets nobody's minute.
async fn limiter(usage: &SqlUsageLog, clock: &Arc<dyn Clock>) -> Result<LocalLimiter, StoreError> {
    let minute_ago = modelgate_domain::Timestamp::from_millis(clock.now().millis() - MINUTE_MS);
    let limiter = LocalLimiter::new(Arc::clone(clock));
    limiter.restore(&usage.recent(minute_ago).await?);
    Ok(limiter)
}

/// Longest wait at the end for a database that cannot be written.
const PARTING: Duration = Duration::from_secs(1);

const MINUTE_MS: i64 = 60_000;

async fn ensure_admin(app: &App, settings: &Settings) -> Result<Option<IssuedKey>, AssembleError> {
    let configured = policy::root_key(settings)?;
    app.console
        .ensure_admin(configured.as_ref())
        .await
        .map_err(|error| match error {
            ConsoleError::Invalid { .. } => SettingsError::new(error.to_string()).into(),
            other => data(other),
        })
}

fn sealing_key(settings: &Settings, entropy: &dyn Entropy) -> Result<SecretKey, AssembleError> {
    let key = match &settings.secrets.key {
        Some(text) => SecretKey::parse(text.reveal()),
        None => SecretKey::load_or_create(&settings.secrets.key_file, entropy),
    };
    key.map_err(|error| match error {
        SecretKeyError::Malformed => {
            SettingsError::new(format!("secrets.key cannot be used: {error}")).into()
        }
        SecretKeyError::MalformedFile(_) => {
            SettingsError::new(format!("secrets.key_file cannot be used: {error}")).into()
        }
        other => data(other),
    })
}

fn data(error: impl Into<BoxError>) -> AssembleError {
    AssembleError::Data(error.into())
}
