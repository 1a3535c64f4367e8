//! Sound that survives bursts of loss on the way to a receiver.
//!
//! A browser sends each packet of sound with a copy of the one before it (RFC 2198), which mends single
//! losses. Networks lose in bursts: for a receiver that reports loss the copies of more packets are added,
//! which are here anyway. It costs bits, so it is done only where it helps.

use std::collections::VecDeque;

use str0m::rtp::{RedDecoder, RedEncoder, RedundantBlock};

/// How many packets before it a packet carries: at 20 ms each, a burst of 80 ms.
const DEPTH: usize = 4;

/// The last packets of a page's sound.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    /// By RTP timestamp, oldest first.
    recent: VecDeque<(u32, Box<[u8]>)>,
}

impl Redundancy {
    /// The same packet with all the redundancy there is. Remembers what it carries for the next ones.
    /// `None`: it is malformed.
    pub(crate) fn deepen(&mut self, timestamp: u32, payload: &[u8]) -> Option<Vec<u8>> {
        let blocks = RedDecoder::decode(payload).ok()?;
        let (primary, _) = blocks.split_last()?;
        for block in &blocks {
            self.remember(timestamp.wrapping_sub(block.timestamp_offset), block.payload);
        }
        let before: Vec<RedundantBlock> = self
            .recent
            .iter()
            .map(|(at, bytes)| (timestamp.wrapping_sub(*at), bytes))
            // Later ones have overtaken this packet; much earlier ones do not fit the header's 14 bits.
            .filter(|(offset, _)| (1..=0x3fff).contains(offset))
            .map(|(timestamp_offset, bytes)| RedundantBlock {
                pt: primary.pt,
                timestamp_offset,
                payload: bytes.to_vec(),
            })
            .collect();
        let newest = before.len().saturating_sub(DEPTH);
        Some(RedEncoder::encode(primary.pt, primary.payload, &before[newest..]))
    }

    fn remember(&mut self, timestamp: u32, payload: &[u8]) {
        let later = |at: u32| at.wrapping_sub(timestamp).cast_signed() > 0;
        if payload.is_empty() || self.recent.iter().any(|(at, _)| *at == timestamp) {
            return;
        }
        let at = self.recent.iter().position(|(at, _)| later(*at)).unwrap_or(self.recent.len());
        self.recent.insert(at, (timestamp, payload.into()));
        if self.recent.len() > DEPTH + 1 {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as a browser makes it: itself, and the one before.
    fn packet(number: u8) -> (u32, Vec<u8>) {
        let timestamp = (u32::MAX - 2_000).wrapping_add(u32::from(number) * 960);
        let before = RedundantBlock { pt: 111, timestamp_offset: 960, payload: vec![number - 1; 3] };
        (timestamp, RedEncoder::encode(111, &[number; 3], &[before]))
    }

    /// The packets that a payload carries, by what is in them.
    fn carried(payload: &[u8]) -> Vec<(u32, u8)> {
        let blocks = RedDecoder::decode(payload).expect("well formed");
        blocks.iter().map(|block| (block.timestamp_offset / 960, block.payload[0])).collect()
    }

    fn deepened(redundancy: &mut Redundancy, number: u8) -> Vec<(u32, u8)> {
        let (timestamp, payload) = packet(number);
        carried(&redundancy.deepen(timestamp, &payload).expect("well formed"))
    }

    #[test]
    fn a_packet_carries_the_four_before_it() {
        let mut redundancy = Redundancy::default();
        assert_eq!(deepened(&mut redundancy, 1), [(1, 0), (0, 1)]);
        assert_eq!(deepened(&mut redundancy, 2), [(2, 0), (1, 1), (0, 2)]);
        // Over the end of the timestamps.
        for number in 3..9 {
            deepened(&mut redundancy, number);
        }
        assert_eq!(deepened(&mut redundancy, 9), [(4, 5), (3, 6), (2, 7), (1, 8), (0, 9)]);
    }

    #[test]
    fn what_was_lost_on_the_way_here_is_taken_from_the_next() {
        let mut redundancy = Redundancy::default();
        deepened(&mut redundancy, 1);
        deepened(&mut redundancy, 2);
        // 3 and 4 are lost; 5 brings 4.
        assert_eq!(deepened(&mut redundancy, 5), [(5, 0), (4, 1), (3, 2), (1, 4), (0, 5)]);
        // A late one carries what came before it, and nothing after.
        assert_eq!(deepened(&mut redundancy, 3), [(2, 1), (1, 2), (0, 3)]);
        assert_eq!(deepened(&mut redundancy, 6), [(4, 2), (3, 3), (2, 4), (1, 5), (0, 6)]);
    }

    #[test]
    fn nonsense_is_refused_and_forgotten() {
        let mut redundancy = Redundancy::default();
        assert!(redundancy.deepen(0, &[0xff, 0]).is_none());
        assert!(redundancy.deepen(0, &[]).is_none());
        assert_eq!(deepened(&mut redundancy, 1), [(1, 0), (0, 1)]);
    }
}
