//! Limits in a map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use modelgate_domain::KeyId;
use modelgate_domain::rate::{Limits, Standing, Window};

use crate::driven::{Admitted, Clock, LimitError, RateLimiter};

/// A limiter in memory, by the clock it is given.
pub struct FakeLimiter {
    clock: Arc<dyn Clock>,
    windows: Mutex<HashMap<KeyId, Window>>,
}

impl FakeLimiter {
    /// A limiter that has seen nothing.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            windows: Mutex::default(),
        }
    }

    fn with<T>(&self, key: KeyId, act: impl FnOnce(&mut Window) -> T) -> T {
        act(self
            .windows
            .lock()
            .expect("no panic while locked")
            .entry(key)
            .or_default())
    }
}

#[async_trait]
impl RateLimiter for FakeLimiter {
    async fn admit(
        &self,
        key: KeyId,
        limits: &Limits,
        tokens: u64,
    ) -> Result<Admitted, LimitError> {
        let at = self.clock.monotonic();
        let standing = self.with(key, |window| window.admit(limits, tokens, at))?;
        Ok(Admitted {
            at,
            tokens,
            standing,
        })
    }

    fn take_back(&self, key: KeyId, limits: &Limits, admitted: &Admitted) {
        self.with(key, |window| {
            window.take_back(limits, admitted.tokens, admitted.at);
        });
    }

    fn finish(&self, key: KeyId, admitted: &Admitted, used: u64) {
        self.with(key, |window| {
            window.finish(admitted.tokens, used, admitted.at);
        });
    }

    async fn standing(&self, key: KeyId, limits: &Limits) -> Result<Standing, LimitError> {
        let now = self.clock.monotonic();
        Ok(self.with(key, |window| window.standing(limits, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::ManualClock;
    use crate::test_util::contract::limiter_contract;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        let clock = Arc::new(ManualClock::new());
        limiter_contract(&FakeLimiter::new(clock.clone()), &clock).await;
    }
}
