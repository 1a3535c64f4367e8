//! Counters of a measurement.

use hdrhistogram::Histogram;

/// Maximum value of histograms in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Counters of a period.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Media packets sent to the server; with simulcast, only those of the largest layer.
    pub(crate) sent: u64,
    /// Media packets received from the server, counted once per receiver.
    pub(crate) received: u64,
    /// Media packets missing between two received ones.
    pub(crate) lost: u64,
    /// Streams from which nothing arrived.
    pub(crate) silent: usize,
    /// Latency in nanoseconds from sending to arrival at the receiver's network stack.
    pub(crate) latency: Histogram<u64>,
    /// Delay in nanoseconds from when a packet was due until it was sent.
    pub(crate) lateness: Histogram<u64>,
    /// Keyframe requests received.
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

/// Creates a histogram of times up to a minute in nanoseconds, with an error of at most 0.1 %.
#[expect(clippy::expect_used, reason = "the bounds are valid constants")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("bounds")
}

/// Adds a time.
pub(crate) fn record(histogram: &mut Histogram<u64>, nanoseconds: u64) {
    histogram.saturating_record(nanoseconds);
}

/// Statistics of one received stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    first: u64,
    last: u64,
    count: u64,
}

impl Heard {
    /// Records a packet with this number.
    pub(crate) fn note(&mut self, sequence: u64) {
        if self.count == 0 {
            (self.first, self.last) = (sequence, sequence);
        }
        self.first = self.first.min(sequence);
        self.last = self.last.max(sequence);
        self.count += 1;
    }

    /// Returns the number of packets missing in between.
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
