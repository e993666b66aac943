//! Quotas, by tables.

use super::*;

const fn balance(used: u64, reserved: u64) -> Balance {
    Balance {
        used,
        reserved,
        since: Timestamp::from_millis(1000),
    }
}

#[test]
fn a_promise_fits_into_what_is_left_or_is_refused() {
    let check =
        |limit: Option<u64>, used: u64, reserved: u64, asked: u64, expected: Result<u64, u64>| {
            let outcome = reserve(limit, balance(used, reserved), asked);
            assert_eq!(
                outcome
                    .map(|after| after.reserved)
                    .map_err(|refused| refused.left),
                expected
            );
        };
    check(Some(100), 0, 0, 100, Ok(100));
    check(Some(100), 0, 0, 101, Err(100));
    check(Some(100), 60, 30, 10, Ok(40));
    check(Some(100), 60, 30, 11, Err(10));
    check(Some(100), 130, 0, 1, Err(0));
    check(Some(100), 100, 0, 0, Ok(0));
    check(None, u64::MAX, 5, 10, Ok(15));
}

#[test]
fn waiting_helps_only_when_running_requests_stand_in_the_way() {
    let refused =
        |used, reserved, asked| reserve(Some(100), balance(used, reserved), asked).unwrap_err();
    assert!(refused(10, 80, 20).may_pass_later());
    assert!(!refused(95, 0, 20).may_pass_later());
    assert!(!refused(90, 5, 20).may_pass_later());
}

#[test]
fn spending_replaces_the_promise_and_is_always_charged() {
    let check = |admitted: i64, promised: u64, spent: u64, expected: (u64, u64)| {
        let after = settle(
            balance(50, 40),
            Timestamp::from_millis(admitted),
            promised,
            spent,
        );
        assert_eq!((after.used, after.reserved), expected);
    };
    check(1000, 40, 10, (60, 0));
    check(1000, 40, 90, (140, 0));
    check(1000, 0, 0, (50, 40));
    // Admitted before the period began: its promise goes, its tokens belong to the old period.
    check(999, 40, 10, (50, 0));
}

#[test]
fn a_new_period_begins_with_nothing_spent_and_running_requests_kept() {
    let now = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
    let old = Balance {
        used: 70,
        reserved: 5,
        since: Timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
    };
    assert_eq!(
        current(old, Period::Day, now, &Zone::UTC),
        Balance {
            used: 0,
            reserved: 5,
            since: now
        }
    );
    assert_eq!(current(old, Period::Month, now, &Zone::UTC), old);
    assert_eq!(current(old, Period::Total, now, &Zone::UTC), old);
    // A reset in mid-period is kept.
    let reset = Balance {
        since: now.after(std::time::Duration::from_secs(60)),
        ..old
    };
    assert_eq!(
        current(
            reset,
            Period::Day,
            now.after(std::time::Duration::from_secs(120)),
            &Zone::UTC
        ),
        reset
    );
}

#[test]
fn a_promise_begins_the_period_bounds_the_output_and_never_lies_before_its_period() {
    let noon = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
    let midnight = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
    let ask = OutputAsk {
        limit: None,
        choices: 1,
        stream: false,
        generates: true,
        injectable: true,
        context: None,
        prompt: 100,
        estimate: 100,
        left: None,
        max_output: 8192,
    };
    let quota = Some(Quota {
        limit: 1000,
        period: Period::Day,
    });
    let held = Balance {
        used: 990,
        reserved: 300,
        since: Timestamp::default(),
    };
    let made = promise(quota, held, &ask, noon, &Zone::UTC).unwrap();
    assert_eq!(
        (made.promised, made.injected, made.admitted),
        (700, Some(600), noon)
    );
    assert_eq!(
        made.balance,
        Balance {
            used: 0,
            reserved: 1000,
            since: midnight
        }
    );
    let tomorrow = Balance {
        since: noon.after(std::time::Duration::from_secs(86_400)),
        ..held
    };
    let early = promise(None, tomorrow, &ask, noon, &Zone::UTC).unwrap();
    assert_eq!(early.admitted, tomorrow.since);
    let absurd = OutputAsk {
        limit: Some(u64::MAX),
        ..ask
    };
    assert_eq!(
        promise(None, held, &absurd, noon, &Zone::UTC)
            .unwrap()
            .promised,
        MOST_PROMISED
    );
}

#[test]
fn the_output_bound_follows_the_clients_limit_or_what_is_left() {
    let ask = OutputAsk {
        limit: None,
        choices: 1,
        stream: false,
        generates: true,
        injectable: true,
        context: None,
        prompt: 100,
        estimate: 100,
        left: Some(1000),
        max_output: 8192,
    };
    let check = |ask: OutputAsk, promised: u64, injected: Option<u64>| {
        assert_eq!(
            output_bound(&ask),
            OutputBound { promised, injected },
            "{ask:?}"
        );
    };
    check(
        OutputAsk {
            limit: Some(50),
            choices: 3,
            ..ask
        },
        150,
        None,
    );
    check(
        OutputAsk {
            limit: Some(0),
            ..ask
        },
        0,
        None,
    );
    check(ask, 900, Some(900));
    check(OutputAsk { choices: 2, ..ask }, 900, Some(450));
    // The bound of a prompt may be all of the context: what counts for the room is what it will be.
    let (context, left) = (Some(8000), Some(20_000));
    let whole = OutputAsk {
        prompt: 8000,
        context,
        left,
        ..ask
    };
    check(whole, 7900, Some(7900));
    check(
        OutputAsk {
            estimate: 9000,
            ..whole
        },
        8192,
        Some(8192),
    );
    check(
        OutputAsk {
            left: Some(100_000),
            ..ask
        },
        8192,
        Some(8192),
    );
    check(
        OutputAsk {
            left: Some(100_000),
            context: Some(2100),
            ..ask
        },
        2000,
        Some(2000),
    );
    check(
        OutputAsk {
            left: Some(50),
            ..ask
        },
        1,
        Some(1),
    );
    check(
        OutputAsk {
            stream: true,
            choices: 2,
            ..ask
        },
        8192,
        None,
    );
    check(
        OutputAsk {
            injectable: false,
            ..ask
        },
        4096,
        None,
    );
    check(OutputAsk { left: None, ..ask }, 4096, None);
    check(
        OutputAsk {
            generates: false,
            ..ask
        },
        0,
        None,
    );
    check(
        OutputAsk {
            limit: Some(u64::MAX),
            choices: 2,
            ..ask
        },
        u64::MAX,
        None,
    );
}
