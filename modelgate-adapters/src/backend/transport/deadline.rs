//! The timers of one request: one sleep for all of them, moved only when it wakes or has to wake earlier.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use modelgate_ports::driven::Timer;
use tokio::time::{Instant, Sleep, sleep_until};

use super::TransportConfig;

/// Which timer runs, and when it runs out.
pub(super) struct Deadlines {
    sleep: Pin<Box<Sleep>>,
    phase: Phase,
    idle: Duration,
    /// When the whole stream must be over.
    end: Instant,
}

enum Phase {
    /// Until this instant, whatever comes.
    Until(Instant, Timer),
    /// The stream flows; since then we wait for more, if we wait.
    Flowing(Option<Instant>),
}

impl Deadlines {
    /// From now on: until the first event of a stream, or until the answer is whole.
    pub(super) fn start(config: &TransportConfig, stream: bool) -> Self {
        let now = Instant::now();
        let (limit, timer) = if stream {
            (config.first_event, Timer::FirstEvent)
        } else {
            (config.answer, Timer::Answer)
        };
        Self {
            sleep: Box::pin(sleep_until(now + limit)),
            phase: Phase::Until(now + limit, timer),
            idle: config.idle,
            end: now + config.stream,
        }
    }

    /// The stream has begun. Says nothing to an answer that is no stream.
    pub(super) fn begun(&mut self) {
        if let Phase::Until(_, Timer::FirstEvent) = self.phase {
            self.phase = Phase::Flowing(None);
        }
    }

    /// All has come that was waited for; the end of the body may take so long.
    pub(super) fn parting(&mut self, grace: Duration) {
        self.phase = Phase::Until(Instant::now() + grace, Timer::Idle);
    }

    /// Something came.
    pub(super) fn progressed(&mut self) {
        if let Phase::Flowing(waiting) = &mut self.phase {
            *waiting = None;
        }
    }

    /// To be polled while nothing comes: ready when it took too long.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Timer> {
        let (deadline, timer) = self.next();
        if self.sleep.deadline() > deadline {
            self.sleep.as_mut().reset(deadline);
        }
        loop {
            if self.sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(timer);
            }
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// Runs `work` until the timer runs out.
    pub(super) async fn race<F: Future>(&mut self, work: F) -> Result<F::Output, Timer> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(context).map(Err),
        })
        .await
    }

    fn next(&mut self) -> (Instant, Timer) {
        match &mut self.phase {
            Phase::Until(deadline, timer) => (*deadline, *timer),
            Phase::Flowing(waiting) => {
                let idle = *waiting.get_or_insert_with(Instant::now) + self.idle;
                if idle < self.end {
                    (idle, Timer::Idle)
                } else {
                    (self.end, Timer::Stream)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn start(stream: bool) -> Deadlines {
        Deadlines::start(&TransportConfig::default(), stream)
    }

    async fn runs_out(deadlines: &mut Deadlines) -> Timer {
        deadlines.race(pending::<()>()).await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn each_timer_runs_out_at_its_time_and_not_before() {
        let check = async |stream: bool, flowing: bool, limit: Duration, expected: Timer| {
            let mut deadlines = start(stream);
            if flowing {
                deadlines.begun();
            }
            assert_eq!(
                deadlines.race(sleep(limit.saturating_sub(TICK))).await,
                Ok(())
            );
            let begun = Instant::now();
            assert_eq!(runs_out(&mut deadlines).await, expected);
            assert_eq!(begun.elapsed(), TICK, "{expected:?}");
        };
        check(false, false, seconds(300), Timer::Answer).await;
        check(false, true, seconds(300), Timer::Answer).await;
        check(true, false, seconds(300), Timer::FirstEvent).await;
        check(true, true, seconds(60), Timer::Idle).await;
    }

    #[tokio::test(start_paused = true)]
    async fn progress_starts_the_idle_timer_anew_and_the_whole_stream_has_an_end() {
        let mut deadlines = start(true);
        deadlines.begun();
        let begun = Instant::now();
        for _ in 0..30 {
            assert_eq!(deadlines.race(sleep(seconds(59))).await, Ok(()));
            deadlines.progressed();
        }
        assert_eq!(runs_out(&mut deadlines).await, Timer::Stream);
        assert_eq!(begun.elapsed(), seconds(30 * 60));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waited_does_not_count_as_idle() {
        let mut deadlines = start(true);
        deadlines.begun();
        deadlines.progressed();
        sleep(seconds(500)).await;
        assert_eq!(deadlines.race(sleep(seconds(59))).await, Ok(()));
    }
}
