//! The system's clock and randomness.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use modelgate_domain::Timestamp;
use modelgate_domain::time::Monotonic;
use modelgate_ports::driven::{Clock, Entropy, NoEntropy};

/// How far the monotonic clock is in when the process begins, so that it can also tell the minutes before.
const HEAD_START: Duration = Duration::from_secs(3600);

/// The clocks of this machine.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// Begins to count now.
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clock")]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_start(HEAD_START + self.began.elapsed())
    }
}

/// Asks of up to this many bytes are served from a reserve: request ids, not keys.
const SMALL: usize = 16;

const RESERVE: usize = 512;

thread_local! {
    /// Bytes not yet given out, at the end of the array: each is wiped as it goes.
    static BYTES: RefCell<([u8; RESERVE], usize)> = const { RefCell::new(([0; RESERVE], 0)) };
}

/// The operating system's randomness, asked once for many request ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        if bytes.len() > SMALL {
            return ask_system(bytes);
        }
        BYTES.with_borrow_mut(|(reserve, left)| {
            if *left < bytes.len() {
                *left = 0; // what a failed refill leaves behind must not be given out
                ask_system(reserve)?;
                *left = RESERVE;
            }
            let given = &mut reserve[*left - bytes.len()..*left];
            bytes.copy_from_slice(given);
            given.fill(0);
            *left -= bytes.len();
            Ok(())
        })
    }
}

fn ask_system(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    getrandom::fill(bytes).map_err(|_| NoEntropy)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_monotonic_clock_can_tell_the_hour_before_the_start() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(first.since_start() >= HEAD_START);
        assert!(clock.monotonic() >= first);
        assert!(clock.now() > Timestamp::parse("2025-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn no_bytes_are_given_twice() {
        for length in [10, 16, 17, 32] {
            let mut seen = HashSet::new();
            for _ in 0..500 {
                let mut bytes = vec![0; length];
                OsEntropy.fill(&mut bytes).unwrap();
                assert!(seen.insert(bytes), "length {length}");
            }
        }
    }
}
