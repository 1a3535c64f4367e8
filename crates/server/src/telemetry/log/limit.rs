//! Rate limit for each log call site, so that clients cannot flood the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Maximum burst of lines from one call site.
const BURST: u32 = 60;
/// Interval at which one more line is allowed after a burst.
const EVERY: Duration = Duration::from_secs(1);

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write the line, after a note about `suppressed` earlier lines from the same call site.
    Write { suppressed: u64 },
    /// Suppress the line, and write a note instead because it is the first one suppressed.
    Announce,
    /// Suppress the line.
    Suppress,
}

/// Token buckets by call site.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<Identifier, Bucket>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u32,
    /// When the last token was added.
    filled_at: Instant,
    suppressed: u64,
}

impl Limits {
    pub(super) fn ask(&mut self, place: Identifier, now: Instant) -> Verdict {
        let bucket = self.0.entry(place).or_insert(Bucket { tokens: BURST, filled_at: now, suppressed: 0 });
        let periods = now.saturating_duration_since(bucket.filled_at).as_secs() / EVERY.as_secs();
        if periods > 0 {
            let added = u32::try_from(periods).unwrap_or(u32::MAX);
            bucket.tokens = bucket.tokens.saturating_add(added).min(BURST);
            bucket.filled_at = now;
        }
        if let Some(left) = bucket.tokens.checked_sub(1) {
            bucket.tokens = left;
            return Verdict::Write { suppressed: std::mem::take(&mut bucket.suppressed) };
        }
        bucket.suppressed += 1;
        if bucket.suppressed == 1 { Verdict::Announce } else { Verdict::Suppress }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite as _;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    #[test]
    fn a_place_that_logs_too_much_is_limited_and_its_neighbours_are_not() {
        let (mut limits, begun) = (Limits::default(), Instant::now());
        let place = |number: usize| {
            let one = tracing::callsite! { name: "one", kind: tracing::metadata::Kind::EVENT, fields: };
            let two = tracing::callsite! { name: "two", kind: tracing::metadata::Kind::EVENT, fields: };
            [one.metadata().callsite(), two.metadata().callsite()][number].clone()
        };
        for _ in 0..BURST {
            assert_eq!(limits.ask(place(0), begun), Verdict::Write { suppressed: 0 });
        }
        assert_eq!(limits.ask(place(0), begun), Verdict::Announce);
        assert_eq!(limits.ask(place(0), begun), Verdict::Suppress);
        assert_eq!(limits.ask(place(1), begun), Verdict::Write { suppressed: 0 });
        assert_eq!(limits.ask(place(0), begun + EVERY), Verdict::Write { suppressed: 2 });
        assert_eq!(limits.ask(place(0), begun + EVERY), Verdict::Announce);
        let later = begun + EVERY * 1_000;
        assert_eq!(limits.ask(place(0), later), Verdict::Write { suppressed: 1 });
        for _ in 1..BURST {
            assert_eq!(limits.ask(place(0), later), Verdict::Write { suppressed: 0 });
        }
        assert_eq!(limits.ask(place(0), later), Verdict::Announce);
    }
}
