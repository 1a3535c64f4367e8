//! Time, read in this one place.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A clock that only goes forward, for what is due.
#[expect(clippy::disallowed_methods, reason = "the load is made in real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds of the wall clock since 1970. Packets are stamped with it, because the kernel notes their arrival by it.
pub(crate) fn wall() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    nanoseconds(now.tv_sec, now.tv_nsec)
}

/// A moment of the wall clock, as [`wall`] gives it.
pub(crate) fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let since = Duration::new(seconds.try_into().unwrap_or(0), nanoseconds.try_into().unwrap_or(0));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Now, as RFC 3339 has it.
pub(crate) fn moment() -> String {
    let seconds = i64::try_from(wall() / 1_000_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
