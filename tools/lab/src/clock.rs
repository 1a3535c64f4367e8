//! The only place where time is read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns monotonic time.
#[expect(clippy::disallowed_methods, reason = "the lab runs in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns the wall clock in milliseconds, which pages use as well.
#[expect(clippy::disallowed_methods, reason = "the lab runs in real time")]
pub(crate) fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0
}

/// The time at which waiting ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(patience: Duration) -> Self {
        Self(instant() + patience)
    }

    pub(crate) fn is_past(self) -> bool {
        instant() >= self.0
    }
}
