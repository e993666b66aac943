//! A clock that stands still until a test moves it.

use std::sync::Mutex;
use std::time::Duration;

use modelgate_domain::Timestamp;
use modelgate_domain::time::Monotonic;

use crate::driven::Clock;

/// Both clocks of [`Clock`], moved by hand. Begins at 2026-01-01T12:00:00Z, an hour after the process began.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Monotonic)>);

impl ManualClock {
    /// A clock at its beginning.
    pub fn new() -> Self {
        let noon = Timestamp::from_millis(1_767_268_800_000);
        Self(Mutex::new((
            noon,
            Monotonic::from_start(Duration::from_secs(3600)),
        )))
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, span: Duration) {
        let mut held = self.0.lock().expect("no panic while locked");
        *held = (held.0.after(span), held.1.after(span));
    }

    /// Sets the wall clock, as an operator or a time server does. The monotonic clock does not notice.
    pub fn set_wall(&self, now: Timestamp) {
        self.0.lock().expect("no panic while locked").0 = now;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().expect("no panic while locked").0
    }

    fn monotonic(&self) -> Monotonic {
        self.0.lock().expect("no panic while locked").1
    }
}
