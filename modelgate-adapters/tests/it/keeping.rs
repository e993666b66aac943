//! What happens to the files while the database is open.

use std::fs;
use std::time::Duration;

use modelgate_adapters::sql::{Database, DatabaseConfig, Fsync};
use modelgate_ports::driven::QuotaLedger as _;
use modelgate_ports::test_util::sample::{NOON, admission, request_id, settlement};

use crate::scratch::{Scratch, assert_balanced, ledger, new_keys};

#[tokio::test]
async fn the_log_is_copied_into_the_file_beside_the_commits_and_begins_anew() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    let file_length = || fs::metadata(scratch.path()).expect("there").len();
    let at_first = file_length();
    let (mut number, mut longest) = (0, 0);
    // Commits go on until the file has grown: nothing but the keeper makes it grow.
    while file_length() == at_first {
        for _ in 0..100 {
            number += 1;
            ledger
                .reserve(&admission(key, number, None, 1, 1))
                .await
                .expect("no limit");
            ledger
                .settle(request_id(NOON, number), settlement(1, 1))
                .await
                .expect("committed");
        }
        longest = longest.max(scratch.log_length());
        assert!(
            longest < 256 << 20,
            "the log grew to {longest} bytes and was not copied"
        );
    }
    assert!(longest > 4 << 20);
    assert_balanced(&sql).await;
}

#[tokio::test]
async fn every_way_of_syncing_stores_the_same() {
    for fsync in [Fsync::EverySecond, Fsync::Always, Fsync::Off] {
        let scratch = Scratch::new();
        let config = DatabaseConfig {
            fsync,
            ..DatabaseConfig::new(scratch.path())
        };
        let sql = Database::open(&config).expect("opened");
        let [key] = new_keys(&sql).await;
        let ledger_now = ledger(&sql);
        ledger_now
            .reserve(&admission(key, 1, None, 1, 1))
            .await
            .expect("no limit");
        ledger_now
            .settle(request_id(NOON, 1), settlement(1, 1))
            .await
            .expect("committed");
        drop((ledger_now, sql));
        let again = scratch.open();
        let later = NOON.after(Duration::from_secs(1));
        assert_eq!(
            ledger(&again).balance(key, later).await.expect("read").used,
            2,
            "{fsync:?}"
        );
    }
}
