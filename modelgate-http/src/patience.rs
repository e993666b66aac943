//! A timer that costs nothing while things move: it is set again only when it fires too early.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Measures how long the same wait lasts. Waits are told apart by their keys.
#[derive(Debug)]
pub(crate) struct Patience<K> {
    wait: Option<(K, Instant)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<K: Copy + PartialEq> Patience<K> {
    pub(crate) fn new() -> Self {
        Self {
            wait: None,
            sleep: None,
        }
    }

    /// The wait of that key began already.
    pub(crate) fn since(key: K, since: Instant) -> Self {
        Self {
            wait: Some((key, since)),
            sleep: None,
        }
    }

    /// Ready when `wait` lasted as long as it may. To be called again whenever something happened.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>, wait: Option<(K, Duration)>) -> Poll<()> {
        let Some((key, most)) = wait else {
            self.wait = None;
            return Poll::Pending;
        };
        let since = match self.wait {
            Some((same, since)) if same == key => since,
            _ => Instant::now(),
        };
        self.wait = Some((key, since));
        let deadline = since + most;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(task));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn lasts(patience: &mut Patience<u8>, key: u8, most: Duration) -> Duration {
        let start = Instant::now();
        poll_fn(|task| patience.poll(task, Some((key, most)))).await;
        start.elapsed()
    }

    async fn look(patience: &mut Patience<u8>, wait: Option<(u8, Duration)>) -> bool {
        poll_fn(|task| Poll::Ready(patience.poll(task, wait).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_one_wait_lasted_its_time() {
        let mut patience = Patience::new();
        assert!(!look(&mut patience, Some((1, 10 * SECOND))).await);
        advance(9 * SECOND).await;
        // Another wait begins anew, although the timer was set for the first.
        let lasted = lasts(&mut patience, 2, 10 * SECOND).await;
        assert!(lasted >= 10 * SECOND && lasted < 11 * SECOND, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_wait_is_not_held_up_by_a_longer_one() {
        let mut patience = Patience::new();
        assert!(!look(&mut patience, Some((1, 75 * SECOND))).await);
        let lasted = lasts(&mut patience, 2, 10 * SECOND).await;
        assert!(lasted >= 10 * SECOND && lasted < 11 * SECOND, "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_wait_it_never_ends() {
        let mut patience = Patience::new();
        assert!(!look(&mut patience, Some((1, SECOND))).await);
        let never = poll_fn(|task| patience.poll(task, None));
        assert!(timeout(60 * SECOND, never).await.is_err());
        assert!(
            !look(&mut patience, Some((1, SECOND))).await,
            "the same key after a pause is a new wait"
        );
    }
}
