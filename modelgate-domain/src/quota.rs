//! Token quotas: what a key may spend, what a request is promised, and when a period begins anew.

use crate::time::{Period, Timestamp, Zone};
use crate::usage::TokenUsage;

/// Tokens a key may spend in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Tokens, from 1.
    pub limit: u64,
    /// How often it begins anew.
    pub period: Period,
}

/// Tokens of one key since its period began: spent, and promised to running requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spent by requests admitted since [`Balance::since`].
    pub used: u64,
    /// Promised to running requests, whenever they were admitted.
    pub reserved: u64,
    /// When the count began: start of the period, last reset, or creation of the key.
    pub since: Timestamp,
}

/// A request needs more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} tokens are needed and {left} are left")]
pub struct QuotaExceeded {
    /// What the request may cost at most.
    pub asked: u64,
    /// What is neither spent nor promised.
    pub left: u64,
    /// Promised to running requests: when it would be enough, waiting helps.
    pub reserved: u64,
}

impl QuotaExceeded {
    /// Whether only running requests stand in the way: then trying again soon makes sense.
    pub const fn may_pass_later(self) -> bool {
        self.left.saturating_add(self.reserved) >= self.asked
    }
}

/// Promises `asked` tokens if spent + promised + asked stays within `limit`.
///
/// # Errors
/// [`QuotaExceeded`] when it does not; nothing is promised then.
pub fn reserve(limit: Option<u64>, balance: Balance, asked: u64) -> Result<Balance, QuotaExceeded> {
    if let Some(limit) = limit {
        let left = left(limit, balance);
        if left < asked {
            return Err(QuotaExceeded {
                asked,
                left,
                reserved: balance.reserved,
            });
        }
    }
    Ok(Balance {
        reserved: balance.reserved.saturating_add(asked),
        ..balance
    })
}

/// Tokens neither spent nor promised.
pub const fn left(limit: u64, balance: Balance) -> u64 {
    limit
        .saturating_sub(balance.used)
        .saturating_sub(balance.reserved)
}

/// Replaces the promise of a request by what it spent. Spending is always charged, even above the limit; a request
/// admitted before the period began is charged to the period that ended.
#[must_use]
pub fn settle(balance: Balance, admitted: Timestamp, promised: u64, spent: u64) -> Balance {
    let charged = if admitted >= balance.since { spent } else { 0 };
    Balance {
        used: balance.used.saturating_add(charged),
        reserved: balance.reserved.saturating_sub(promised),
        since: balance.since,
    }
}

/// The balance at `now`: begun anew when a period began since it was last counted.
#[must_use]
pub fn current(balance: Balance, period: Period, now: Timestamp, zone: &Zone) -> Balance {
    match period.start(now, zone) {
        Some(start) if start > balance.since => Balance {
            used: 0,
            reserved: balance.reserved,
            since: start,
        },
        _ => balance,
    }
}

/// How many output tokens a request is promised, and what limit the backend is told when the client set none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputBound {
    /// Tokens promised for the output, over all choices.
    pub promised: u64,
    /// Limit for each choice that is sent in the client's stead.
    pub injected: Option<u64>,
}

/// What decides the output bound of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputAsk {
    /// The client's own limit for each choice.
    pub limit: Option<u64>,
    /// Choices the client asks for, from 1.
    pub choices: u64,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the endpoint generates text at all: embeddings do not.
    pub generates: bool,
    /// Whether a limit may be sent in the client's stead: legacy completions keep the backend's default.
    pub injectable: bool,
    /// Context of the model, where known.
    pub context: Option<u64>,
    /// Bound of the prompt.
    pub prompt: u64,
    /// Tokens left of the key's quota; `None` for a key without one.
    pub left: Option<u64>,
    /// The operator's bound for answers without a limit (`quota.max_output`).
    pub max_output: u64,
}

/// Tokens promised to a stream that set no limit, for each choice.
pub const STREAM_PROMISE: u64 = 4096;

/// What a request is promised, and the balance with that promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Tokens promised, prompt and output.
    pub promised: u64,
    /// Output limit for each choice that is sent in the client's stead.
    pub injected: Option<u64>,
    /// The balance with this promise.
    pub balance: Balance,
    /// When the request counts as admitted: never before the period that it is charged to, though the clock went back.
    pub admitted: Timestamp,
}

/// Most that one request is promised, without which two absurd ones could not be added up.
const MOST_PROMISED: u64 = 2 * TokenUsage::MOST;

/// Decides on a request that was `admitted` while its key held that balance: begins the period anew when it is time,
/// bounds the output by what is left, and promises both together or nothing.
///
/// # Errors
/// [`QuotaExceeded`] when the quota does not allow it.
pub fn promise(
    quota: Option<Quota>,
    held: Balance,
    ask: &OutputAsk,
    admitted: Timestamp,
    zone: &Zone,
) -> Result<Promise, QuotaExceeded> {
    let period = quota.map_or(Period::Total, |quota| quota.period);
    let limit = quota.map(|quota| quota.limit);
    let balance = current(held, period, admitted, zone);
    let left = limit.map(|limit| left(limit, balance));
    let bound = output_bound(&OutputAsk { left, ..*ask });
    let promised = ask.prompt.saturating_add(bound.promised).min(MOST_PROMISED);
    let balance = reserve(limit, balance, promised)?;
    let admitted = admitted.max(balance.since);
    Ok(Promise {
        promised,
        injected: bound.injected,
        balance,
        admitted,
    })
}

/// The output bound of a request.
pub fn output_bound(ask: &OutputAsk) -> OutputBound {
    let choices = ask.choices.max(1);
    if !ask.generates {
        return OutputBound {
            promised: 0,
            injected: None,
        };
    }
    if let Some(limit) = ask.limit {
        return OutputBound {
            promised: limit.saturating_mul(choices),
            injected: None,
        };
    }
    let Some(left) = ask.left else {
        return OutputBound {
            promised: STREAM_PROMISE.saturating_mul(choices),
            injected: None,
        };
    };
    if ask.stream || !ask.injectable {
        return OutputBound {
            promised: STREAM_PROMISE.saturating_mul(choices),
            injected: None,
        };
    }
    let room = ask
        .context
        .map_or(u64::MAX, |context| context.saturating_sub(ask.prompt));
    let each = (left.saturating_sub(ask.prompt) / choices)
        .min(room)
        .min(ask.max_output)
        .max(1);
    OutputBound {
        promised: each.saturating_mul(choices),
        injected: Some(each),
    }
}

#[cfg(test)]
mod tests {
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
        let check = |limit: Option<u64>,
                     used: u64,
                     reserved: u64,
                     asked: u64,
                     expected: Result<u64, u64>| {
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
}
