//! Framing for TCP (RFC 4571): two bytes of length, then the packet.

/// Maximum packet size in either direction.
pub const MAX_FRAME: usize = crate::demux::MAX_DATAGRAM;

/// A frame is empty or longer than [`MAX_FRAME`], after which the stream cannot be decoded any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame is empty or too long")]
pub struct BadFrame;

/// Splits a byte stream into frames. Buffers at most one frame.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Vec<u8>,
}

impl Decoder {
    /// Creates a decoder for a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Processes received bytes and calls `frame` for each complete frame.
    ///
    /// # Errors
    ///
    /// If a frame has an invalid length. The connection must be closed.
    pub fn push(&mut self, mut bytes: &[u8], mut frame: impl FnMut(&[u8])) -> Result<(), BadFrame> {
        while !bytes.is_empty() {
            if self.partial.is_empty()
                && let Some((complete, rest)) = split(bytes)?
            {
                frame(complete);
                bytes = rest;
                continue;
            }
            let missing = self.missing()?.min(bytes.len());
            self.partial.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if let Some((complete, _)) = split(&self.partial)? {
                frame(complete);
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// Returns how many bytes of the current header or frame are missing.
    fn missing(&self) -> Result<usize, BadFrame> {
        match self.partial.len() {
            have @ 0..2 => Ok(2 - have),
            have => Ok(2 + length(self.partial[0], self.partial[1])? - have),
        }
    }
}

type FrameAndRest<'a> = (&'a [u8], &'a [u8]);

/// Returns the first frame, if it is complete, and the remaining bytes.
fn split(bytes: &[u8]) -> Result<Option<FrameAndRest<'_>>, BadFrame> {
    let [high, low, rest @ ..] = bytes else { return Ok(None) };
    Ok(rest.split_at_checked(length(*high, *low)?))
}

fn length(high: u8, low: u8) -> Result<usize, BadFrame> {
    match usize::from(u16::from_be_bytes([high, low])) {
        length @ 1..=MAX_FRAME => Ok(length),
        _ => Err(BadFrame),
    }
}

/// Appends a packet to a write buffer as a frame.
///
/// # Errors
///
/// If the packet is empty or too long. Nothing is written then.
pub fn encode(packet: &[u8], buffer: &mut Vec<u8>) -> Result<(), BadFrame> {
    match u16::try_from(packet.len()) {
        Ok(length) if (1..=MAX_FRAME).contains(&packet.len()) => {
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(packet);
            Ok(())
        }
        Ok(_) | Err(_) => Err(BadFrame),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_any_chunking(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..10),
            cuts in prop::collection::vec(1usize..200, 1..40),
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                encode(packet, &mut stream).expect("fits");
            }
            let mut decoder = Decoder::new();
            let mut seen = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at(rest.len().min(*cut));
                decoder.push(chunk, |frame| seen.push(frame.to_vec())).expect("well formed");
                rest = after;
            }
            prop_assert_eq!(seen, packets);
        }

        #[test]
        fn any_bytes_are_cut_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..4000), cut in 1usize..50) {
            let mut decoder = Decoder::new();
            for chunk in bytes.chunks(cut) {
                if decoder.push(chunk, |frame| assert!((1..=MAX_FRAME).contains(&frame.len()))).is_err() {
                    break;
                }
                assert!(decoder.partial.len() <= MAX_FRAME + 2);
            }
        }
    }

    #[test]
    fn oversized_and_empty_frames_are_refused() {
        assert_eq!(Decoder::new().push(&[0xff, 0xff, 1], |_| ()), Err(BadFrame));
        assert_eq!(Decoder::new().push(&[0, 0], |_| ()), Err(BadFrame));
        let mut decoder = Decoder::new();
        assert_eq!(decoder.push(&[6], |_| ()), Ok(()));
        assert_eq!(decoder.push(&[0], |_| ()), Err(BadFrame));
        assert_eq!(encode(&[0; MAX_FRAME + 1], &mut Vec::new()), Err(BadFrame));
        assert_eq!(encode(&[], &mut Vec::new()), Err(BadFrame));
    }
}
