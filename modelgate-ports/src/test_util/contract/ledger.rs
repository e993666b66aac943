//! The contract of `QuotaLedger`.

use modelgate_domain::quota::{OutputAsk, Quota, QuotaExceeded};
use modelgate_domain::time::Period;
use modelgate_domain::{KeyId, Timestamp};

use crate::driven::{Admission, QuotaLedger, Reservation, ReserveError, Settlement};
use crate::test_util::sample::{NOON, admission, quota, request_id, settlement};

/// How many keys the contract spends.
pub const LEDGER_KEYS: usize = 9;

/// Runs the whole contract. The keys exist, with a daily quota of 100 where the store knows of one, were made at
/// `sample::MADE` and spent nothing; periods begin at midnight UTC.
pub async fn ledger_contract(ledger: &dyn QuotaLedger, keys: [KeyId; LEDGER_KEYS]) {
    let [
        plain,
        refused,
        twice,
        void,
        abandoned,
        injected,
        rolling,
        unlimited,
        backwards,
    ] = keys;
    what_was_promised_and_not_spent_comes_back(ledger, plain).await;
    a_refused_request_leaves_nothing(ledger, refused).await;
    settling_twice_is_the_same_as_once(ledger, twice).await;
    a_void_request_is_charged_nothing(ledger, void).await;
    an_abandoned_request_is_charged_like_a_settled_one(ledger, abandoned).await;
    a_json_answer_without_a_limit_is_promised_what_is_left(ledger, injected).await;
    a_new_period_forgets_what_was_spent_and_keeps_what_runs(ledger, rolling).await;
    without_a_quota_everything_is_counted_and_nothing_refused(ledger, unlimited).await;
    a_clock_that_goes_back_gives_nothing_away(ledger, backwards).await;
    what_was_never_promised_is_settled_in_silence(ledger).await;
}

/// Ids of the requests of one key, apart from those of the others.
fn numbered(key: KeyId, number: u64) -> u64 {
    key.0.unsigned_abs() * 1000 + number
}

async fn ask(
    ledger: &dyn QuotaLedger,
    key: KeyId,
    number: u64,
    need: u64,
) -> Result<Reservation, ReserveError> {
    ledger
        .reserve(&admission(
            key,
            numbered(key, number),
            Some(quota(100)),
            0,
            need,
        ))
        .await
}

async fn settle(ledger: &dyn QuotaLedger, key: KeyId, number: u64, settlement: Settlement) {
    ledger
        .settle(request_id(NOON, numbered(key, number)), settlement)
        .await
        .expect("committed");
}

fn exceeded(outcome: Result<Reservation, ReserveError>) -> QuotaExceeded {
    match outcome {
        Err(ReserveError::Exceeded(exceeded)) => exceeded,
        other => panic!("expected Exceeded, got {other:?}"),
    }
}

async fn counts(ledger: &dyn QuotaLedger, key: KeyId, now: Timestamp) -> (u64, u64) {
    let balance = ledger.balance(key, now).await.expect("read");
    (balance.used, balance.reserved)
}

async fn what_was_promised_and_not_spent_comes_back(ledger: &dyn QuotaLedger, key: KeyId) {
    assert_eq!(counts(ledger, key, NOON).await, (0, 0));
    let held = ledger
        .reserve(&admission(key, numbered(key, 1), Some(quota(100)), 30, 60))
        .await
        .expect("room for 90");
    assert_eq!(
        (held.promised, held.injected, held.balance.reserved),
        (90, None, 90)
    );
    assert_eq!(counts(ledger, key, NOON).await, (0, 90));
    let refused = exceeded(ask(ledger, key, 2, 20).await);
    assert_eq!(
        refused,
        QuotaExceeded {
            asked: 20,
            left: 10,
            reserved: 90
        }
    );
    settle(ledger, key, 1, settlement(3, 2)).await;
    assert_eq!(counts(ledger, key, NOON).await, (5, 0));
    let held = ask(ledger, key, 3, 95).await.expect("85 came back");
    assert_eq!((held.balance.used, held.balance.reserved), (5, 95));
}

async fn a_refused_request_leaves_nothing(ledger: &dyn QuotaLedger, key: KeyId) {
    assert_eq!(exceeded(ask(ledger, key, 1, 101).await).left, 100);
    assert_eq!(counts(ledger, key, NOON).await, (0, 0));
    ask(ledger, key, 1, 100)
        .await
        .expect("the id was not used up");
    assert_eq!(exceeded(ask(ledger, key, 2, 1).await).left, 0);
    ask(ledger, key, 3, 0)
        .await
        .expect("nothing asked, nothing refused");
    let again = ask(ledger, key, 1, 0).await;
    assert!(
        matches!(again, Err(ReserveError::Unavailable(_))),
        "one id, one row: {again:?}"
    );
    assert_eq!(counts(ledger, key, NOON).await, (0, 100));
}

async fn settling_twice_is_the_same_as_once(ledger: &dyn QuotaLedger, key: KeyId) {
    ask(ledger, key, 1, 40).await.expect("room");
    ask(ledger, key, 2, 40).await.expect("room");
    settle(ledger, key, 1, settlement(10, 5)).await;
    settle(ledger, key, 1, settlement(10, 25)).await;
    ledger.abandon(
        request_id(NOON, numbered(key, 1)),
        Settlement {
            void: true,
            ..settlement(0, 0)
        },
    );
    ledger.flush().await;
    assert_eq!(counts(ledger, key, NOON).await, (15, 40));
    // Real use is charged even above the quota, and what is above it is refused from then on.
    settle(ledger, key, 2, settlement(100, 100)).await;
    assert_eq!(counts(ledger, key, NOON).await, (215, 0));
    assert!(!exceeded(ask(ledger, key, 3, 1).await).may_pass_later());
}

async fn a_void_request_is_charged_nothing(ledger: &dyn QuotaLedger, key: KeyId) {
    ask(ledger, key, 1, 100).await.expect("room");
    settle(
        ledger,
        key,
        1,
        Settlement {
            void: true,
            ..settlement(50, 50)
        },
    )
    .await;
    assert_eq!(counts(ledger, key, NOON).await, (0, 0));
}

async fn an_abandoned_request_is_charged_like_a_settled_one(ledger: &dyn QuotaLedger, key: KeyId) {
    ask(ledger, key, 1, 100).await.expect("room");
    ledger.abandon(request_id(NOON, numbered(key, 1)), settlement(20, 3));
    ledger.flush().await;
    assert_eq!(counts(ledger, key, NOON).await, (23, 0));
}

async fn a_json_answer_without_a_limit_is_promised_what_is_left(
    ledger: &dyn QuotaLedger,
    key: KeyId,
) {
    ask(ledger, key, 1, 10).await.expect("room");
    let open = |number| {
        let admission = admission(key, numbered(key, number), Some(quota(100)), 20, 0);
        Admission {
            ask: OutputAsk {
                limit: None,
                ..admission.ask
            },
            ..admission
        }
    };
    let held = ledger.reserve(&open(2)).await.expect("room");
    assert_eq!((held.promised, held.injected), (90, Some(70)));
    assert_eq!(exceeded(ledger.reserve(&open(3)).await).left, 0);
}

async fn a_new_period_forgets_what_was_spent_and_keeps_what_runs(
    ledger: &dyn QuotaLedger,
    key: KeyId,
) {
    let daily = Some(Quota {
        limit: 100,
        period: Period::Day,
    });
    let (midnight, later) = (
        Timestamp::from_millis(NOON.millis() + 43_200_000),
        Timestamp::from_millis(NOON.millis() + 50_000_000),
    );
    let at = |number, admitted, need| Admission {
        admitted,
        ..admission(key, numbered(key, number), daily, 0, need)
    };
    ledger.reserve(&at(1, NOON, 60)).await.expect("room");
    ledger.reserve(&at(2, NOON, 30)).await.expect("room");
    settle(ledger, key, 1, settlement(60, 0)).await;
    assert_eq!(counts(ledger, key, NOON).await, (60, 30));
    assert_eq!(
        counts(ledger, key, midnight).await,
        (0, 30),
        "a period that nobody asked in yet"
    );
    let held = ledger.reserve(&at(3, later, 70)).await.expect("a new day");
    assert_eq!(
        (held.balance.used, held.balance.reserved, held.balance.since),
        (0, 100, midnight)
    );
    settle(ledger, key, 2, settlement(25, 0)).await;
    assert_eq!(
        counts(ledger, key, later).await,
        (0, 70),
        "yesterday's request is yesterday's"
    );
    settle(ledger, key, 3, settlement(65, 0)).await;
    assert_eq!(counts(ledger, key, later).await, (65, 0));
}

async fn without_a_quota_everything_is_counted_and_nothing_refused(
    ledger: &dyn QuotaLedger,
    key: KeyId,
) {
    let unlimited = |number, output| admission(key, numbered(key, number), None, 7, output);
    ledger
        .reserve(&unlimited(1, u64::MAX))
        .await
        .expect("no limit");
    ledger
        .reserve(&unlimited(2, u64::MAX))
        .await
        .expect("no limit, however absurd the ask");
    settle(ledger, key, 1, settlement(7, 8)).await;
    let (used, reserved) = counts(ledger, key, NOON).await;
    assert!(used == 15 && reserved > 0, "{used} {reserved}");
    settle(ledger, key, 2, settlement(1, 1)).await;
    assert_eq!(counts(ledger, key, NOON).await, (17, 0));
}

async fn a_clock_that_goes_back_gives_nothing_away(ledger: &dyn QuotaLedger, key: KeyId) {
    let daily = Some(Quota {
        limit: 100,
        period: Period::Day,
    });
    let yesterday = Timestamp::from_millis(NOON.millis() - 86_400_000);
    let at = |number, admitted| Admission {
        admitted,
        ..admission(key, numbered(key, number), daily, 0, 60)
    };
    ledger.reserve(&at(1, NOON)).await.expect("room");
    settle(ledger, key, 1, settlement(10, 0)).await;
    ledger.reserve(&at(2, yesterday)).await.expect("room");
    settle(ledger, key, 2, settlement(50, 0)).await;
    assert_eq!(counts(ledger, key, NOON).await, (60, 0));
}

async fn what_was_never_promised_is_settled_in_silence(ledger: &dyn QuotaLedger) {
    let unknown = request_id(NOON, 999_999_999);
    ledger
        .settle(unknown, settlement(1, 1))
        .await
        .expect("nothing to do");
    ledger.abandon(unknown, settlement(1, 1));
    ledger.flush().await;
}
