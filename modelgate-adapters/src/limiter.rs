//! Limits of all keys, in the memory of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use modelgate_domain::KeyId;
use modelgate_domain::rate::{Limits, Standing, Window};
use modelgate_domain::time::Monotonic;
use modelgate_ports::driven::{Admitted, Clock, LimitError, RateLimiter, Recent};

const SHARDS: usize = 16;

/// A shard with fewer windows is never swept.
const FEW: usize = 64;

/// Counts in memory, by the monotonic clock. Keys are spread over shards, so that busy ones do not wait for each other.
pub struct LocalLimiter {
    clock: Arc<dyn Clock>,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    windows: HashMap<KeyId, Window>,
    /// How many windows there may be before idle ones are dropped.
    most: usize,
}

impl LocalLimiter {
    /// A limiter that has seen nothing.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Remembers requests admitted before this process began, oldest first, so that a restart resets no limit.
    pub fn restore(&self, rows: &[Recent]) {
        let (wall, now) = (self.clock.now().millis(), self.clock.monotonic());
        for row in rows {
            let age = u64::try_from(wall.saturating_sub(row.admitted.millis())).unwrap_or(0);
            let admitted =
                Monotonic::from_start(now.since_start().saturating_sub(Duration::from_millis(age)));
            self.with(row.key, now, |window| window.remember(row.tokens, admitted));
        }
    }

    fn with<T>(&self, key: KeyId, now: Monotonic, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut shard = self.shard(key);
        shard.sweep(now);
        act(shard.windows.entry(key).or_default())
    }

    /// A window is whole after every call, so a panic of another thread spoils nothing.
    fn shard(&self, key: KeyId) -> MutexGuard<'_, Shard> {
        let index = usize::try_from(key.0.unsigned_abs() % SHARDS as u64).unwrap_or(0);
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Drops idle windows once there are twice as many as were left by the last sweep: little work, bounded memory.
    fn sweep(&mut self, now: Monotonic) {
        if self.windows.len() >= self.most.max(FEW) {
            self.windows.retain(|_, window| !window.is_idle(now));
            self.most = self.windows.len().saturating_mul(2);
        }
    }
}

#[async_trait]
impl RateLimiter for LocalLimiter {
    async fn admit(
        &self,
        key: KeyId,
        limits: &Limits,
        tokens: u64,
    ) -> Result<Admitted, LimitError> {
        let at = self.clock.monotonic();
        let standing = self.with(key, at, |window| window.admit(limits, tokens, at))?;
        Ok(Admitted {
            at,
            tokens,
            standing,
        })
    }

    fn take_back(&self, key: KeyId, limits: &Limits, admitted: &Admitted) {
        if let Some(window) = self.shard(key).windows.get_mut(&key) {
            window.take_back(limits, admitted.tokens, admitted.at);
        }
    }

    fn finish(&self, key: KeyId, admitted: &Admitted, used: u64) {
        if let Some(window) = self.shard(key).windows.get_mut(&key) {
            window.finish(admitted.tokens, used, admitted.at);
        }
    }

    async fn standing(&self, key: KeyId, limits: &Limits) -> Result<Standing, LimitError> {
        let now = self.clock.monotonic();
        let shard = self.shard(key);
        Ok(shard.windows.get(&key).map_or_else(
            || Window::default().standing(limits, now),
            |window| window.standing(limits, now),
        ))
    }
}

#[cfg(test)]
mod tests {
    use modelgate_domain::Timestamp;
    use modelgate_ports::test_util::contract::limiter_contract;
    use modelgate_ports::test_util::{ManualClock, sample::NOON};

    use super::*;

    fn limiter() -> (LocalLimiter, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        (LocalLimiter::new(clock.clone()), clock)
    }

    const TWO_A_MINUTE: Limits = Limits {
        rpm: Some(2),
        burst: None,
        tpm: Some(100),
        max_parallel: None,
    };

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let (limiter, clock) = limiter();
        limiter_contract(&limiter, &clock).await;
    }

    #[tokio::test]
    async fn a_restart_resets_nothing() {
        let (limiter, clock) = limiter();
        let before = |seconds: i64| Timestamp::from_millis(NOON.millis() - seconds * 1000);
        let row = |seconds, tokens| Recent {
            key: KeyId(1),
            admitted: before(seconds),
            tokens,
        };
        limiter.restore(&[row(50, 30), row(20, 40)]);
        let wait = async || match limiter.admit(KeyId(1), &TWO_A_MINUTE, 0).await {
            Err(LimitError::Exceeded(exceeded)) => Some(exceeded.retry_after.as_secs()),
            _ => None,
        };
        assert_eq!(wait().await, Some(10));
        let standing = limiter.standing(KeyId(1), &TWO_A_MINUTE).await.unwrap();
        assert_eq!(standing.tokens.map(|meter| meter.remaining), Some(30));
        clock.advance(Duration::from_secs(10));
        assert_eq!(wait().await, None);
        assert_eq!(wait().await, Some(30));
    }

    #[tokio::test]
    async fn a_row_from_the_future_counts_as_of_now() {
        let (limiter, _clock) = limiter();
        let later = NOON.after(Duration::from_secs(3 * 3600));
        limiter.restore(&[Recent {
            key: KeyId(1),
            admitted: later,
            tokens: 100,
        }]);
        assert!(limiter.admit(KeyId(1), &TWO_A_MINUTE, 1).await.is_err());
    }

    #[tokio::test]
    async fn keys_that_fell_silent_take_no_memory() {
        let (limiter, clock) = limiter();
        let held = || {
            limiter
                .shards
                .iter()
                .map(|shard| shard.lock().unwrap().windows.len())
                .sum::<usize>()
        };
        for key in 0..10_000 {
            let admitted = limiter.admit(KeyId(key), &TWO_A_MINUTE, 1).await.unwrap();
            limiter.finish(KeyId(key), &admitted, 1);
        }
        assert_eq!(held(), 10_000);
        let running = limiter.admit(KeyId(5), &TWO_A_MINUTE, 1).await.unwrap();
        clock.advance(Duration::from_secs(120));
        for key in 10_000..20_000 {
            limiter.admit(KeyId(key), &TWO_A_MINUTE, 1).await.unwrap();
        }
        assert!(held() <= 10_001, "{}", held());
        assert!(
            limiter.shard(KeyId(5)).windows.contains_key(&KeyId(5)),
            "it has a request that runs"
        );
        limiter.finish(KeyId(5), &running, 1);
    }
}
