//! Evaluates a receiver's transport-wide congestion control feedback: packet loss and round trip.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Feedback later than this is ignored.
const MEMORY: Duration = Duration::from_secs(3);
const MOST: usize = 4096;
const TENTH: Duration = Duration::from_micros(100);
/// Loss is computed over the packets of the last second.
const SPAN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    Arrived,
}

/// Kept small, because there are hundreds per page.
#[derive(Debug, Clone, Copy)]
struct Departure {
    /// Time in units of 100 µs since the first packet.
    at: u32,
    bytes: u16,
    fate: Fate,
}

/// The packets sent, identified by their transport-wide sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// When the first packet was sent.
    first: Option<Instant>,
    sent: VecDeque<Departure>,
    /// The next packet's number.
    next: u64,
    round_trip: Option<Duration>,
    delivered: u64,
}

impl Departures {
    /// Records a packet of `bytes` bytes that is sent now and returns its number.
    pub(crate) fn note(&mut self, now: Instant, bytes: usize) -> u16 {
        let first = *self.first.get_or_insert(now);
        let now = tenths(now.saturating_duration_since(first));
        let memory = tenths(MEMORY);
        let is_old = |departure: &Departure| now.wrapping_sub(departure.at) > memory;
        while self.sent.len() >= MOST || self.sent.front().is_some_and(is_old) {
            self.sent.pop_front();
        }
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.sent.push_back(Departure { at: now, bytes, fate: Fate::Unknown });
        let [.., high, low] = self.next.to_be_bytes();
        self.next += 1;
        u16::from_be_bytes([high, low])
    }

    /// Parses the body of a feedback packet. Malformed ones are ignored.
    pub(crate) fn read(&mut self, now: Instant, body: &[u8]) {
        let Some(statuses) = statuses(body) else { return };
        let (mut newest, now) = (None, self.tenths_at(now));
        for (number, arrived) in statuses {
            let Some(at) = self.position(number) else { continue };
            let departure = &mut self.sent[at];
            let round_trip = now.wrapping_sub(departure.at);
            if round_trip > tenths(MEMORY) {
                continue;
            }
            match (arrived, departure.fate) {
                (true, Fate::Unknown | Fate::Lost) => {
                    departure.fate = Fate::Arrived;
                    self.delivered += u64::from(departure.bytes);
                    newest = newest.max(Some((at, round_trip)));
                }
                (false, Fate::Unknown) => departure.fate = Fate::Lost,
                (true | false, _) => (),
            }
        }
        if let Some((_, round_trip)) = newest {
            self.round_trip = Some(TENTH * round_trip);
        }
    }

    /// Returns the time from sending a packet to its feedback, for the latest feedback.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Returns the total number of bytes delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Returns the share of packets lost among those sent in the last second, as far as known.
    pub(crate) fn loss(&self, now: Instant) -> Option<f32> {
        let (now, span) = (self.tenths_at(now), tenths(SPAN));
        let recent = self.sent.iter().rev().take_while(|departure| now.wrapping_sub(departure.at) <= span);
        let (known, lost) = recent.fold((0_u16, 0_u16), |(known, lost), departure| match departure.fate {
            Fate::Unknown => (known, lost),
            Fate::Lost => (known + 1, lost + 1),
            Fate::Arrived => (known + 1, lost),
        });
        (known > 0).then(|| f32::from(lost) / f32::from(known))
    }

    fn tenths_at(&self, now: Instant) -> u32 {
        self.first.map_or(0, |first| tenths(now.saturating_duration_since(first)))
    }

    fn position(&self, number: u16) -> Option<usize> {
        let [.., high, low] = self.next.to_be_bytes();
        let back = u16::from_be_bytes([high, low]).wrapping_sub(number);
        self.sent.len().checked_sub(usize::from(back)).filter(|_| back > 0)
    }
}

/// Modulo 2^32, i.e. five days.
fn tenths(time: Duration) -> u32 {
    let seconds = (time.as_secs() & u64::from(u32::MAX)) as u32;
    seconds.wrapping_mul(10_000).wrapping_add(time.subsec_micros() / 100)
}

/// Returns the packets that a feedback reports and whether they arrived, or `None` if it is malformed.
pub(crate) fn statuses(body: &[u8]) -> Option<impl Iterator<Item = (u16, bool)>> {
    let (&[base_high, base_low, count_high, count_low, _, _, _, _], chunks) = body.split_first_chunk()?;
    let (base, count) = (u16::from_be_bytes([base_high, base_low]), u16::from_be_bytes([count_high, count_low]));
    let symbols = chunks.as_chunks::<2>().0.iter().flat_map(|chunk| {
        let chunk = u16::from_be_bytes(*chunk);
        let (length, symbol): (u16, fn(u16, u16) -> u16) = match chunk >> 14 {
            0 | 1 => (chunk & 0x1fff, |chunk, _| chunk >> 13 & 3),
            2 => (14, |chunk, at| chunk >> (13 - at) & 1),
            _ => (7, |chunk, at| chunk >> (12 - 2 * at) & 3),
        };
        (0..length).map(move |at| symbol(chunk, at))
    });
    // The fourth two-bit symbol is reserved.
    Some((0..count).zip(symbols).map(move |(at, symbol)| (base.wrapping_add(at), symbol == 1 || symbol == 2)))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use proptest::prelude::*;

    use super::super::arrivals::Arrivals;
    use super::*;

    #[test]
    fn loss_and_round_trip_are_read_from_feedback() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (mut departures, mut arrivals) =
            (Departures { next: 65_530, ..Departures::default() }, Arrivals::default());
        assert_eq!((departures.loss(start), departures.round_trip()), (None, None));
        for step in 0..20 {
            let number = departures.note(at(step * 10), 100);
            if step % 5 != 2 {
                arrivals.note(at(step * 10 + 30), number);
            }
        }
        let body = arrivals.take_due(at(250)).expect("due");
        departures.read(at(290), &body);
        assert_eq!(departures.round_trip(), Some(Duration::from_millis(100)));
        // Nothing is known yet about the last packet, which was lost.
        assert_eq!(departures.loss(at(290)), Some(4.0 / 20.0));
        assert_eq!(departures.delivered(), 16 * 100);
        assert_eq!(departures.loss(at(1500)), None);
    }

    #[test]
    fn a_packet_that_was_late_is_not_lost_any_more() {
        let start = Instant::now();
        let mut departures = Departures::default();
        for _ in 0..3 {
            departures.note(start, 100);
        }
        departures.read(start, &[0, 0, 0, 3, 0, 0, 0, 0, 0b1010_1000, 0]);
        assert_eq!(departures.loss(start), Some(1.0 / 3.0));
        departures.read(start, &[0, 1, 0, 1, 0, 0, 0, 1, 0b0010_0000, 1]);
        assert_eq!(departures.loss(start), Some(0.0));
    }

    #[test]
    fn feedback_that_comes_much_too_late_says_nothing() {
        let start = Instant::now();
        let mut departures = Departures::default();
        departures.note(start, 100);
        departures.read(start + Duration::from_secs(4), &[0, 0, 0, 1, 0, 0, 0, 0, 0b0010_0000, 1]);
        assert_eq!((departures.round_trip(), departures.delivered()), (None, 0));
    }

    #[test]
    fn feedback_on_what_was_never_sent_is_ignored() {
        let start = Instant::now();
        let mut departures = Departures::default();
        departures.note(start, 100);
        departures.read(start, &[0, 1, 0x1f, 0xff, 0, 0, 0, 0, 0b0011_1111, 0xff]);
        departures.read(start, &[0xff, 0xff, 0, 1, 0, 0, 0, 0, 0b0010_0000, 1]);
        departures.read(start, &[0; 7]);
        assert_eq!((departures.loss(start), departures.round_trip()), (None, None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut departures = Departures::default();
            let now = Instant::now();
            for _ in 0..40 {
                departures.note(now, 100);
            }
            departures.read(now, &bytes);
            let _ = departures.loss(now);
        }
    }
}
