//! Audio redundancy against bursts of packet loss towards a receiver.
//!
//! A browser sends each audio packet with a copy of the previous one (RED, RFC 2198), which recovers single losses.
//! Networks often lose several packets in a row, so for a receiver that reports loss, copies of more packets are added,
//! which are available here anyway. That costs bandwidth, so it is done only where it helps.

use std::collections::VecDeque;

use str0m::rtp::{RedDecoder, RedEncoder, RedundantBlock};

/// Number of previous packets included in a packet; at 20 ms each this covers a burst of 80 ms.
const DEPTH: usize = 4;

/// The most recent audio packets of a page.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    /// Payloads with their RTP timestamps, oldest first.
    recent: VecDeque<(u32, Box<[u8]>)>,
}

impl Redundancy {
    /// Returns the packet with all available redundancy and stores its payloads for the following packets. Returns
    /// `None` if it is malformed.
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
            // Later packets have overtaken this one; the offsets of much earlier ones do not fit into 14 bits.
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

    /// A packet as a browser sends it: its payload and the previous one.
    fn packet(number: u8) -> (u32, Vec<u8>) {
        let timestamp = (u32::MAX - 2_000).wrapping_add(u32::from(number) * 960);
        let before = RedundantBlock { pt: 111, timestamp_offset: 960, payload: vec![number - 1; 3] };
        (timestamp, RedEncoder::encode(111, &[number; 3], &[before]))
    }

    /// Returns the packets contained in a payload, by their contents.
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
        // Across the wrap-around of timestamps.
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
        // 3 and 4 are lost; 5 contains 4.
        assert_eq!(deepened(&mut redundancy, 5), [(5, 0), (4, 1), (3, 2), (1, 4), (0, 5)]);
        // A late packet includes earlier packets only.
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
