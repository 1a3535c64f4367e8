//! Durations of stages and tests: a table of the stages and the ten slowest tests.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::terminal::{heading, say};

/// Number of tests listed.
const SLOWEST: usize = 10;

static STAGES: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());
static TESTS: Mutex<Vec<(String, Duration)>> = Mutex::new(Vec::new());

/// Runs a stage and records its duration, even if it fails.
pub(crate) fn stage<T>(name: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    heading(name);
    #[allow(clippy::disallowed_methods, reason = "measures the run")]
    let begun = Instant::now();
    let done = work();
    let taken = begun.elapsed();
    say(&format!("== {name}: {}", seconds(taken)));
    lock(&STAGES).push((name.to_owned(), taken));
    done
}

/// Records a test's duration if this is such a line of the test harness.
pub(crate) fn note(line: &str) {
    lock(&TESTS).extend(test(line));
}

/// Prints the stages of this run in order, and the slowest tests. Parallel stages each have their own duration.
pub(crate) fn table(total: Duration) {
    let (stages, mut tests) = (lock(&STAGES), lock(&TESTS));
    if !stages.is_empty() {
        heading("stages");
        for (name, taken) in stages.iter() {
            let share = 100.0 * taken.as_secs_f64() / total.as_secs_f64().max(0.001);
            say(&format!("{:>9} {share:>4.0} %  {name}", seconds(*taken)));
        }
        say(&format!("{:>9}         in all", seconds(total)));
    }
    if !tests.is_empty() {
        heading(&format!("slowest of {} tests", tests.len()));
        tests.sort_by_key(|(_, taken)| std::cmp::Reverse(*taken));
        for (name, taken) in tests.iter().take(SLOWEST) {
            say(&format!("{:>9}  {name}", seconds(*taken)));
        }
    }
}

/// Parses `test a::test ... ok <1.234s>`.
fn test(line: &str) -> Option<(String, Duration)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let taken = outcome.rsplit_once('<')?.1.strip_suffix("s>")?.parse().ok()?;
    Some((name.to_owned(), Duration::try_from_secs_f64(taken).ok()?))
}

fn seconds(taken: Duration) -> String {
    format!("{:.1} s", taken.as_secs_f64())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_read_from_the_harness() {
        let read = |line| test(line).map(|(name, taken)| (name, taken.as_millis()));
        assert_eq!(read("test a::b ... ok <1.234s>"), Some(("a::b".to_owned(), 1_234)));
        assert_eq!(read("test a::b - should panic ... FAILED <0.010s>"), Some(("a::b - should panic".to_owned(), 10)));
        assert_eq!(read("test a::b ... ignored, needs Chromium"), None);
        assert_eq!(read("test a::b ... ok"), None);
        assert_eq!(read("test result: ok. 1 passed; finished in 1.00s"), None);
    }
}
