//! Packet payloads: enough for a server to recognize audio or video, and a mark with the time of sending.
//!
//! Media is encrypted between each participant and the server, so a server forwards payloads unchanged.

/// Offset of the mark in all payloads: after a VP8 descriptor and a keyframe header.
const AT: usize = 16;
const MAGIC: [u8; 4] = *b"Bed!";
const MARK: usize = 4 + 4 + 1 + 8 + 8;
/// Minimum payload size in bytes.
pub(crate) const LEAST: usize = AT + MARK;

/// The stream number of audio. Video has 1 and, with simulcast, the following numbers.
pub(crate) const SOUND: u8 = 0;

/// Identifies a packet's sender, the packet itself and the time of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) source: u32,
    /// [`SOUND`], or a layer of the video.
    pub(crate) stream: u8,
    /// Its number in the stream, without gaps.
    pub(crate) sequence: u64,
    /// Wall clock in nanoseconds.
    pub(crate) sent: u64,
}

/// The media type of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// 20 ms of Opus.
    Sound,
    /// A part of a VP8 frame.
    Picture {
        /// Whether it is the first part.
        first: bool,
        /// Whether it belongs to a keyframe.
        key: bool,
        /// The frame's number, of which 15 bits are sent.
        picture: u32,
    },
}

/// Fills a payload of at least [`LEAST`] bytes. Bytes after the mark are unchanged.
pub(crate) fn write(payload: &mut [u8], content: Content, mark: &Mark) {
    match content {
        // RFC 6716, section 3.1: hybrid, 20 ms, mono, one frame.
        Content::Sound => payload[0] = 15 << 3,
        Content::Picture { first, key, picture } => {
            // RFC 7741, section 4.2: extended, with a 15-bit picture ID.
            let [_, _, high, low] = (picture | 0x8000).to_be_bytes();
            payload[..4].copy_from_slice(&[0x80 | u8::from(first) << 4, 0x80, high, low]);
            if first {
                // RFC 6386, section 9.1: a shown frame of 640×360.
                payload[4..7].copy_from_slice(&[0x10 | u8::from(!key), 0x01, 0x00]);
                if key {
                    payload[7..14].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
                }
            }
        }
    }
    let parts: [&[u8]; 5] =
        [&MAGIC, &mark.source.to_be_bytes(), &[mark.stream], &mark.sequence.to_be_bytes(), &mark.sent.to_be_bytes()];
    let mut at = AT;
    for part in parts {
        payload[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}

/// Returns the mark of a payload.
pub(crate) fn read(payload: &[u8]) -> Option<Mark> {
    let (magic, rest) = payload.get(AT..)?.split_first_chunk::<4>()?;
    let (source, rest) = rest.split_first_chunk::<4>()?;
    let (stream, rest) = rest.split_first()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (sent, _) = rest.split_first_chunk::<8>()?;
    (*magic == MAGIC).then(|| Mark {
        source: u32::from_be_bytes(*source),
        stream: *stream,
        sequence: u64::from_be_bytes(*sequence),
        sent: u64::from_be_bytes(*sent),
    })
}

#[cfg(test)]
mod tests {
    use str0m::rtp::Vp8Descriptor;

    use super::*;

    const MARK: Mark = Mark { source: 7, stream: 1, sequence: 1 << 40, sent: 1_700_000_000_123_456_789 };

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for content in [Content::Sound, Content::Picture { first: true, key: true, picture: 40_000 }] {
            let mut payload = [0; 100];
            write(&mut payload, content, &MARK);
            assert_eq!(read(&payload), Some(MARK));
            assert_eq!(read(&payload[..LEAST]), Some(MARK));
            assert_eq!(read(&payload[..LEAST - 1]), None);
        }
        assert_eq!(read(&[0; 100]), None);
    }

    #[test]
    fn pictures_are_valid_vp8() {
        let starts_keyframe = |first, key| {
            let mut payload = [0xa5; 100];
            write(&mut payload, Content::Picture { first, key, picture: 3 }, &MARK);
            Vp8Descriptor::parse(&payload).expect("a descriptor").starts_keyframe(&payload)
        };
        assert!(starts_keyframe(true, true));
        assert!(!starts_keyframe(true, false));
        assert!(!starts_keyframe(false, true));
    }
}
