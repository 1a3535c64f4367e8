//! Demultiplexes the protocols on one port, and identifies the peer of a first datagram.

/// The protocol of a datagram, by its first byte (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A STUN binding request with the server's part of its USERNAME, which identifies the peer.
    BindingRequest {
        /// The server's ICE username fragment.
        ufrag: &'a str,
        /// Whether the page nominates this path (USE-CANDIDATE).
        nominates: bool,
    },
    /// Another STUN message. An ICE-lite server ignores it.
    OtherStun,
    /// DTLS.
    Dtls,
    /// Encrypted RTP or RTCP.
    Rtp {
        /// SSRC and sequence number, from the unencrypted header of an RTP packet. `None` for RTCP.
        stream: Option<(u32, u16)>,
    },
}

/// Larger datagrams cannot be forwarded and are not expected on the Internet.
pub(crate) const MAX_DATAGRAM: usize = 1500;

const STUN_HEADER: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const USE_CANDIDATE: u16 = 0x0025;

/// Classifies a datagram. Returns `None` if it must be dropped.
#[must_use]
pub fn classify(datagram: &[u8]) -> Option<Packet<'_>> {
    if datagram.len() > MAX_DATAGRAM {
        return None;
    }
    match datagram.first()? {
        0..=3 => stun(datagram),
        20..=63 if datagram.len() >= 13 => Some(Packet::Dtls),
        128..=191 if datagram.len() >= 8 => Some(Packet::Rtp { stream: rtp_stream(datagram) }),
        _ => None,
    }
}

/// RFC 8489, section 5: a header, followed by attributes padded to four bytes.
fn stun(datagram: &[u8]) -> Option<Packet<'_>> {
    let (header, mut attributes) = datagram.split_at_checked(STUN_HEADER)?;
    let length = usize::from(be16(header, 2)?);
    if header.get(4..8)? != STUN_COOKIE || length != attributes.len() || length % 4 != 0 {
        return None;
    }
    if be16(header, 0)? != BINDING_REQUEST {
        return Some(Packet::OtherStun);
    }
    let mut ours = None;
    let mut nominates = false;
    while !attributes.is_empty() {
        let kind = be16(attributes, 0)?;
        let length = usize::from(be16(attributes, 2)?);
        let value = attributes.get(4..4 + length)?;
        if kind == USERNAME {
            // RFC 8445, section 7.2.2: the receiver's fragment, a colon, the sender's fragment.
            ours = ours.or(Some(std::str::from_utf8(value).ok()?.split_once(':')?.0));
        }
        nominates |= kind == USE_CANDIDATE;
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
    }
    ours.map(|ufrag| Packet::BindingRequest { ufrag, nominates })
}

/// RFC 3550, section 5.1; RFC 5761, section 4 for distinguishing RTCP.
fn rtp_stream(datagram: &[u8]) -> Option<(u32, u16)> {
    let is_rtcp = matches!(datagram.get(1)? & 0x7f, 64..=95);
    let ssrc = u32::from_be_bytes(datagram.get(8..12)?.try_into().ok()?);
    (!is_rtcp).then_some((ssrc, be16(datagram, 2)?))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).expect("short").to_be_bytes();
        let mut message = vec![0, 1, length[0], length[1]];
        message.extend_from_slice(&STUN_COOKIE);
        message.extend_from_slice(&[7; 12]);
        message.extend_from_slice(attributes);
        message
    }

    #[test]
    fn a_binding_request_names_the_peer() {
        let message = request(b"\x80\x22\x00\x01x\0\0\0\x00\x06\x00\x09ours:them\0\0\0");
        assert_eq!(classify(&message), Some(Packet::BindingRequest { ufrag: "ours", nominates: false }));
    }

    #[test]
    fn a_binding_request_nominates_wherever_the_attribute_stands() {
        for attributes in [&b"\x00\x25\0\0\x00\x06\x00\x06a:them\0\0"[..], b"\x00\x06\x00\x06a:them\0\0\x00\x25\0\0"] {
            assert_eq!(classify(&request(attributes)), Some(Packet::BindingRequest { ufrag: "a", nominates: true }));
        }
    }

    #[test]
    fn a_binding_request_without_a_proper_user_name_is_dropped() {
        assert_eq!(classify(&request(b"")), None);
        assert_eq!(classify(&request(b"\x00\x06\x00\x04ours")), None);
        assert_eq!(classify(&request(b"\x00\x06\x00\x09our")), None);
        assert_eq!(classify(&request(b"\x00\x06\x00\x04\xff\xfe:\xff")), None);
    }

    #[test]
    fn protocols_are_told_apart_by_the_first_byte() {
        assert_eq!(classify(&[22; 20]), Some(Packet::Dtls));
        let mut rtp = [0x80; 20];
        rtp[1..12].copy_from_slice(&[111, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
        assert_eq!(classify(&rtp), Some(Packet::Rtp { stream: Some((0x0304, 0x0102)) }));
        rtp[1] = 200;
        assert_eq!(classify(&rtp), Some(Packet::Rtp { stream: None }));
        assert_eq!(classify(&rtp[..8]), Some(Packet::Rtp { stream: None }));
        assert_eq!(classify(&[200; 20]), None);
        assert_eq!(classify(&[70; 20]), None);
        assert_eq!(classify(&[]), None);
        assert_eq!(classify(&[0x80; 1501]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = classify(&bytes);
        }

        #[test]
        fn no_attributes_panic(bytes in prop::collection::vec(any::<u8>(), 0..25)) {
            let padded = [bytes.clone(), vec![0; bytes.len().next_multiple_of(4) - bytes.len()]].concat();
            let _ = classify(&request(&padded));
        }
    }
}
