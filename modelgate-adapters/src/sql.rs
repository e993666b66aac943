//! The database: SQLite in one file, one thread that writes, a few connections that read.
//!
//! Everything that changes goes through the writer's queue (`write`), so a request's row and its key's balance can never
//! be seen apart. Reading (`read`) happens on connections that cannot write, away from the runtime's threads.

mod catalog;
mod connection;
mod error;
mod files;
mod fixed;
mod key_store;
mod ledger;
mod migrate;
mod open;
mod read;
mod row;
mod schema;
mod usage_log;
mod verify;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::sqlite::SqliteConnection;
use modelgate_ports::driven::StoreError;

pub use catalog::SqlCatalog;
pub use key_store::SqlKeyStore;
pub use ledger::SqlLedger;
pub use open::OpenError;
pub use usage_log::SqlUsageLog;
pub use verify::Imbalance;

use connection::Address;
use error::WriteError;
use read::Readers;
use write::{Closed, Job, Writer};

/// What a database is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// Its file. Folder and file are made when they are not there.
    pub path: PathBuf,
    /// What a power loss may cost.
    pub fsync: Fsync,
}

impl DatabaseConfig {
    /// That file, and a second's worth of settlements at most lost with the power.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            fsync: Fsync::default(),
        }
    }
}

/// When commits reach the disk itself. The loss of the process alone, by whatever signal, never costs a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Once a second.
    #[default]
    EverySecond,
    /// With each commit.
    Always,
    /// When the operating system likes.
    Off,
}

/// An open database. Clones are the same database.
#[derive(Clone)]
pub struct Database {
    readers: Arc<Readers>,
    writer: Option<Arc<Writer>>,
    path: Arc<Path>,
}

impl Database {
    /// Opens the database for this process alone: makes it when there is none, brings its tables up to date, and closes
    /// the rows that a crash left open. Blocks; for the start of a program.
    ///
    /// # Errors
    /// [`OpenError`], each with one line that says what to do; nothing that exists is ever replaced.
    pub fn open(config: &DatabaseConfig) -> Result<Self, OpenError> {
        let opened = open::exclusive(config)?;
        let writer = Writer::start(opened, config.fsync)?;
        Ok(Self::new(&config.path, Some(Arc::new(writer))))
    }

    /// Opens the database for reading, beside a server that has it open. Every write fails.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it is not of this program's version.
    pub fn read_only(path: &Path) -> Result<Self, OpenError> {
        open::shared(path)?;
        Ok(Self::new(path, None))
    }

    fn new(path: &Path, writer: Option<Arc<Writer>>) -> Self {
        Self {
            readers: Arc::new(Readers::new(Address::reading(path))),
            writer,
            path: path.into(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores what is queued, empties the log into the file and ends the writer. Writing fails from then on.
    pub async fn close(&self) {
        let Some(writer) = self.writer.clone() else {
            return;
        };
        let readers = Arc::clone(&self.readers);
        let closing = tokio::task::spawn_blocking(move || {
            readers.close();
            writer.stop();
        });
        if closing.await.is_err() {
            tracing::error!("the database's writer ended with a panic");
        }
    }

    /// Waits until everything queued is stored.
    pub async fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.flush().await;
        }
    }

    /// Whether it can be read and written now: for readiness. After a failure it tries, so that a server which gets no
    /// requests because it is not ready becomes ready again.
    pub async fn is_healthy(&self) -> bool {
        let readable = self
            .read(|connection| connection::ping(connection).map_err(error::unavailable))
            .await
            .is_ok();
        let Some(writer) = &self.writer else {
            return readable;
        };
        readable
            && (writer.is_well()
                || self
                    .write(|connection| Ok(connection::touch(connection)?))
                    .await
                    .is_ok())
    }

    /// Runs `op` on a connection that cannot write.
    async fn read<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(op).await
    }

    /// Runs `op` on the writer's thread, all or nothing, and returns once it is committed.
    async fn write<T: Send + 'static>(
        &self,
        op: impl Fn(&mut SqliteConnection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_then(op, |_| ()).await
    }

    /// The same, and then `after` on the writer's thread, whether or not the caller still waits: what it does happens in
    /// the order of the commits.
    async fn write_then<T: Send + 'static>(
        &self,
        op: impl Fn(&mut SqliteConnection) -> Result<T, WriteError> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.writer {
            Some(writer) => writer.write_then(op, after).await,
            None => Err(StoreError::Unavailable(Box::new(Closed))),
        }
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Closed> {
        self.writer.as_ref().ok_or(Closed)?.submit(job)
    }
}
