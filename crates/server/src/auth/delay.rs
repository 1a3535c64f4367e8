//! Exponential back-off after failed sign-in attempts, as a pure state machine.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use bedside_visit::Timestamp;

/// Back-off parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Number of failed attempts in a row without a delay.
    pub(crate) free: u32,
    /// Delay after the next failure. Each further failure doubles it.
    pub(crate) first: Duration,
    /// Maximum delay. Accounts are never locked permanently.
    pub(crate) longest: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Timestamp,
    free_at: Timestamp,
}

/// Failed attempts for each key. An attempt counts as failed from its start until it is known to have succeeded, so
/// that concurrent attempts are limited too.
#[derive(Debug)]
pub(crate) struct Delays<K> {
    rule: Rule,
    tries: HashMap<K, Tries>,
}

impl<K: Hash + Eq> Delays<K> {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, tries: HashMap::new() }
    }

    /// Starts an attempt and counts it as failed.
    ///
    /// # Errors
    /// The time left to wait, if a delay is still running. Such an attempt is not counted and does not extend the
    /// delay.
    pub(crate) fn begin(&mut self, key: K, now: Timestamp) -> Result<(), Duration> {
        let tries = self.tries.entry(key).or_insert(Tries { wrong: 0, last: now, free_at: now });
        let (wait, longest) = (tries.free_at.since(now), self.rule.delay(tries.wrong));
        if wait > longest {
            // The clock was set back: cap the remaining delay.
            (tries.last, tries.free_at) = (now, now + longest);
        }
        if now < tries.free_at {
            return Err(tries.free_at.since(now));
        }
        if now.since(tries.last) >= self.rule.forgotten_after() {
            tries.wrong = 0;
        }
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last = now;
        tries.free_at = now + self.rule.delay(tries.wrong);
        Ok(())
    }

    /// Returns the number of failed attempts in a row.
    pub(crate) fn wrong(&self, key: &K) -> u32 {
        self.tries.get(key).map_or(0, |tries| tries.wrong)
    }

    /// Records a success and clears the failed attempts.
    pub(crate) fn right(&mut self, key: &K) {
        self.tries.remove(key);
    }

    /// Removes keys that have been inactive for long.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        let after = self.rule.forgotten_after();
        self.tries.retain(|_, tries| now.since(tries.last) < after);
    }
}

impl Rule {
    /// Returns the delay after the `wrong`th failed attempt in a row.
    fn delay(&self, wrong: u32) -> Duration {
        match wrong.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => self.first.saturating_mul(1 << (beyond - 1).min(20)).min(self.longest),
        }
    }

    /// Returns how long after the last attempt its key is forgotten: twice the maximum delay.
    fn forgotten_after(&self) -> Duration {
        self.longest * 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule { free: 3, first: Duration::from_secs(1), longest: Duration::from_secs(60) };
    const T: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_longer() {
        let (mut delays, day) = (Delays::new(RULE), Duration::from_secs(24 * 3600));
        for _ in 0..=RULE.free {
            delays.begin("ada", T + day).expect("free");
        }
        let wait = delays.begin("ada", T).expect_err("too early");
        assert!(wait <= RULE.first, "{wait:?}");
        delays.begin("ada", T + RULE.first).expect("after that");
    }

    /// Makes each attempt as soon as it is allowed, and returns the delays in between.
    fn waits(delays: &mut Delays<&'static str>, count: usize) -> Vec<u64> {
        let (mut now, mut waited) = (T, Vec::new());
        for _ in 0..count {
            let wait = match delays.begin("ada", now) {
                Ok(()) => Duration::ZERO,
                Err(wait) => {
                    now = now + wait;
                    delays.begin("ada", now).expect("it has waited");
                    wait
                }
            };
            waited.push(wait.as_secs());
        }
        waited
    }

    #[test]
    fn each_wrong_try_doubles_the_delay_up_to_the_longest() {
        assert_eq!(waits(&mut Delays::new(RULE), 12), [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_right_one_forgets_them_and_nobody_else_waits() {
        let mut delays = Delays::new(RULE);
        waits(&mut delays, 8);
        assert!(delays.begin("ada", T).is_err());
        assert!(delays.begin("grace", T).is_ok());
        delays.right(&"ada");
        assert_eq!(waits(&mut delays, 5), [0, 0, 0, 0, 1]);
    }

    #[test]
    fn quiet_for_long_is_as_if_nothing_had_been() {
        let mut delays = Delays::new(RULE);
        waits(&mut delays, 8);
        let later = T + Duration::from_secs(3600);
        for _ in 0..3 {
            assert!(delays.begin("ada", later).is_ok());
        }
        delays.sweep(later + Duration::from_secs(120));
        assert!(delays.tries.is_empty());
    }

    proptest! {
        /// For any sequence of attempts, no delay exceeds the maximum, and a refused attempt is accepted after exactly
        /// the announced delay.
        #[test]
        fn nobody_is_locked_out(steps in proptest::collection::vec(0_u64..90_000, 1..200)) {
            let mut delays = Delays::new(RULE);
            let mut now = T;
            for step in steps {
                now = now + Duration::from_millis(step);
                if let Err(wait) = delays.begin("ada", now) {
                    prop_assert!(wait <= RULE.longest);
                    now = now + wait;
                    prop_assert!(delays.begin("ada", now).is_ok());
                }
            }
        }
    }
}
