//! Access to the operating system's clocks, and generation of time-ordered identifiers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_visit::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// The operating system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock that all other code receives")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Wall clock that filters steps of the system clock. When the system clock is stepped, this clock continues unchanged
/// until the system clock has kept the new time for a minute. A step that is reverted therefore has no effect, and a
/// single wrong reading does not end visits, sessions or links.
#[derive(Debug, Default)]
pub struct SteadyClock<C = SystemClock> {
    system: C,
    state: Mutex<Option<Steady>>,
}

/// Smaller differences are NTP corrections and are followed immediately.
const SMALL: Duration = Duration::from_secs(2);
/// How long a step must persist before it is followed.
const BELIEVED_AFTER: Duration = Duration::from_secs(60);

/// State of a [`SteadyClock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Steady {
    /// Wall-clock time at a reading of the monotonic clock (`running`).
    wall: Timestamp,
    running: Duration,
    /// Since when, and by how many milliseconds, the system clock differs.
    differs: Option<(Duration, i64)>,
}

/// Change of the system clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    /// It was stepped by this many milliseconds.
    Seen(i64),
    /// It has kept the step, in milliseconds, and is followed from now on.
    Believed(i64),
}

impl Steady {
    /// Returns the current time, given the system's wall clock and the monotonic clock.
    fn read(&mut self, wall: Timestamp, running: Duration) -> (Timestamp, Step) {
        let expected = self.wall + running.saturating_sub(self.running);
        let by = wall.as_millis().saturating_sub(expected.as_millis());
        let small = i64::try_from(SMALL.as_millis()).unwrap_or(i64::MAX);
        if by.abs() <= small {
            *self = Self { wall, running, differs: None };
            return (wall, Step::None);
        }
        match self.differs {
            Some((since, before)) if by.saturating_sub(before).abs() <= small => {
                if running.saturating_sub(since) < BELIEVED_AFTER {
                    return (expected, Step::None);
                }
                *self = Self { wall, running, differs: None };
                (wall, Step::Believed(by))
            }
            Some(_) | None => {
                self.differs = Some((running, by));
                (expected, Step::Seen(by))
            }
        }
    }
}

impl<C> SteadyClock<C> {
    /// Filters the steps of a clock.
    pub const fn over(system: C) -> Self {
        Self { system, state: Mutex::new(None) }
    }
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn now(&self) -> Timestamp {
        let (wall, running) = (self.system.now(), running());
        let mut steady = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, step) = steady.get_or_insert(Steady { wall, running, differs: None }).read(wall, running);
        drop(steady);
        match step {
            Step::None => {}
            Step::Seen(by) => tracing::warn!(by_milliseconds = by, "system clock changed, not following it yet"),
            Step::Believed(by) => tracing::warn!(by_milliseconds = by, "following the changed system clock"),
        }
        now
    }
}

/// Returns the monotonic clock, which on Linux also advances while the machine is suspended.
fn running() -> Duration {
    #[cfg(target_os = "linux")]
    const RUNNING: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const RUNNING: ClockId = ClockId::Monotonic;
    let time = clock_gettime(RUNNING);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Generates a time-ordered identifier (UUID version 7, RFC 9562).
pub(crate) fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn steady() -> Steady {
        Steady { wall: T, running: SECOND * 100, differs: None }
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_moment_changes_nothing() {
        for (number, ahead) in [DAY, SECOND * 1_860, SECOND * 3].into_iter().enumerate() {
            let mut steady = steady();
            for second in 1..=3 {
                let after = SECOND * second;
                let (now, step) = steady.read(T + after + ahead, SECOND * 100 + after);
                assert_eq!(now, T + after, "{number}");
                assert_eq!(step == Step::None, second > 1, "it is said once");
            }
            let (now, step) = steady.read(T + SECOND * 4, SECOND * 104);
            assert_eq!((now, step, steady.differs), (T + SECOND * 4, Step::None, None));
            // The step is reverted.
            let (now, _) = steady.read(T + SECOND * 5 - ahead, SECOND * 105);
            assert_eq!(now, T + SECOND * 5);
        }
    }

    #[test]
    fn a_clock_that_stays_at_another_time_is_followed_after_a_minute() {
        let mut steady = steady();
        for second in 1..=60 {
            let (now, _) = steady.read(T + DAY + SECOND * second, SECOND * (100 + second));
            assert_eq!(now, T + SECOND * second);
        }
        let by = 86_400_000;
        let read = steady.read(T + DAY + SECOND * 61, SECOND * 161);
        assert_eq!(read, (T + DAY + SECOND * 61, Step::Believed(by)));
        assert_eq!(steady.read(T + DAY + SECOND * 62, SECOND * 162), (T + DAY + SECOND * 62, Step::None));
    }

    #[test]
    fn small_corrections_are_followed_at_once_and_a_clock_that_jumps_about_is_not_believed() {
        let mut steady = steady();
        let half = Duration::from_millis(500);
        assert_eq!(steady.read(T + SECOND + half, SECOND * 101), (T + SECOND + half, Step::None));
        let mut steady = self::steady();
        for second in 1..=600 {
            let (now, _) = steady.read(T + SECOND * second * 30, SECOND * (100 + second));
            assert_eq!(now, T + SECOND * second, "each look shows another time");
        }
    }
}
