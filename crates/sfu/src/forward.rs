//! Rewrites a publisher's packets into one continuous RTP stream for a receiver.

use std::time::{Duration, Instant};

use crate::command::PeerId;
use crate::vp8::{Numbers, Shift};

/// Another SSRC of the same publisher takes over only after the current one has been silent for this long.
const SILENCE: Duration = Duration::from_millis(200);

/// The properties of a packet needed for rewriting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming {
    /// The publisher and its SSRC.
    pub(crate) source: (PeerId, u32),
    /// The extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) arrived: Instant,
    pub(crate) clock_rate: u32,
    /// Whether decoding can start with this packet. Always `true` for audio.
    pub(crate) can_start: bool,
    /// The picture numbers in a VP8 payload.
    pub(crate) numbers: Option<Numbers>,
}

/// The result of rewriting a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// Forward with these numbers, shifting those in the payload.
    Forward { sequence: u64, timestamp: u32, shift: Shift },
    /// It cannot be decoded without a keyframe: request one.
    NeedsKeyframe,
    /// It belongs to a period that was not forwarded.
    Skip,
}

/// The numbering of one outgoing stream. Numbers start low and continue without gaps across pauses and source changes,
/// so that the receiver's roll-over counter needs no signalling (RFC 3711, section 3.3.1).
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    segment: Option<Segment>,
    /// Whether the current segment is still being forwarded.
    open: bool,
    last: Option<Sent>,
}

/// A run of packets from one source that is forwarded without interruption.
#[derive(Debug, Clone, Copy)]
struct Segment {
    source: (PeerId, u32),
    first_in: u64,
    first_out: u64,
    timestamp_offset: u32,
    shift: Shift,
}

/// The newest packet sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    sequence: u64,
    timestamp: u32,
    at: Instant,
    numbers: Numbers,
}

impl Rewriter {
    /// Interrupts forwarding. The next packet with which decoding can start begins a new segment.
    pub(crate) fn interrupt(&mut self) {
        self.open = false;
    }

    pub(crate) fn rewrite(&mut self, packet: &Incoming) -> Rewritten {
        match self.segment {
            Some(segment) if self.open && segment.source == packet.source => self.continued(segment, packet),
            Some(_) if self.open && self.was_just_sent(packet) => Rewritten::Skip,
            Some(_) | None if !packet.can_start => Rewritten::NeedsKeyframe,
            Some(_) | None => self.started(packet),
        }
    }

    /// With two concurrent sources of one publisher, the first one is kept.
    fn was_just_sent(&self, packet: &Incoming) -> bool {
        let same_publisher = self.segment.is_some_and(|segment| segment.source.0 == packet.source.0);
        let recent = |last: Sent| packet.arrived.saturating_duration_since(last.at) < SILENCE;
        same_publisher && self.last.is_some_and(recent)
    }

    fn started(&mut self, packet: &Incoming) -> Rewritten {
        let timestamp_offset = match (self.segment, self.last) {
            (Some(before), _) if before.source == packet.source => before.timestamp_offset,
            (_, Some(last)) => {
                let elapsed = packet.arrived.saturating_duration_since(last.at).as_micros();
                let ticks = elapsed * u128::from(packet.clock_rate) / 1_000_000;
                // Decoders require timestamps to advance, by at least 20 ms.
                let ticks = u32::try_from(ticks).unwrap_or(u32::MAX / 2).max(packet.clock_rate / 50);
                last.timestamp.wrapping_add(ticks).wrapping_sub(packet.timestamp)
            }
            (_, None) => 0,
        };
        let shift = match (packet.numbers, self.last) {
            (Some(first), Some(last)) => first.to_follow(last.numbers),
            (Some(_) | None, _) => Shift::default(),
        };
        let segment = Segment {
            source: packet.source,
            first_in: packet.sequence,
            first_out: self.last.map_or(1, |last| last.sequence + 1),
            timestamp_offset,
            shift,
        };
        self.segment = Some(segment);
        self.open = true;
        self.continued(segment, packet)
    }

    fn continued(&mut self, segment: Segment, packet: &Incoming) -> Rewritten {
        let Some(since) = packet.sequence.checked_sub(segment.first_in) else {
            return Rewritten::Skip;
        };
        let sequence = segment.first_out + since;
        let timestamp = packet.timestamp.wrapping_add(segment.timestamp_offset);
        let shift = segment.shift;
        if self.last.is_none_or(|last| last.sequence < sequence) {
            let before = self.last.map(|last| last.numbers).unwrap_or_default();
            let numbers = packet.numbers.map_or(before, |numbers| numbers.shifted(shift).or(before));
            self.last = Some(Sent { sequence, timestamp, at: packet.arrived, numbers });
        }
        Rewritten::Forward { sequence, timestamp, shift }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use crate::codec::Encoding;

    struct Stream {
        rewriter: Rewriter,
        start: Instant,
    }

    impl Stream {
        fn new() -> Self {
            Self { rewriter: Rewriter::default(), start: Instant::now() }
        }

        fn packet(&mut self, source: (u64, u32), sequence: u64, timestamp: u32, ms: u64, can_start: bool) -> Rewritten {
            self.rewriter.rewrite(&Incoming {
                source: (PeerId(source.0), source.1),
                sequence,
                timestamp,
                arrived: self.start + Duration::from_millis(ms),
                clock_rate: 90_000,
                can_start,
                numbers: None,
            })
        }

        /// Sends a packet of a layer. Returns its RTP and VP8 numbers if it is forwarded.
        fn frame(
            &mut self,
            ssrc: u32,
            sequence: u64,
            timestamp: u32,
            ms: u64,
            mut payload: [u8; 7],
        ) -> Option<(u64, u32, u8, u8)> {
            let numbers = Numbers::read(Encoding::Vp8, &payload)?;
            let rewritten = self.rewriter.rewrite(&Incoming {
                source: (PeerId(1), ssrc),
                sequence,
                timestamp,
                arrived: self.start + Duration::from_millis(ms),
                clock_rate: 90_000,
                can_start: numbers.start_keyframe(&payload),
                numbers: Some(numbers),
            });
            let Rewritten::Forward { sequence, timestamp, shift } = rewritten else { return None };
            numbers.shifted(shift).write(&mut payload);
            Some((sequence, timestamp, payload[3], payload[4]))
        }
    }

    fn forward(sequence: u64, timestamp: u32) -> Rewritten {
        Rewritten::Forward { sequence, timestamp, shift: Shift::default() }
    }

    /// A packet of a VP8 picture with these numbers.
    fn picture(number: u8, base: u8, key: bool) -> [u8; 7] {
        [0x90, 0xe0, 0x80, number, base, 0, u8::from(!key)]
    }

    #[test]
    fn another_layer_goes_on_in_the_same_stream_inside_and_out() {
        let mut stream = Stream::new();
        assert_eq!(stream.frame(7, 500, 9000, 0, picture(50, 20, true)), Some((1, 9000, 50, 20)));
        assert_eq!(stream.frame(7, 501, 12_000, 33, picture(51, 21, false)), Some((2, 12_000, 51, 21)));
        assert_eq!(stream.frame(8, 90, 77, 34, picture(9, 200, true)), None, "the current source stays until it stops");
        stream.rewriter.interrupt();
        let (moment, later) = (12_000 + 1800, 12_000 + 4800);
        assert_eq!(stream.frame(8, 91, 3077, 36, picture(10, 201, true)), Some((3, moment, 52, 22)), "time advances");
        assert_eq!(stream.frame(8, 92, 3077, 36, picture(10, 201, false)), Some((4, moment, 52, 22)));
        assert_eq!(stream.frame(8, 93, 6077, 69, picture(11, 202, false)), Some((5, later, 53, 23)));
        assert_eq!(stream.frame(8, 90, 77, 70, picture(9, 200, false)), None, "from a period that was not forwarded");
    }

    #[test]
    fn a_stream_starts_low_and_at_a_keyframe() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet((1, 9), 70_000, 5000, 0, false), Rewritten::NeedsKeyframe);
        assert_eq!(stream.packet((1, 9), 70_001, 8000, 33, true), forward(1, 8000));
        assert_eq!(stream.packet((1, 9), 70_003, 8000, 34, false), forward(3, 8000));
        assert_eq!(stream.packet((1, 9), 70_002, 8000, 35, false), forward(2, 8000));
        assert_eq!(stream.packet((1, 9), 70_000, 5000, 36, false), Rewritten::Skip);
    }

    #[test]
    fn a_pause_leaves_no_gap_in_the_numbers() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet((1, 9), 100, 5000, 0, true), forward(1, 5000));
        stream.rewriter.interrupt();
        assert_eq!(stream.packet((1, 9), 900, 95_000, 1000, false), Rewritten::NeedsKeyframe);
        assert_eq!(stream.packet((1, 9), 901, 98_000, 1033, true), forward(2, 98_000));
        assert_eq!(stream.packet((1, 9), 899, 92_000, 1034, false), Rewritten::Skip);
    }

    #[test]
    fn a_new_connection_of_the_publisher_goes_on_in_the_same_stream() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet((1, 9), 100, 5000, 0, true), forward(1, 5000));
        assert_eq!(stream.packet((2, 8), 7, 4_000_000_000, 100, false), Rewritten::NeedsKeyframe);
        assert_eq!(stream.packet((2, 8), 8, 4_000_000_000, 100, true), forward(2, 5000 + 9000));
        assert_eq!(stream.packet((2, 8), 9, 4_000_003_000, 133, false), forward(3, 5000 + 9000 + 3000));
    }

    #[test]
    fn a_second_source_takes_over_only_after_silence() {
        let mut stream = Stream::new();
        assert_eq!(stream.packet((1, 9), 100, 5000, 0, true), forward(1, 5000));
        assert_eq!(stream.packet((1, 8), 50, 0, 100, true), Rewritten::Skip);
        assert_eq!(stream.packet((1, 9), 101, 8000, 150, false), forward(2, 8000));
        assert_eq!(stream.packet((1, 8), 60, 0, 400, true), forward(3, 8000 + 22_500));
    }
}
