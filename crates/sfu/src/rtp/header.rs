//! RTP headers (RFC 3550, section 5.1) and header extensions (RFC 8285).

use str0m::rtp::{Extension, ExtensionMap};

/// Size of the fixed part.
const FIXED: usize = 12;
/// Profile of one-byte extension headers.
const ONE_BYTE: u16 = 0xbede;
/// Profile of two-byte extension headers; the low four bits are free.
const TWO_BYTES: u16 = 0x1000;

/// Negotiated extension IDs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtensionIds {
    mid: Option<u8>,
    rid: Option<u8>,
    repaired_rid: Option<u8>,
    transport_cc: Option<u8>,
    audio_level: Option<u8>,
}

impl ExtensionIds {
    /// Reads the negotiated IDs.
    pub(crate) fn negotiated(map: &ExtensionMap) -> Self {
        Self {
            mid: map.id_of(Extension::RtpMid),
            rid: map.id_of(Extension::RtpStreamId),
            repaired_rid: map.id_of(Extension::RepairedRtpStreamId),
            transport_cc: map.id_of(Extension::TransportSequenceNumber),
            audio_level: map.id_of(Extension::AudioLevel),
        }
    }

    /// Merges the IDs of all sections: in a bundle, an ID has the same meaning in all sections (RFC 8843, section 15).
    pub(crate) fn of_all(sections: &[Self]) -> Self {
        let first = |of: fn(&Self) -> Option<u8>| sections.iter().find_map(of);
        Self {
            mid: first(|ids| ids.mid),
            rid: first(|ids| ids.rid),
            repaired_rid: first(|ids| ids.repaired_rid),
            transport_cc: first(|ids| ids.transport_cc),
            audio_level: first(|ids| ids.audio_level),
        }
    }

    /// Returns whether transport-wide congestion control was negotiated.
    pub(crate) fn counts(&self) -> bool {
        self.transport_cc.is_some()
    }
}

/// A short name in an extension: an mid or a rid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; 16],
    length: u8,
}

impl Name {
    /// Returns `None` if the name is empty or too long for a one-byte extension header.
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        let length = u8::try_from(name.len()).ok().filter(|length| (1..=16).contains(length))?;
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Some(Self { bytes, length })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The extensions of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// The media section.
    pub(crate) mid: Option<Name>,
    /// The layer (RFC 8852).
    pub(crate) rid: Option<Name>,
    /// The layer of the packet that this one retransmits.
    pub(crate) repaired_rid: Option<Name>,
    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub(crate) transport_cc: Option<u16>,
    /// Voice flag, and audio level in decibels below the maximum (RFC 6464).
    pub(crate) audio_level: Option<u8>,
}

/// An RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Whether the payload ends with padding, whose length is in its last byte.
    pub(crate) padded: bool,
    pub(crate) extensions: Extensions,
}

impl Header {
    /// Parses a header and returns it with its length, or `None` if it is malformed.
    pub(crate) fn read(packet: &[u8], ids: &ExtensionIds) -> Option<(Self, usize)> {
        let (fixed, rest) = packet.split_at_checked(FIXED)?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let sources = usize::from(fixed[0] & 0x0f) * 4;
        let mut header = Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            padded: fixed[0] & 0x20 != 0,
            extensions: Extensions::default(),
        };
        let rest = rest.get(sources..)?;
        if fixed[0] & 0x10 == 0 {
            return Some((header, FIXED + sources));
        }
        let (head, rest) = rest.split_at_checked(4)?;
        let profile = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        header.extensions = Extensions::read(profile, rest.get(..length)?, ids);
        Some((header, FIXED + sources + 4 + length))
    }

    /// Appends the header to a packet.
    pub(crate) fn write(&self, ids: &ExtensionIds, packet: &mut Vec<u8>) {
        let start = packet.len();
        packet.push(0x80 | if self.padded { 0x20 } else { 0 });
        packet.push(self.payload_type | if self.marker { 0x80 } else { 0 });
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        let [high, low] = ONE_BYTE.to_be_bytes();
        packet.extend_from_slice(&[high, low, 0, 0]);
        let body = packet.len();
        self.extensions.write(ids, packet);
        if packet.len() == body {
            packet.truncate(body - 4);
            return;
        }
        packet.resize(body + (packet.len() - body).next_multiple_of(4), 0);
        // Five extensions of at most seventeen bytes.
        let words = u16::try_from((packet.len() - body) / 4).unwrap_or(0);
        packet[body - 2..body].copy_from_slice(&words.to_be_bytes());
        packet[start] |= 0x10;
    }
}

impl Extensions {
    fn read(profile: u16, mut bytes: &[u8], ids: &ExtensionIds) -> Self {
        let mut found = Self::default();
        while let Some((&first, rest)) = bytes.split_first() {
            let (id, length, rest) = match (first, profile) {
                // Padding.
                (0, _) => {
                    bytes = rest;
                    continue;
                }
                (_, ONE_BYTE) => (first >> 4, usize::from(first & 0x0f) + 1, rest),
                (_, profile) if profile & 0xfff0 == TWO_BYTES => match rest.split_first() {
                    Some((length, rest)) => (first, usize::from(*length), rest),
                    None => break,
                },
                (_, _) => break,
            };
            if id == 15 && profile == ONE_BYTE {
                break;
            }
            let Some((value, rest)) = rest.split_at_checked(length) else { break };
            found.take(id, value, ids);
            bytes = rest;
        }
        found
    }

    fn take(&mut self, id: u8, value: &[u8], ids: &ExtensionIds) {
        let id = Some(id);
        if id == ids.transport_cc {
            self.transport_cc = value.first_chunk().map(|number| u16::from_be_bytes(*number));
        } else if id == ids.audio_level {
            self.audio_level = value.first().copied();
        } else if id == ids.mid {
            self.mid = Name::new(value);
        } else if id == ids.rid {
            self.rid = Name::new(value);
        } else if id == ids.repaired_rid {
            self.repaired_rid = Name::new(value);
        }
    }

    fn write(&self, ids: &ExtensionIds, packet: &mut Vec<u8>) {
        let mut add = |id: Option<u8>, value: Option<&[u8]>| {
            // IDs above 14 need two-byte headers, which no browser negotiates with so few extensions.
            let (Some(id), Some(value)) = (id.filter(|id| (1..=14).contains(id)), value) else { return };
            let Some(length) = u8::try_from(value.len()).ok().and_then(|length| length.checked_sub(1)) else { return };
            if length < 16 {
                packet.push((id << 4) | length);
                packet.extend_from_slice(value);
            }
        };
        let number = self.transport_cc.map(u16::to_be_bytes);
        add(ids.transport_cc, number.as_ref().map(|number| number.as_slice()));
        add(ids.audio_level, self.audio_level.as_ref().map(std::slice::from_ref));
        add(ids.mid, self.mid.as_ref().map(Name::as_bytes));
        add(ids.rid, self.rid.as_ref().map(Name::as_bytes));
        add(ids.repaired_rid, self.repaired_rid.as_ref().map(Name::as_bytes));
    }
}

/// Removes padding (RFC 3550, section 5.1). Returns `None` if it is malformed.
pub(crate) fn unpadded(payload: &[u8], padded: bool) -> Option<&[u8]> {
    if !padded {
        return Some(payload);
    }
    let count = usize::from(*payload.last()?);
    payload.len().checked_sub(count).filter(|_| count > 0).map(|length| &payload[..length])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> ExtensionIds {
        ExtensionIds {
            mid: Some(4),
            rid: Some(10),
            repaired_rid: Some(11),
            transport_cc: Some(3),
            audio_level: Some(1),
        }
    }

    fn name() -> impl Strategy<Value = Option<Name>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 1..=16).prop_map(|bytes| Name::new(&bytes).expect("short")))
    }

    prop_compose! {
        fn header()(
            (marker, padded) in any::<(bool, bool)>(),
            payload_type in 0_u8..128,
            (sequence, timestamp, ssrc) in any::<(u16, u32, u32)>(),
            (mid, rid, repaired_rid) in (name(), name(), name()),
            (transport_cc, audio_level) in any::<(Option<u16>, Option<u8>)>(),
        ) -> Header {
            let extensions = Extensions { mid, rid, repaired_rid, transport_cc, audio_level };
            Header { marker, payload_type, sequence, timestamp, ssrc, padded, extensions }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(header in header(), payload in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut packet = Vec::new();
            header.write(&ids(), &mut packet);
            let length = packet.len();
            packet.extend_from_slice(&payload);
            prop_assert_eq!(Header::read(&packet, &ids()), Some((header, length)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), padded in any::<bool>()) {
            let _ = Header::read(&bytes, &ids());
            let _ = Header::read(&[&[0x90][..], &bytes].concat(), &ids());
            let _ = unpadded(&bytes, padded);
        }
    }

    #[test]
    fn extensions_of_either_form_are_read_and_unknown_ones_skipped() {
        let fixed = [0x91, 0xe0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5, 1, 2, 3, 4];
        let one = [0xbe, 0xde, 0, 3, 0x20, 9, 0, 0x31, 1, 2, 0x40, b'0', 0x10, 0x85, 0xf0, 0xff];
        let two = [0x10, 0x00, 0, 3, 2, 0, 3, 2, 1, 2, 4, 1, b'0', 1, 1, 0x85];
        for extensions in [one, two] {
            let packet = [&fixed[..], &extensions].concat();
            let (header, length) = Header::read(&packet, &ids()).expect("well formed");
            assert_eq!(length, packet.len());
            assert_eq!((header.payload_type, header.marker, header.sequence, header.ssrc), (96, true, 7, 5));
            let found = header.extensions;
            assert_eq!((found.transport_cc, found.audio_level, found.mid), (Some(0x0102), Some(0x85), Name::new(b"0")));
            assert_eq!(Header::read(&packet[..packet.len() - 1], &ids()), None);
        }
    }

    #[test]
    fn padding_is_cut_off() {
        assert_eq!(unpadded(&[1, 2, 0, 2], true), Some(&[1, 2][..]));
        assert_eq!(unpadded(&[1, 2, 0, 2], false), Some(&[1, 2, 0, 2][..]));
        assert_eq!(unpadded(&[4, 4, 4, 4], true), Some(&[][..]));
        assert_eq!(unpadded(&[1, 5], true), None);
        assert_eq!(unpadded(&[1, 0], true), None);
        assert_eq!(unpadded(&[], true), None);
    }
}
