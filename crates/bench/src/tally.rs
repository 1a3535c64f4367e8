//! What the load counts while it is measured.

use hdrhistogram::Histogram;

/// The longest time that is told from a longer one, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Counts of a window of time.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Media packets that were sent to the server, of pictures in several sizes those of the largest.
    pub(crate) sent: u64,
    /// Media packets that came from the server, counted once a receiver.
    pub(crate) received: u64,
    /// Media packets that are missing between two that came.
    pub(crate) lost: u64,
    /// Sounds and pictures of which nothing came.
    pub(crate) silent: usize,
    /// Nanoseconds from sending to the arrival at a receiver's network stack.
    pub(crate) latency: Histogram<u64>,
    /// Nanoseconds from when a packet was due until it was sent.
    pub(crate) lateness: Histogram<u64>,
    /// Keyframes that were asked for.
    pub(crate) keyframes_asked: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            received: 0,
            lost: 0,
            silent: 0,
            latency: histogram(),
            lateness: histogram(),
            keyframes_asked: 0,
        }
    }
}

/// Times up to a minute, in nanoseconds, with an error of at most a thousandth.
#[expect(clippy::expect_used, reason = "the bounds are constants, and right")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("bounds")
}

/// Adds a time.
pub(crate) fn record(histogram: &mut Histogram<u64>, nanoseconds: u64) {
    histogram.saturating_record(nanoseconds);
}

/// What was heard of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    first: u64,
    last: u64,
    count: u64,
}

impl Heard {
    /// A packet of this number came.
    pub(crate) fn note(&mut self, sequence: u64) {
        if self.count == 0 {
            (self.first, self.last) = (sequence, sequence);
        }
        self.first = self.first.min(sequence);
        self.last = self.last.max(sequence);
        self.count += 1;
    }

    /// How many are missing in between.
    pub(crate) fn lost(&self) -> u64 {
        if self.count == 0 { 0 } else { (self.last - self.first + 1).saturating_sub(self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_between_the_first_and_the_last_is_lost() {
        let mut heard = Heard::default();
        assert_eq!(heard.lost(), 0);
        for sequence in [10, 12, 11, 15] {
            heard.note(sequence);
        }
        assert_eq!(heard.lost(), 2);
        heard.note(14);
        assert_eq!(heard.lost(), 1);
    }
}
