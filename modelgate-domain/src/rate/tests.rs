//! Limits over time, by tables and against a log of every admission.

use proptest::prelude::*;

use super::*;

const NO_LIMITS: Limits = Limits {
    rpm: None,
    burst: None,
    tpm: None,
    max_parallel: None,
};

fn at(millis: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(millis))
}

/// Asks at each of the times (milliseconds, tokens) and lists what came: `None` admitted, else the wait in milliseconds.
fn ask(limits: &Limits, asks: &[(u64, u64)]) -> Vec<Option<u128>> {
    let mut window = Window::default();
    let mut outcome = |&(millis, tokens): &(u64, u64)| {
        window
            .admit(limits, tokens, at(millis))
            .err()
            .map(|refused| refused.retry_after.as_millis())
    };
    asks.iter().map(&mut outcome).collect()
}

#[test]
fn requests_per_minute_are_exact() {
    let limits = Limits {
        rpm: Some(2),
        ..NO_LIMITS
    };
    let asks = [
        (0, 0),
        (10_000, 0),
        (20_000, 0),
        (59_999, 0),
        (60_000, 0),
        (60_001, 0),
        (70_000, 0),
    ];
    assert_eq!(
        ask(&limits, &asks),
        [None, None, Some(40_000), Some(1), None, Some(9_999), None]
    );
}

#[test]
fn a_burst_bounds_one_second() {
    let limits = Limits {
        rpm: Some(60),
        burst: Some(1),
        ..NO_LIMITS
    };
    assert_eq!(
        ask(&limits, &[(0, 0), (400, 0), (1000, 0), (1001, 0)]),
        [None, Some(600), None, Some(999)]
    );
}

#[test]
fn tokens_per_minute_count_promises_until_they_are_replaced() {
    let limits = Limits {
        tpm: Some(100),
        ..NO_LIMITS
    };
    let mut window = Window::default();
    assert!(window.admit(&limits, 90, at(500)).is_ok());
    let refused = window.admit(&limits, 20, at(1000)).unwrap_err();
    assert_eq!(
        (refused.which, refused.retry_after),
        (Which::Tokens, Duration::from_secs(60))
    );
    window.finish(90, 30, at(500));
    assert_eq!(
        window
            .admit(&limits, 20, at(1000))
            .unwrap()
            .tokens
            .unwrap()
            .remaining,
        50
    );
    assert_eq!(
        window
            .admit(&limits, 101, at(1000))
            .unwrap_err()
            .retry_after,
        MINUTE
    );
}

#[test]
fn parallel_requests_are_freed_by_finishing() {
    let limits = Limits {
        max_parallel: Some(1),
        ..NO_LIMITS
    };
    let mut window = Window::default();
    assert!(window.admit(&limits, 0, at(0)).is_ok());
    assert_eq!(
        window.admit(&limits, 0, at(1)).unwrap_err().which,
        Which::Parallel
    );
    window.finish(0, 0, at(0));
    assert!(window.admit(&limits, 0, at(2)).is_ok());
}

#[test]
fn a_request_that_was_taken_back_cost_nothing() {
    for rpm in [1, 12_000] {
        let limits = Limits {
            rpm: Some(rpm),
            burst: Some(1),
            tpm: Some(10),
            max_parallel: Some(1),
        };
        let mut window = Window::default();
        assert!(window.admit(&limits, 10, at(5)).is_ok());
        window.take_back(&limits, 10, at(5));
        assert!(window.admit(&limits, 10, at(5)).is_ok(), "rpm {rpm}");
    }
}

#[test]
fn refused_requests_cost_nothing() {
    let limits = Limits {
        rpm: Some(1),
        ..NO_LIMITS
    };
    let mut asks = vec![(0, 0)];
    asks.extend((1..60).map(|second| (second * 1000, 0)));
    asks.push((60_000, 0));
    let outcome = ask(&limits, &asks);
    assert_eq!(
        (outcome[0], outcome[59], outcome[60]),
        (None, Some(1000), None)
    );
}

#[test]
fn a_restart_forgets_nothing() {
    let limits = Limits {
        rpm: Some(2),
        ..NO_LIMITS
    };
    let mut window = Window::default();
    window.remember(0, at(0));
    window.remember(0, at(30_000));
    assert_eq!(
        window
            .admit(&limits, 0, at(40_000))
            .unwrap_err()
            .retry_after,
        Duration::from_secs(20)
    );
}

#[test]
fn a_restart_forgets_nothing_of_a_paced_key_either() {
    let limits = Limits {
        rpm: Some(12_000),
        burst: Some(2),
        ..NO_LIMITS
    };
    let mut window = Window::default();
    window.remember(0, at(1000));
    window.remember(0, at(1000));
    let refused = window.admit(&limits, 0, at(1000)).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_millis(5));
    assert!(window.admit(&limits, 0, at(1005)).is_ok());
}

#[test]
fn clients_are_told_where_they_stand() {
    let limits = Limits {
        rpm: Some(3),
        tpm: Some(100),
        ..NO_LIMITS
    };
    let mut window = Window::default();
    assert!(window.admit(&limits, 10, at(0)).is_ok());
    let standing = window.admit(&limits, 20, at(20_000)).unwrap();
    assert_eq!(
        standing.requests,
        Some(Meter {
            limit: 3,
            remaining: 1,
            reset: Duration::from_secs(60)
        })
    );
    assert_eq!(
        standing.tokens,
        Some(Meter {
            limit: 100,
            remaining: 70,
            reset: Duration::from_secs(61)
        })
    );
    assert!(!window.is_idle(at(79_999)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Against a log of every admission: no 60 seconds hold more than the limit, no second more than the burst, every
    /// refusal was needed, and waiting as told gets in.
    #[test]
    fn any_minute_holds_at_most_the_limit(rpm in 1_u32..20, burst in 1_u32..6, gaps in prop::collection::vec(0_u64..9_000, 1..120)) {
        let limits = Limits { rpm: Some(rpm), burst: Some(burst), ..NO_LIMITS };
        let (mut window, mut log, mut now) = (Window::default(), Vec::new(), 0_u64);
        for gap in gaps {
            now += gap;
            let within = |span: u64, log: &[u64]| log.iter().filter(|&&admit| admit + span > now).count();
            let room = within(60_000, &log) < rpm as usize && within(1_000, &log) < burst as usize;
            let outcome = window.clone().admit(&limits, 0, at(now));
            prop_assert_eq!(outcome.is_ok(), room);
            if let Err(refused) = outcome {
                let later = at(now).after(refused.retry_after);
                prop_assert!(window.clone().admit(&limits, 0, later).is_ok());
            }
            if window.admit(&limits, 0, at(now)).is_ok() {
                log.push(now);
            }
        }
    }

    /// The paced algorithm: in any span, at most the burst plus the rate.
    #[test]
    fn a_paced_key_stays_within_burst_and_rate(rpm in 6_001_u32..60_000, burst in 1_u32..50, gaps in prop::collection::vec(0_u64..40, 1..300)) {
        let limits = Limits { rpm: Some(rpm), burst: Some(burst), ..NO_LIMITS };
        let (mut window, mut log, mut now) = (Window::default(), Vec::new(), 0_u64);
        for gap in gaps {
            now += gap;
            if window.admit(&limits, 0, at(now)).is_ok() {
                log.push(now);
            }
            for (index, &from) in log.iter().enumerate() {
                let admitted = (log.len() - index) as u64;
                let most = u64::from(burst) + (now - from) * u64::from(rpm) / 60_000 + 1;
                prop_assert!(admitted <= most, "{admitted} in {} ms", now - from);
            }
        }
    }
}
