//! A database in a folder of its own, gone with the test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use modelgate_adapters::sql::{Database, DatabaseConfig, OpenError, SqlKeyStore, SqlLedger};
use modelgate_domain::KeyId;
use modelgate_domain::quota::Quota;
use modelgate_domain::time::Zone;
use modelgate_ports::driven::KeyStore as _;
use modelgate_ports::test_util::{ManualClock, sample};
use tempfile::TempDir;

pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data/modelgate.db")
    }

    pub(crate) fn try_open(&self) -> Result<Database, OpenError> {
        Database::open(&DatabaseConfig::new(self.path()))
    }

    pub(crate) fn open(&self) -> Database {
        self.try_open().expect("opened")
    }

    /// How long the database's log is now.
    pub(crate) fn log_length(&self) -> u64 {
        std::fs::metadata(format!("{}-wal", self.path().display())).map_or(0, |log| log.len())
    }

    /// Runs SQL behind the program's back.
    pub(crate) fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).expect("good SQL");
    }

    pub(crate) fn connect(&self) -> SqliteConnection {
        connect(&self.path())
    }
}

pub(crate) fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("connected")
}

/// Why a database was not opened.
pub(crate) fn refusal(outcome: Result<Database, OpenError>) -> OpenError {
    match outcome {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

pub(crate) async fn new_keys<const N: usize>(sql: &Database) -> [KeyId; N] {
    new_keys_with(sql, None).await
}

pub(crate) async fn new_keys_with<const N: usize>(
    sql: &Database,
    quota: Option<Quota>,
) -> [KeyId; N] {
    let store = SqlKeyStore::new(sql.clone());
    let mut keys = [KeyId(0); N];
    for (seed, key) in (0..).zip(&mut keys) {
        let mut new = sample::new_key(&format!("key {seed}"), seed);
        new.key.quota = quota;
        *key = store.insert(&new).await.expect("stored").key.id;
    }
    keys
}

pub(crate) fn ledger(sql: &Database) -> SqlLedger {
    SqlLedger::new(sql.clone(), Zone::UTC, Arc::new(ManualClock::new()))
}

pub(crate) async fn assert_balanced(sql: &Database) {
    assert_eq!(sql.verify_balances().await.expect("read"), []);
}
