//! What time it is.

use modelgate_domain::Timestamp;
use modelgate_domain::time::Monotonic;

/// The two clocks: one for people, one for limits and timers.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// Wall-clock time, which may jump. For display, storage and calendars.
    fn now(&self) -> Timestamp;

    /// Time since the process began, which never jumps.
    fn monotonic(&self) -> Monotonic;
}
