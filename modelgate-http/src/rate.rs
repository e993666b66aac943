//! Limits as clients are told of them: `x-ratelimit-*` and `retry-after`.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use modelgate_domain::rate::{Meter, Standing};
use modelgate_ports::driving::gateway::{Context, QuotaStanding};

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
const DROPPED: HeaderName = HeaderName::from_static("x-modelgate-dropped");

/// Longest wait a client is told, in seconds: official clients ignore longer ones.
const LONGEST_WAIT: u64 = 60;

/// Tells where the key stands, and which parameters were left out.
pub(crate) fn tell(headers: &mut HeaderMap, context: &Context) {
    tell_standing(headers, &context.standing, context.quota);
    if !context.dropped.is_empty()
        && let Ok(names) = HeaderValue::from_str(&context.dropped.join(", "))
    {
        headers.insert(DROPPED, names);
    }
}

/// Tells where the key stands. Tokens per minute are told if they are limited, else the quota.
pub(crate) fn tell_standing(
    headers: &mut HeaderMap,
    standing: &Standing,
    quota: Option<QuotaStanding>,
) {
    if let Some(meter) = standing.requests {
        insert(
            headers,
            REQUESTS,
            meter.limit,
            meter.remaining,
            Some(meter.reset),
        );
    }
    match (standing.tokens, quota) {
        (
            Some(Meter {
                limit,
                remaining,
                reset,
            }),
            _,
        ) => insert(headers, TOKENS, limit, remaining, Some(reset)),
        (None, Some(quota)) => insert(
            headers,
            TOKENS,
            quota.limit,
            quota.remaining,
            until_reset(quota),
        ),
        (None, None) => {}
    }
}

/// Whole seconds for `retry-after`, rounded up, from 1 to 60.
pub(crate) fn retry_after(wait: Duration) -> u64 {
    let seconds = wait
        .as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0));
    seconds.clamp(1, LONGEST_WAIT)
}

fn insert(
    headers: &mut HeaderMap,
    [limit_name, left_name, reset_name]: [HeaderName; 3],
    limit: u64,
    left: u64,
    reset: Option<Duration>,
) {
    headers.insert(limit_name, limit.into());
    headers.insert(left_name, left.into());
    if let Some(Ok(reset)) = reset.map(|reset| HeaderValue::from_str(&duration(reset))) {
        headers.insert(reset_name, reset);
    }
}

fn until_reset(quota: QuotaStanding) -> Option<Duration> {
    let millis = quota.resets_at?.millis().saturating_sub(quota.now.millis());
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// As Go writes durations: `120ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`. Rounded up to milliseconds.
fn duration(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000);
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (seconds, fraction) = (millis / 1_000, millis % 1_000);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if minutes > 0 {
        let _ = write!(text, "{}m", minutes % 60);
    }
    let _ = write!(text, "{}", seconds % 60);
    if fraction > 0 {
        let digits = format!(".{fraction:03}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use modelgate_domain::Timestamp;

    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        let check = |millis: u64, expected: &str| {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        };
        check(0, "0s");
        check(1, "1ms");
        check(120, "120ms");
        check(1_000, "1s");
        check(1_500, "1.5s");
        check(59_983, "59.983s");
        check(60_000, "1m0s");
        check(360_000, "6m0s");
        check(3_600_000, "1h0m0s");
        check(86_400_000, "24h0m0s");
        check(3_723_040, "1h2m3.04s");
        assert_eq!(duration(Duration::from_nanos(1)), "1ms");
        assert_eq!(duration(Duration::from_micros(999_500)), "1s");
    }

    #[test]
    fn waits_are_whole_seconds_that_clients_obey() {
        let check = |millis: u64, expected: u64| {
            assert_eq!(retry_after(Duration::from_millis(millis)), expected);
        };
        check(0, 1);
        check(1, 1);
        check(1_000, 1);
        check(1_001, 2);
        check(59_999, 60);
        check(600_000, 60);
        assert_eq!(retry_after(Duration::MAX), 60);
    }

    fn told(context: &Context) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        tell(&mut headers, context);
        let mut told: Vec<_> = headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str().trim_start_matches("x-ratelimit-").to_owned();
                (name, value.to_str().unwrap().to_owned())
            })
            .collect();
        told.sort();
        told
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn tokens_per_minute_come_before_the_quota() {
        let meter = |limit, remaining, seconds| {
            Some(Meter {
                limit,
                remaining,
                reset: Duration::from_secs(seconds),
            })
        };
        let at = Timestamp::from_millis;
        let quota = QuotaStanding {
            limit: 1_000,
            remaining: 7,
            resets_at: Some(at(61_000)),
            now: at(1_000),
        };
        let mut context = Context {
            quota: Some(quota),
            ..Context::default()
        };
        assert_eq!(
            told(&context),
            pairs(&[
                ("limit-tokens", "1000"),
                ("remaining-tokens", "7"),
                ("reset-tokens", "1m0s")
            ])
        );
        context.standing = Standing {
            requests: meter(60, 59, 1),
            tokens: meter(500, 400, 2),
        };
        let expected = [
            ("limit-requests", "60"),
            ("limit-tokens", "500"),
            ("remaining-requests", "59"),
            ("remaining-tokens", "400"),
            ("reset-requests", "1s"),
            ("reset-tokens", "2s"),
        ];
        assert_eq!(told(&context), pairs(&expected));
    }

    #[test]
    fn a_quota_without_an_end_has_no_reset_and_no_limit_has_no_headers() {
        let quota = QuotaStanding {
            limit: 5,
            remaining: 0,
            resets_at: None,
            now: Timestamp::default(),
        };
        let context = Context {
            quota: Some(quota),
            dropped: vec!["seed".into(), "n".into()],
            ..Context::default()
        };
        let expected = [
            ("limit-tokens", "5"),
            ("remaining-tokens", "0"),
            ("x-modelgate-dropped", "seed, n"),
        ];
        assert_eq!(told(&context), pairs(&expected));
        assert_eq!(told(&Context::default()), pairs(&[]));
    }
}
