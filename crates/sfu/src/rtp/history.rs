//! The retransmission buffer: recently sent video packets (RFC 4588).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One second of video at 1.5 Mbit/s. More costs memory and does not improve quality.
const ROOM: usize = 192 * 1024;
const OLD: Duration = Duration::from_secs(2);
const MOST: usize = 512;
/// Maximum share of retransmissions in the traffic sent, in percent. At 20 % packet loss, calls are still usable.
const SHARE: usize = 40;
/// Maximum bytes that can be retransmitted in one burst.
const MOST_CREDIT: usize = 96 * 1024;

/// A packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    at: Instant,
    /// Offset of the payload, counted over all laps of the ring buffer.
    start: usize,
    length: u16,
}

/// The most recent packets of all videos sent to one page.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Allocated when the first packet is kept.
    ring: Vec<u8>,
    end: usize,
    entries: VecDeque<Entry>,
    credit: usize,
}

impl History {
    /// Adds a packet that is being sent.
    pub(crate) fn keep(&mut self, now: Instant, kept: Kept, payload: &[u8]) {
        let Ok(length) = u16::try_from(payload.len()) else { return };
        if self.ring.is_empty() {
            self.ring.resize(ROOM, 0);
        }
        let left = ROOM - self.end % ROOM;
        let start = if payload.len() > left { self.end + left } else { self.end };
        self.end = start + payload.len();
        self.ring[start % ROOM..][..payload.len()].copy_from_slice(payload);
        while self.entries.front().is_some_and(|entry| {
            entry.start + ROOM < self.end || now.saturating_duration_since(entry.at) > OLD || self.entries.len() >= MOST
        }) {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { kept, at: now, start, length });
        self.credit = (self.credit + payload.len() * SHARE / 100).min(MOST_CREDIT);
    }

    /// Returns a packet by the low bits of its sequence number if it may be retransmitted, and counts it as sent.
    pub(crate) fn take(&mut self, ssrc: u32, sequence: u16) -> Option<(Kept, &[u8])> {
        let is_it = |entry: &&Entry| entry.kept.ssrc == ssrc && entry.kept.sequence & 0xffff == u64::from(sequence);
        let entry = self.entries.iter().rev().find(is_it)?;
        self.credit = self.credit.checked_sub(entry.length.into())?;
        Some((entry.kept, &self.ring[entry.start % ROOM..][..entry.length.into()]))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(ssrc: u32, sequence: u64) -> Kept {
        Kept { ssrc, sequence, timestamp: 1, marker: false }
    }

    fn payload(sequence: u64, length: usize) -> Vec<u8> {
        sequence.to_be_bytes().iter().copied().cycle().take(length).collect()
    }

    #[test]
    fn what_was_sent_is_found_until_it_is_old() {
        let start = Instant::now();
        let mut history = History::default();
        assert_eq!(history.take(1, 0), None);
        for sequence in 65_530..65_545 {
            history.keep(start, kept(1, sequence), &payload(sequence, 900));
            history.keep(start, kept(2, sequence), &payload(sequence + 7, 900));
        }
        let (found, bytes) = history.take(1, 2).expect("kept");
        assert_eq!((found, bytes), (kept(1, 65_538), payload(65_538, 900).as_slice()));
        assert_eq!(history.take(3, 2), None);
        assert_eq!(history.take(1, 100), None);
        history.keep(start + Duration::from_secs(3), kept(1, 70_000), &[1]);
        assert_eq!(history.take(1, 2), None);
    }

    #[test]
    fn no_more_is_sent_again_than_a_share() {
        let start = Instant::now();
        let mut history = History::default();
        (0..100).for_each(|sequence| history.keep(start, kept(1, sequence), &payload(sequence, 1000)));
        assert_eq!((0..1000).filter(|at| history.take(1, at % 100).is_some()).count(), 40);
    }

    proptest! {
        #[test]
        fn a_packet_is_what_it_was(lengths in prop::collection::vec(1_usize..1400, 1..600)) {
            let now = Instant::now();
            let mut history = History::default();
            for (sequence, length) in lengths.iter().enumerate() {
                history.keep(now, kept(1, sequence as u64), &payload(sequence as u64, *length));
            }
            let mut bytes = 0;
            for (sequence, length) in lengths.iter().enumerate().rev().take(50) {
                history.credit = MOST_CREDIT;
                let (found, payload_found) = history.take(1, u16::try_from(sequence).expect("short")).expect("kept");
                prop_assert_eq!(found.sequence, sequence as u64);
                prop_assert_eq!(payload_found, payload(sequence as u64, *length));
                bytes += length;
            }
            prop_assert!(bytes < ROOM);
        }
    }
}
