//! Time, read in this one place.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that only goes forward.
#[expect(clippy::disallowed_methods, reason = "the lab lives in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Milliseconds of the wall clock, which the pages read too.
#[expect(clippy::disallowed_methods, reason = "the lab lives in real time")]
pub(crate) fn wall() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0
}

/// A moment after which nothing is waited for any more.
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
