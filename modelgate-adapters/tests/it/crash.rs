//! What a crash leaves behind, and what the next start makes of it.

use std::fs;
use std::path::PathBuf;

use modelgate_adapters::sql::{Database, DatabaseConfig, SqlKeyStore, SqlUsageLog};
use modelgate_domain::KeyId;
use modelgate_ports::driven::{KeyStore as _, QuotaLedger as _, RowFilter, UsageLog as _};
use modelgate_ports::test_util::sample::{NOON, admission, quota, request_id, settlement};
use tempfile::TempDir;

use crate::scratch::{Scratch, assert_balanced, connect, ledger, new_keys};

/// What is on the disk now, as a crash at this instant would leave it: the file and its log.
fn crashed(scratch: &Scratch) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for suffix in ["", "-wal"] {
        let (from, to) = (
            format!("{}{suffix}", scratch.path().display()),
            folder.path().join(format!("modelgate.db{suffix}")),
        );
        // In a process of its own: closing the file in this one would drop the locks of the database that is still open.
        let copied = std::process::Command::new("cp")
            .arg(&from)
            .arg(&to)
            .status()
            .expect("cp runs");
        assert!(copied.success(), "{from}");
    }
    let path = folder.path().join("modelgate.db");
    (folder, path)
}

async fn states(sql: &Database) -> Vec<(String, Option<String>, u64)> {
    let filter = RowFilter {
        limit: 200,
        ..RowFilter::default()
    };
    let mut rows = SqlUsageLog::new(sql.clone())
        .rows(&filter)
        .await
        .expect("read");
    rows.reverse();
    rows.into_iter()
        .map(|row| (row.state, row.source, row.usage.total()))
        .collect()
}

async fn balance(sql: &Database, key: KeyId) -> (u64, u64) {
    let balance = SqlKeyStore::new(sql.clone())
        .get(key)
        .await
        .expect("read")
        .expect("there")
        .balance;
    (balance.used, balance.reserved)
}

#[tokio::test]
async fn requests_that_ran_are_closed_and_charged_once() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key, other] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    for (number, key) in [(1, key), (2, key), (3, other)] {
        ledger
            .reserve(&admission(key, number, Some(quota(1000)), 30, 70))
            .await
            .expect("room");
    }
    ledger
        .settle(request_id(NOON, 1), settlement(11, 4))
        .await
        .expect("committed");
    assert_eq!(
        (balance(&sql, key).await, balance(&sql, other).await),
        ((15, 100), (0, 100))
    );

    let (_folder, path) = crashed(&scratch);
    let word = |text: &str| text.to_owned();
    for start in 1..=2 {
        let again = Database::open(&DatabaseConfig::new(&path)).expect("opened");
        assert_eq!(
            (balance(&again, key).await, balance(&again, other).await),
            ((45, 0), (30, 0)),
            "start {start}"
        );
        let recovered = (word("recovered"), Some(word("recovered")), 30);
        assert_eq!(
            states(&again).await,
            [
                (word("settled"), Some(word("upstream")), 15),
                recovered.clone(),
                recovered
            ]
        );
        assert_balanced(&again).await;
        again.close().await;
    }
}

#[tokio::test]
async fn what_a_crash_left_can_be_read_before_it_is_recovered() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    ledger(&sql)
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    let (_folder, path) = crashed(&scratch);
    let reader = Database::read_only(&path).expect("opened");
    assert_eq!(balance(&reader, key).await, (0, 30));
    assert_balanced(&reader).await;
}

#[tokio::test]
async fn every_answer_that_could_have_been_seen_is_in_the_copy() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    for number in 1..=20 {
        ledger
            .reserve(&admission(key, number, None, 1, 1))
            .await
            .expect("no limit");
        ledger
            .settle(request_id(NOON, number), settlement(1, number))
            .await
            .expect("committed");
        let (_folder, path) = crashed(&scratch);
        let again = Database::open(&DatabaseConfig::new(&path)).expect("opened");
        assert_eq!(states(&again).await.len() as u64, number);
        assert_eq!(
            balance(&again, key).await,
            ((1..=number).map(|number| number + 1).sum(), 0)
        );
    }
}

#[tokio::test]
async fn a_promise_without_a_row_is_given_back() {
    let scratch = Scratch::new();
    let [key] = new_keys(&scratch.open()).await;
    scratch.execute("UPDATE api_keys SET reserved = 55");
    let sql = scratch.open();
    assert_eq!(balance(&sql, key).await, (0, 0));
}

#[tokio::test]
async fn closing_stores_what_was_queued_and_leaves_one_file() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    ledger
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    ledger.abandon(request_id(NOON, 1), settlement(3, 4));
    sql.close().await;
    let log = fs::metadata(format!("{}-wal", scratch.path().display())).map_or(0, |log| log.len());
    assert_eq!(log, 0, "the log was emptied into the file");
    assert!(
        ledger
            .settle(request_id(NOON, 1), settlement(3, 4))
            .await
            .is_err()
    );
    assert!(
        ledger
            .reserve(&admission(key, 2, None, 1, 1))
            .await
            .is_err()
    );
    ledger.abandon(request_id(NOON, 1), settlement(3, 4));
    ledger.flush().await;
    let again = scratch.open();
    assert_eq!(balance(&again, key).await, (7, 0));
}

#[tokio::test]
async fn a_request_that_runs_over_a_new_day_and_a_crash_is_yesterdays() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    ledger(&sql)
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    let (_folder, path) = crashed(&scratch);
    let later = NOON.millis() + 1;
    diesel::connection::SimpleConnection::batch_execute(
        &mut connect(&path),
        &format!("UPDATE api_keys SET quota_since = {later}"),
    )
    .expect("good SQL");
    let again = Database::open(&DatabaseConfig::new(&path)).expect("opened");
    assert_eq!(balance(&again, key).await, (0, 0));
    assert_balanced(&again).await;
}
