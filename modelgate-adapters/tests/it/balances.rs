//! Many requests at once: no key gets more than its quota, and balances are the sums of their rows.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use modelgate_adapters::sql::{SqlKeyStore, SqlLedger, SqlUsageLog};
use modelgate_domain::KeyId;
use modelgate_domain::quota::Quota;
use modelgate_domain::time::Period;
use modelgate_ports::driven::{
    Admission, KeyStore as _, QuotaLedger as _, ReserveError, RowFilter, Settlement, UsageLog as _,
};
use modelgate_ports::test_util::SeededEntropy;
use modelgate_ports::test_util::sample::{NOON, admission, quota, request_id, settlement};

use crate::scratch::{Scratch, assert_balanced, ledger, new_keys};

const LIMIT: u64 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_requests_never_get_more_than_the_quota() {
    for seed in 0..12 {
        let scratch = Scratch::new();
        let sql = scratch.open();
        let [key] = new_keys(&sql).await;
        let ledger = Arc::new(ledger(&sql));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..256 {
            tasks.spawn(spend(Arc::clone(&ledger), key, seed, task));
        }
        let charged: u64 = tasks.join_all().await.into_iter().sum();
        ledger.flush().await;
        let balance = ledger.balance(key, NOON).await.expect("read");
        assert_eq!(
            (balance.used, balance.reserved),
            (charged, 0),
            "seed {seed}"
        );
        assert!(charged <= LIMIT, "seed {seed}: {charged}");
        assert!(
            charged > LIMIT / 2,
            "seed {seed}: {charged}, so few that nothing was shown"
        );
        assert_balanced(&sql).await;
    }
}

/// One client: asks a few times, and ends each request in one of the ways that requests end. Tells what was charged.
async fn spend(ledger: Arc<SqlLedger>, key: KeyId, seed: u64, task: u64) -> u64 {
    let dice = SeededEntropy::new(seed << 32 | task);
    let mut charged = 0;
    for round in 0..4 {
        let (prompt, output) = (dice.between(0, 100), dice.between(1, 100));
        let admission = admission(key, task * 10 + round, Some(quota(LIMIT)), prompt, output);
        if dice.between(0, 9) == 0 {
            go_while_waiting(&ledger, &admission);
            continue;
        }
        match ledger.reserve(&admission).await {
            Ok(held) => assert!(held.balance.used + held.balance.reserved <= LIMIT),
            Err(ReserveError::Exceeded(refused)) => {
                assert!(refused.left < refused.asked && refused.asked == prompt + output);
                continue;
            }
            Err(ReserveError::Unavailable(cause)) => panic!("{cause}"),
        }
        let spent = settlement(prompt, dice.between(0, output));
        let total = spent.spent.usage.total();
        match dice.between(0, 3) {
            0 => ledger
                .settle(
                    admission.request,
                    Settlement {
                        void: true,
                        ..spent
                    },
                )
                .await
                .expect("queued"),
            1 => {
                ledger.abandon(admission.request, spent.clone());
                ledger.abandon(admission.request, spent);
                charged += total;
            }
            _ => {
                ledger
                    .settle(admission.request, spent)
                    .await
                    .expect("queued");
                charged += total;
            }
        }
    }
    charged
}

/// Asks and goes before the answer comes. Should it be there already, it is the caller's to give back.
fn go_while_waiting(ledger: &SqlLedger, admission: &Admission) {
    let mut asking = ledger.reserve(admission);
    let answer = asking
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    drop(asking);
    if let Poll::Ready(Ok(_)) = answer {
        let nothing = Settlement {
            void: true,
            status: 499,
            ..settlement(0, 0)
        };
        ledger.abandon(admission.request, nothing);
    }
}

#[tokio::test]
async fn a_period_that_was_changed_keeps_what_was_spent_in_it() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    let total = admission(key, 1, Some(quota(100)), 30, 30);
    ledger.reserve(&total).await.expect("room for 60");
    let spent = settlement(30, 30);
    ledger.settle(total.request, spent).await.expect("stored");
    let daily = Quota {
        limit: 100,
        period: Period::Day,
    };
    let refused = ledger
        .reserve(&admission(key, 2, Some(daily), 30, 11))
        .await;
    assert!(matches!(refused, Err(ReserveError::Exceeded(exceeded)) if exceeded.left == 40));
    let held = ledger
        .reserve(&admission(key, 3, Some(daily), 30, 10))
        .await;
    let balance = held.expect("room for 40").balance;
    assert_eq!((balance.used, balance.reserved), (60, 40));
    assert_balanced(&sql).await;
}

#[tokio::test]
async fn a_promise_that_nobody_waits_for_is_taken_back() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    for number in 0..200 {
        go_while_waiting(&ledger, &admission(key, number, Some(quota(LIMIT)), 10, 10));
    }
    ledger.flush().await;
    ledger.flush().await; // the first may have been queued before the last promise was taken back
    assert_eq!(ledger.balance(key, NOON).await.expect("read").reserved, 0);
    let rows = SqlUsageLog::new(sql.clone())
        .rows(&RowFilter {
            limit: 200,
            ..RowFilter::default()
        })
        .await
        .expect("read");
    assert!(
        rows.iter()
            .all(|row| row.state == "void" && row.status == Some(499))
    );
    assert_balanced(&sql).await;
}

#[tokio::test]
async fn a_key_shows_its_balance_and_when_it_was_used() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    ledger
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    ledger
        .settle(request_id(NOON, 1), settlement(4, 5))
        .await
        .expect("committed");
    ledger
        .reserve(&admission(key, 2, None, 10, 20))
        .await
        .expect("no limit");
    let record = SqlKeyStore::new(sql)
        .get(key)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        (
            record.balance.used,
            record.balance.reserved,
            record.last_used_at
        ),
        (9, 30, Some(NOON))
    );
}

#[tokio::test]
async fn a_key_that_does_not_exist_gets_no_promise() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let refused = ledger(&sql)
        .reserve(&admission(KeyId(4711), 1, None, 1, 1))
        .await;
    assert!(
        matches!(refused, Err(ReserveError::Unavailable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_check_finds_a_balance_that_was_tampered_with() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key, other] = new_keys(&sql).await;
    ledger(&sql)
        .reserve(&admission(key, 1, None, 10, 20))
        .await
        .expect("no limit");
    scratch.execute(&format!(
        "UPDATE api_keys SET used = used + 7, reserved = reserved - 30 WHERE id = {key}"
    ));
    let found = sql.verify_balances().await.expect("read");
    let [found] = found[..] else {
        panic!("{found:?}")
    };
    assert!(found.key == key && found.key != other);
    assert_eq!(
        (
            found.used,
            found.used_by_rows,
            found.reserved,
            found.reserved_by_rows
        ),
        (7, 0, 0, 30)
    );
}
