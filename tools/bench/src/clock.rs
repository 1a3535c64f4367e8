//! The only place where time is read.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Returns monotonic time, for scheduling.
#[expect(clippy::disallowed_methods, reason = "load is generated in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns the wall clock in nanoseconds since 1970. Packets are stamped with it, because the kernel's receive
/// timestamps use it.
pub(crate) fn wall() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    nanoseconds(now.tv_sec, now.tv_nsec)
}

/// Converts a wall clock time to the units of [`wall`].
pub(crate) fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let since = Duration::new(seconds.try_into().unwrap_or(0), nanoseconds.try_into().unwrap_or(0));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the current time in RFC 3339 format.
pub(crate) fn moment() -> String {
    let seconds = i64::try_from(wall() / 1_000_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
