//! The contract of `RateLimiter`.

use std::time::Duration;

use modelgate_domain::KeyId;
use modelgate_domain::rate::{LimitExceeded, Limits, Which};

use crate::driven::{Admitted, LimitError, RateLimiter};
use crate::test_util::ManualClock;

const NONE: Limits = Limits {
    rpm: None,
    burst: None,
    tpm: None,
    max_parallel: None,
};

/// Runs the whole contract on a limiter that has seen nothing and goes by that clock.
pub async fn limiter_contract(limiter: &dyn RateLimiter, clock: &ManualClock) {
    a_minute_holds_its_limit_and_no_more(limiter, clock, KeyId(1), KeyId(2)).await;
    a_wall_clock_that_jumps_changes_nothing(limiter, clock, KeyId(3)).await;
    what_was_taken_back_cost_nothing(limiter, KeyId(4)).await;
    promised_tokens_are_replaced_by_used_ones(limiter, KeyId(5)).await;
    parallel_requests_make_room_as_they_finish(limiter, clock, KeyId(6)).await;
    asking_where_a_key_stands_costs_nothing(limiter, KeyId(7)).await;
    without_limits_nothing_is_refused(limiter, KeyId(8)).await;
}

async fn admitted(limiter: &dyn RateLimiter, key: KeyId, limits: &Limits, tokens: u64) -> Admitted {
    limiter.admit(key, limits, tokens).await.expect("let in")
}

async fn refused(
    limiter: &dyn RateLimiter,
    key: KeyId,
    limits: &Limits,
    tokens: u64,
) -> LimitExceeded {
    match limiter.admit(key, limits, tokens).await {
        Err(LimitError::Exceeded(exceeded)) => exceeded,
        other => panic!("expected Exceeded, got {other:?}"),
    }
}

async fn a_minute_holds_its_limit_and_no_more(
    limiter: &dyn RateLimiter,
    clock: &ManualClock,
    key: KeyId,
    other: KeyId,
) {
    let limits = Limits {
        rpm: Some(2),
        ..NONE
    };
    let first = admitted(limiter, key, &limits, 0).await;
    assert_eq!(
        first
            .standing
            .requests
            .map(|meter| (meter.limit, meter.remaining)),
        Some((2, 1))
    );
    clock.advance(Duration::from_secs(20));
    admitted(limiter, key, &limits, 0).await;
    for _ in 0..3 {
        let exceeded = refused(limiter, key, &limits, 0).await;
        assert_eq!(
            (exceeded.which, exceeded.retry_after),
            (Which::Requests, Duration::from_secs(40))
        );
    }
    admitted(limiter, other, &limits, 0).await;
    clock.advance(Duration::from_secs(40));
    admitted(limiter, key, &limits, 0).await;
    assert_eq!(
        refused(limiter, key, &limits, 0).await.retry_after,
        Duration::from_secs(20)
    );
}

async fn a_wall_clock_that_jumps_changes_nothing(
    limiter: &dyn RateLimiter,
    clock: &ManualClock,
    key: KeyId,
) {
    use crate::driven::Clock;
    let limits = Limits {
        rpm: Some(1),
        ..NONE
    };
    admitted(limiter, key, &limits, 0).await;
    let before = clock.now();
    clock.set_wall(before.after(Duration::from_secs(3600)));
    assert_eq!(
        refused(limiter, key, &limits, 0).await.retry_after,
        Duration::from_secs(60)
    );
    clock.set_wall(before);
    clock.advance(Duration::from_secs(60));
    admitted(limiter, key, &limits, 0).await;
}

async fn what_was_taken_back_cost_nothing(limiter: &dyn RateLimiter, key: KeyId) {
    let limits = Limits {
        rpm: Some(1),
        burst: Some(1),
        tpm: Some(10),
        max_parallel: Some(1),
    };
    for _ in 0..3 {
        let let_in = admitted(limiter, key, &limits, 10).await;
        limiter.take_back(key, &limits, &let_in);
    }
    let standing = limiter.standing(key, &limits).await.expect("known");
    assert_eq!(standing.requests.map(|meter| meter.remaining), Some(1));
    assert_eq!(standing.tokens.map(|meter| meter.remaining), Some(10));
}

async fn promised_tokens_are_replaced_by_used_ones(limiter: &dyn RateLimiter, key: KeyId) {
    let limits = Limits {
        tpm: Some(100),
        ..NONE
    };
    let let_in = admitted(limiter, key, &limits, 90).await;
    assert_eq!(
        refused(limiter, key, &limits, 11).await.which,
        Which::Tokens
    );
    limiter.finish(key, &let_in, 30);
    let second = admitted(limiter, key, &limits, 70).await;
    assert_eq!(second.standing.tokens.map(|meter| meter.remaining), Some(0));
}

async fn parallel_requests_make_room_as_they_finish(
    limiter: &dyn RateLimiter,
    clock: &ManualClock,
    key: KeyId,
) {
    let limits = Limits {
        max_parallel: Some(2),
        ..NONE
    };
    let first = admitted(limiter, key, &limits, 0).await;
    admitted(limiter, key, &limits, 0).await;
    clock.advance(Duration::from_secs(120));
    assert_eq!(
        refused(limiter, key, &limits, 0).await.which,
        Which::Parallel,
        "however long they run"
    );
    limiter.finish(key, &first, 0);
    admitted(limiter, key, &limits, 0).await;
}

async fn asking_where_a_key_stands_costs_nothing(limiter: &dyn RateLimiter, key: KeyId) {
    let limits = Limits {
        rpm: Some(1),
        ..NONE
    };
    for _ in 0..3 {
        let standing = limiter.standing(key, &limits).await.expect("known");
        assert_eq!(standing.requests.map(|meter| meter.remaining), Some(1));
    }
    admitted(limiter, key, &limits, 0).await;
    let standing = limiter.standing(key, &limits).await.expect("known");
    assert_eq!(standing.requests.map(|meter| meter.remaining), Some(0));
}

async fn without_limits_nothing_is_refused(limiter: &dyn RateLimiter, key: KeyId) {
    for _ in 0..100 {
        let let_in = admitted(limiter, key, &NONE, u64::MAX).await;
        assert_eq!(
            (let_in.standing.requests, let_in.standing.tokens),
            (None, None)
        );
    }
}
