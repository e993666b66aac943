//! Bounded waiting on conditions: tests never sleep and hope, and never hang.
//!
//! `until("the row", || ..)` polls a condition, `value` polls for a value, `bounded` puts an end to a future.
//! What runs out of time panics with the words given, so write them as the thing that was missed.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// Far above anything a healthy run needs, so that only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The only clock of the harness.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Polls until `holds`; panics after [`PATIENCE`].
pub(crate) async fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(PATIENCE, what, holds).await;
}

/// Polls until `holds`; panics after `limit`. For promises that name a time ("closed within 1 s").
pub(crate) async fn until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    value_within(limit, what, || holds().then_some(())).await;
}

/// Polls until there is a value.
pub(crate) async fn value<T>(what: &str, find: impl FnMut() -> Option<T>) -> T {
    value_within(PATIENCE, what, find).await
}

/// Awaits `future`, at most [`PATIENCE`].
pub(crate) async fn bounded<F: Future>(what: &str, future: F) -> F::Output {
    bounded_within(PATIENCE, what, future).await
}

/// Awaits `future`, at most `limit`.
pub(crate) async fn bounded_within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    let outcome = tokio::time::timeout(limit, future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}

async fn value_within<T>(limit: Duration, what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let polling = async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded_within(limit, what, polling).await
}
