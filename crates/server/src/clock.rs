//! The operating system's clock and randomness: the only places where the program reads them.

use bedside_visit::{Clock, Timestamp};
use uuid::Uuid;

/// The operating system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// An identifier that sorts by time (UUID version 7, RFC 9562).
pub(crate) fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
