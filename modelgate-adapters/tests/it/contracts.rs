//! The contract suites of the ports, on SQLite.

use std::sync::Arc;

use modelgate_adapters::sealer::{AeadSealer, SecretKey};
use modelgate_adapters::sql::{SqlCatalog, SqlKeyStore, SqlUsageLog};
use modelgate_adapters::system::OsEntropy;
use modelgate_domain::quota::Quota;
use modelgate_domain::time::Period;
use modelgate_ports::test_util::contract;

use crate::scratch::{Scratch, assert_balanced, ledger, new_keys, new_keys_with};

#[tokio::test]
async fn keys_in_sqlite_keep_the_contract() {
    let scratch = Scratch::new();
    contract::key_store_contract(&SqlKeyStore::new(scratch.open())).await;
}

#[tokio::test]
async fn models_in_sqlite_keep_the_contract() {
    let scratch = Scratch::new();
    let key = SecretKey::parse(&"a1".repeat(32)).expect("a key");
    let sealer = Arc::new(AeadSealer::new(&key, Arc::new(OsEntropy)).expect("a sealer"));
    let catalog = SqlCatalog::load(scratch.open(), sealer)
        .await
        .expect("read");
    contract::catalog_contract(&catalog).await;
}

#[tokio::test]
async fn the_ledger_in_sqlite_keeps_the_contract() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let daily = Some(Quota {
        limit: 100,
        period: Period::Day,
    });
    contract::ledger_contract(&ledger(&sql), new_keys_with(&sql, daily).await).await;
    assert_balanced(&sql).await;
}

#[tokio::test]
async fn rows_in_sqlite_keep_the_contract() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let keys = new_keys(&sql).await;
    contract::usage_log_contract(&ledger(&sql), &SqlUsageLog::new(sql.clone()), keys).await;
    assert_balanced(&sql).await;
}
