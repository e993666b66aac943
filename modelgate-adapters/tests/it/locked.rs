//! Another program holds the file: nothing is served unmetered, and nothing that was spent is lost.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use modelgate_ports::driven::{KeyStore as _, QuotaLedger as _, ReserveError, StoreError};
use modelgate_ports::test_util::sample::{NOON, admission, new_key, request_id, settlement};

use modelgate_adapters::sql::SqlKeyStore;

use crate::scratch::{Scratch, assert_balanced, ledger, new_keys};

#[expect(
    clippy::disallowed_methods,
    reason = "bounds of the specification, measured where SQLite itself waits"
)]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_are_refused_and_settlements_kept_while_another_holds_the_file() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    ledger
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    assert!(sql.is_healthy().await);
    let mut foreign = scratch.connect();
    foreign.batch_execute("BEGIN IMMEDIATE").expect("the lock");

    let began = now();
    ledger
        .settle(request_id(NOON, 1), settlement(3, 4))
        .await
        .expect("still queued");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "an answer is not held back: {:?}",
        began.elapsed()
    );
    let began = now();
    let refused = ledger.reserve(&admission(key, 2, None, 10, 20)).await;
    assert!(
        matches!(refused, Err(ReserveError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    let refused = SqlKeyStore::new(sql.clone())
        .insert(&new_key("late", 50))
        .await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(!sql.is_healthy().await);
    assert_eq!(
        ledger
            .balance(key, NOON)
            .await
            .expect("reading goes on")
            .reserved,
        30
    );

    foreign.batch_execute("ROLLBACK").expect("released");
    assert!(
        sql.is_healthy().await,
        "at once, although nobody asks for anything"
    );
    ledger.flush().await;
    let balance = ledger.balance(key, NOON).await.expect("read");
    assert_eq!((balance.used, balance.reserved), (7, 0));
    ledger
        .reserve(&admission(key, 3, None, 10, 20))
        .await
        .expect("back to normal");
    assert!(sql.is_healthy().await);
    assert_balanced(&sql).await;
}
