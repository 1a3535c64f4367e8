//! Transport-wide congestion control feedback: reports to a sender when its packets arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

use super::window::Window;

/// How long arrivals are collected before they are reported together.
const INTERVAL: Duration = Duration::from_millis(100);
/// Times are in units of 250 µs; the reference time is a multiple of 64 ms.
const TICK: u128 = 250;
const TICKS_PER_REFERENCE: i64 = 256;
/// A larger gap means that the sender has restarted its numbering.
const MOST_SKIPPED: u64 = 2000;
/// Maximum arrivals in one feedback packet; more do not fit into a datagram.
const MOST_ARRIVALS: usize = 300;

/// Packet status symbols (two bits).
const NOT_RECEIVED: u16 = 0;
const SMALL_DELTA: u16 = 1;
const LARGE_DELTA: u16 = 2;

/// Arrivals that have not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    seen: Window,
    /// Extended sequence numbers in order, with their times in ticks since `start`.
    untold: Vec<(u64, i64)>,
    start: Option<Instant>,
    /// The first number that has not been reported.
    next: Option<u64>,
    feedbacks: u8,
    due: Option<Instant>,
}

impl Arrivals {
    /// Records the arrival of a packet with this transport-wide sequence number.
    pub(crate) fn note(&mut self, now: Instant, number: u16) {
        let number = self.seen.extend(number);
        if !self.seen.is_new(number) {
            return;
        }
        self.seen.note(number);
        let start = *self.start.get_or_insert(now);
        // 2^63 ticks never elapse.
        let ticks = i64::try_from(now.saturating_duration_since(start).as_micros() / TICK).unwrap_or(i64::MAX);
        let at = self.untold.iter().rposition(|(before, _)| *before < number).map_or(0, |before| before + 1);
        self.untold.insert(at, (number, ticks));
        let due = *self.due.get_or_insert(now + INTERVAL);
        if self.untold.len() >= MOST_ARRIVALS {
            self.due = Some(due.min(now));
        }
    }

    /// Returns when to send feedback.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Returns the body of the feedback that is due, with as many arrivals as fit.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let (&(first, time), _) = self.untold.split_first()?;
        let base = self.next.filter(|next| *next < first && first - next <= MOST_SKIPPED).unwrap_or(first);
        let reference = time.div_euclid(TICKS_PER_REFERENCE);

        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let (mut told, mut before) = (0, reference * TICKS_PER_REFERENCE);
        for (number, time) in self.untold.iter().take(MOST_ARRIVALS) {
            let Ok(delta) = i16::try_from(time - before) else { break };
            // At most `MOST_SKIPPED` are skipped before the first arrival, and at most a window between others.
            let skipped = usize::try_from(number - base).unwrap_or(usize::MAX).saturating_sub(symbols.len());
            if symbols.len() + skipped >= usize::from(u16::MAX) {
                break;
            }
            symbols.resize(symbols.len() + skipped, NOT_RECEIVED);
            match u8::try_from(delta) {
                Ok(delta) => {
                    symbols.push(SMALL_DELTA);
                    deltas.push(delta);
                }
                Err(_) => {
                    symbols.push(LARGE_DELTA);
                    deltas.extend_from_slice(&delta.to_be_bytes());
                }
            }
            (told, before) = (told + 1, *time);
        }
        let last = base + symbols.len() as u64;
        self.next = Some(self.next.map_or(last, |next| next.max(last)));
        self.untold.drain(..told);
        self.due = (!self.untold.is_empty()).then_some(now);

        let mut body = Vec::with_capacity(16 + deltas.len() + symbols.len() / 4);
        // The fields contain the low bits.
        body.extend_from_slice(&low16(base).to_be_bytes());
        body.extend_from_slice(&low16(symbols.len() as u64).to_be_bytes());
        let [.., high, middle, low] = reference.to_be_bytes();
        body.extend_from_slice(&[high, middle, low, self.feedbacks]);
        self.feedbacks = self.feedbacks.wrapping_add(1);
        write_chunks(&symbols, &mut body);
        body.extend_from_slice(&deltas);
        Some(body)
    }
}

fn low16(number: u64) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Writes run-length chunks, or vectors of fourteen one-bit or seven two-bit symbols.
fn write_chunks(mut symbols: &[u16], body: &mut Vec<u8>) {
    while let Some(first) = symbols.first() {
        let run = symbols.iter().take(0x1fff).take_while(|symbol| *symbol == first).count();
        let bits = &symbols[..symbols.len().min(14)];
        let (chunk, taken) = if run >= 14 || run == symbols.len() {
            // Thirteen bits.
            (first << 13 | low16(run as u64), run)
        } else if bits.iter().all(|symbol| *symbol <= SMALL_DELTA) {
            (bits.iter().zip((0..14).rev()).fold(0x8000, |chunk, (symbol, at)| chunk | symbol << at), bits.len())
        } else {
            let pairs = &symbols[..symbols.len().min(7)];
            let at = (0..7).rev().map(|pair| pair * 2);
            (pairs.iter().zip(at).fold(0xc000, |chunk, (symbol, at)| chunk | symbol << at), pairs.len())
        };
        body.extend_from_slice(&chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use proptest::prelude::*;

    use super::super::departures::statuses;
    use super::*;

    fn told(arrivals: &mut Arrivals, now: Instant) -> Vec<(u16, bool)> {
        let mut told = Vec::new();
        while let Some(body) = arrivals.take_due(now) {
            told.extend(statuses(&body).expect("well formed"));
        }
        told
    }

    #[test]
    fn arrivals_are_told_together_with_what_is_missing() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.deadline(), None);
        for (ms, number) in [(0, 65_534), (5, 65_535), (9, 1), (8, 0), (300, 4)] {
            arrivals.note(at(ms), number);
        }
        assert_eq!(arrivals.deadline(), Some(at(100)));
        assert_eq!(arrivals.take_due(at(99)), None);
        let first = told(&mut arrivals, at(400));
        let expected = [(65_534, true), (65_535, true), (0, true), (1, true), (2, false), (3, false), (4, true)];
        assert_eq!(first, expected);
        assert_eq!(arrivals.deadline(), None);
        // A late packet is reported too; afterwards the numbering continues.
        arrivals.note(at(410), 3);
        arrivals.note(at(420), 3);
        assert_eq!(told(&mut arrivals, at(510)), [(3, true)]);
        arrivals.note(at(470), 6);
        assert_eq!(told(&mut arrivals, at(610)), [(5, false), (6, true)]);
    }

    #[test]
    fn a_long_silence_and_a_jump_of_the_numbers_are_told() {
        let start = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.note(start, 10);
        arrivals.note(start + Duration::from_secs(20), 11);
        arrivals.note(start + Duration::from_secs(20), 5000);
        let told = told(&mut arrivals, start + Duration::from_secs(21));
        assert_eq!(
            told.iter().filter(|(_, arrived)| *arrived).map(|(number, _)| *number).collect::<Vec<_>>(),
            [10, 11, 5000]
        );
    }

    proptest! {
        #[test]
        fn everything_that_arrived_is_told_once(
            first in any::<u16>(),
            steps in prop::collection::vec((1_u16..20, 0_u64..200), 1..400),
        ) {
            let mut now = Instant::now();
            let (mut arrivals, mut number, mut noted, mut heard) = (Arrivals::default(), first, Vec::new(), Vec::new());
            for (step, ms) in steps {
                number = number.wrapping_add(step);
                now += Duration::from_millis(ms);
                arrivals.note(now, number);
                noted.push(number);
                heard.extend(told(&mut arrivals, now));
            }
            heard.extend(told(&mut arrivals, now + Duration::from_secs(1)));
            let came: Vec<u16> = heard.iter().filter(|(_, arrived)| *arrived).map(|(number, _)| *number).collect();
            prop_assert_eq!(came, noted);
            // There are no gaps, and nothing is reported twice.
            prop_assert!(heard.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
        }
    }
}
