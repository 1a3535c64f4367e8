//! Missing packets of a stream, and when to request their retransmission (NACK, RFC 4585, section 6.2.1).

use std::time::{Duration, Instant};

/// Delay before the first request, in case the packet was only reordered.
const PATIENCE: Duration = Duration::from_millis(10);
/// Assumed round trip until it has been measured.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(100);
/// A request is repeated after the round trip plus this margin.
const MARGIN: Duration = Duration::from_millis(10);
const MOST_TRIES: u8 = 10;
/// Video packets older than this are not requested any more.
const OLD: Duration = Duration::from_secs(1);
/// With more missing packets, a keyframe is cheaper.
const MOST: usize = 300;

#[derive(Debug, Clone, Copy)]
struct Gap {
    number: u64,
    since: Instant,
    next: Instant,
    tries: u8,
}

/// The missing packets of one stream, in order.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    gaps: Vec<Gap>,
}

impl Missing {
    /// Records a gap: these packets were reordered or lost.
    pub(crate) fn skipped(&mut self, now: Instant, numbers: std::ops::Range<u64>) {
        let count = usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(usize::MAX);
        if self.gaps.len().saturating_add(count) > MOST {
            return self.gaps.clear();
        }
        self.gaps.extend(numbers.map(|number| Gap { number, since: now, next: now + PATIENCE, tries: 0 }));
    }

    /// Records that a missing packet arrived.
    pub(crate) fn arrived(&mut self, number: u64) {
        if let Ok(at) = self.gaps.binary_search_by_key(&number, |gap| gap.number) {
            self.gaps.remove(at);
        }
    }

    /// Returns when the next request is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.gaps.iter().map(|gap| gap.next).min()
    }

    /// Returns the low bits of the sequence numbers to request now, and counts them as requested.
    pub(crate) fn take_due(&mut self, now: Instant, round_trip: Option<Duration>) -> Vec<u16> {
        self.gaps.retain(|gap| gap.tries < MOST_TRIES && now.saturating_duration_since(gap.since) < OLD);
        let again = round_trip.unwrap_or(USUAL_ROUND_TRIP) + MARGIN;
        let due = self.gaps.iter_mut().filter(|gap| gap.next <= now);
        due.map(|gap| {
            gap.tries += 1;
            gap.next = now + again;
            let [.., high, low] = gap.number.to_be_bytes();
            u16::from_be_bytes([high, low])
        })
        .collect()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_for_until_it_is_here_or_too_late() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let round_trip = Some(Duration::from_millis(40));
        let mut missing = Missing::default();
        missing.skipped(at(0), 65_535..65_538);
        assert_eq!(missing.deadline(), Some(at(10)));
        assert!(missing.take_due(at(9), round_trip).is_empty());
        missing.arrived(65_536);
        assert_eq!(missing.take_due(at(10), round_trip), [65_535, 1]);
        assert!(missing.take_due(at(59), round_trip).is_empty());
        missing.arrived(65_535);
        assert_eq!(missing.take_due(at(60), round_trip), [1]);
        let asked = (61..3000).filter(|ms| !missing.take_due(at(*ms), round_trip).is_empty()).count();
        assert_eq!(asked, 8);
        assert_eq!(missing.deadline(), None);
    }

    #[test]
    fn a_long_way_is_given_up_by_time_and_a_large_gap_at_once() {
        let start = Instant::now();
        let mut missing = Missing::default();
        missing.skipped(start, 1..2);
        let asked = (0..3000).filter(|ms| {
            !missing.take_due(start + Duration::from_millis(*ms), Some(Duration::from_millis(290))).is_empty()
        });
        assert_eq!(asked.count(), 4);
        missing.skipped(start, 1..200);
        missing.skipped(start, 300..500);
        assert_eq!(missing.deadline(), None);
    }
}
