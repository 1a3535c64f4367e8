//! Parses and writes RTCP (RFC 3550, section 6) with the feedback messages of RFC 4585 and RFC 5104.

/// A packet of a compound packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Sender report: NTP time (32.32 fixed point) and the RTP timestamp at that time.
    SenderReport { ssrc: u32, ntp: u64, timestamp: u32 },
    /// Generic NACK: pairs of a sequence number and a bit mask of the sixteen following ones.
    Nack { ssrc: u32, pairs: &'a [u8] },
    /// A keyframe request (PLI or FIR).
    KeyframeWanted { ssrc: u32 },
    /// Transport-wide congestion control feedback: the body after both SSRCs.
    TransportFeedback { body: &'a [u8] },
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
/// Feedback message types.
const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;
/// The CNAME item of a source description.
const CNAME: u8 = 1;

/// Calls `each` for every relevant packet of a compound packet, and stops at the first malformed one.
pub(crate) fn read(mut packet: &[u8], mut each: impl FnMut(Part<'_>)) {
    while let Some((&[first, kind, high, low], _)) = packet.split_first_chunk() {
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let Some((part, rest)) = packet.split_at_checked(length).filter(|_| first >> 6 == 2) else { return };
        packet = rest;
        read_part(kind, first & 0x1f, &part[4..], &mut each);
    }
}

fn read_part(kind: u8, format: u8, body: &[u8], each: &mut impl FnMut(Part<'_>)) {
    let word = |at: usize| body.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    match (kind, format) {
        (SENDER_REPORT, _) => {
            if let (Some(ssrc), Some(high), Some(low), Some(timestamp)) = (word(0), word(4), word(8), word(12)) {
                each(Part::SenderReport { ssrc, ntp: (u64::from(high) << 32) | u64::from(low), timestamp });
            }
        }
        (TRANSPORT_FEEDBACK, NACK) => {
            if let (Some(ssrc), Some(pairs)) = (word(4), body.get(8..)) {
                each(Part::Nack { ssrc, pairs });
            }
        }
        (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => {
            if let Some(body) = body.get(8..) {
                each(Part::TransportFeedback { body });
            }
        }
        (PAYLOAD_FEEDBACK, PLI) => {
            if let Some(ssrc) = word(4) {
                each(Part::KeyframeWanted { ssrc });
            }
        }
        (PAYLOAD_FEEDBACK, FIR) => {
            let entries = body.get(8..).unwrap_or_default().as_chunks::<8>().0;
            for [a, b, c, d, ..] in entries {
                each(Part::KeyframeWanted { ssrc: u32::from_be_bytes([*a, *b, *c, *d]) });
            }
        }
        (_, _) => (),
    }
}

/// Returns the sequence numbers listed in a NACK (RFC 4585, section 6.2.1).
pub(crate) fn missed(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.as_chunks::<4>().0.iter().flat_map(|[a, b, c, d]| {
        let (first, mask) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        let following = (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
        std::iter::once(first).chain(following)
    })
}

/// A report block: reception statistics of one stream (RFC 3550, section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reception {
    pub(crate) ssrc: u32,
    /// Share of packets lost since the last report, in units of 1/256.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the beginning: 24 bits, signed.
    pub(crate) lost: i32,
    /// Extended highest sequence number received.
    pub(crate) newest: u32,
    /// Interarrival jitter in timestamp units.
    pub(crate) jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time, and the delay since then in units of 1/65536 s.
    pub(crate) last_report: u32,
    pub(crate) delay: u32,
}

/// Appends a header, whose length is filled in by `close`.
fn open(packet: &mut Vec<u8>, kind: u8, format: u8, sender: u32) -> usize {
    let start = packet.len();
    packet.extend_from_slice(&[0x80 | format, kind, 0, 0]);
    packet.extend_from_slice(&sender.to_be_bytes());
    start
}

fn close(packet: &mut [u8], start: usize) {
    let words = (packet.len() - start) / 4 - 1;
    // Everything written here fits into a datagram.
    let words = u16::try_from(words).unwrap_or(u16::MAX);
    packet[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// Appends a sender report for a stream.
pub(crate) fn write_sender_report(packet: &mut Vec<u8>, ssrc: u32, ntp: u64, timestamp: u32, counts: (u32, u32)) {
    let start = open(packet, SENDER_REPORT, 0, ssrc);
    packet.extend_from_slice(&ntp.to_be_bytes());
    packet.extend_from_slice(&timestamp.to_be_bytes());
    packet.extend_from_slice(&counts.0.to_be_bytes());
    packet.extend_from_slice(&counts.1.to_be_bytes());
    close(packet, start);
}

/// Appends a receiver report with at most 31 report blocks.
pub(crate) fn write_receiver_report(packet: &mut Vec<u8>, sender: u32, receptions: &[Reception]) {
    let receptions = &receptions[..receptions.len().min(31)];
    let count = u8::try_from(receptions.len()).unwrap_or(0);
    let start = open(packet, RECEIVER_REPORT, count, sender);
    for reception in receptions {
        packet.extend_from_slice(&reception.ssrc.to_be_bytes());
        let [_, high, middle, low] = reception.lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        packet.extend_from_slice(&[reception.fraction_lost, high, middle, low]);
        for word in [reception.newest, reception.jitter, reception.last_report, reception.delay] {
            packet.extend_from_slice(&word.to_be_bytes());
        }
    }
    close(packet, start);
}

/// Appends a source description with the CNAME.
pub(crate) fn write_description(packet: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let start = open(packet, SOURCE_DESCRIPTION, 1, ssrc);
    let name = &cname.as_bytes()[..cname.len().min(255)];
    packet.extend_from_slice(&[CNAME, u8::try_from(name.len()).unwrap_or(0)]);
    packet.extend_from_slice(name);
    // The list ends with at least one zero.
    packet.resize(start + (packet.len() - start + 1).next_multiple_of(4), 0);
    close(packet, start);
}

/// Appends a generic NACK; `numbers` must be in order.
pub(crate) fn write_nack(packet: &mut Vec<u8>, sender: u32, ssrc: u32, numbers: &[u16]) {
    let start = open(packet, TRANSPORT_FEEDBACK, NACK, sender);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    let mut rest = numbers;
    while let Some((first, others)) = rest.split_first() {
        let near = others.iter().take_while(|other| (1..=16).contains(&other.wrapping_sub(*first))).count();
        let mask = others[..near].iter().fold(0_u16, |mask, other| mask | 1 << (other.wrapping_sub(*first) - 1));
        packet.extend_from_slice(&first.to_be_bytes());
        packet.extend_from_slice(&mask.to_be_bytes());
        rest = &others[near..];
    }
    close(packet, start);
}

/// Appends a PLI.
pub(crate) fn write_pli(packet: &mut Vec<u8>, sender: u32, ssrc: u32) {
    let start = open(packet, PAYLOAD_FEEDBACK, PLI, sender);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    close(packet, start);
}

/// Appends application layer feedback such as REMB. The body's length must be a multiple of four.
pub(crate) fn write_application(packet: &mut Vec<u8>, sender: u32, body: &[u8]) {
    let start = open(packet, PAYLOAD_FEEDBACK, APPLICATION, sender);
    packet.extend_from_slice(&0_u32.to_be_bytes());
    packet.extend_from_slice(body);
    close(packet, start);
}

/// Appends transport-wide congestion control feedback. The body follows both SSRCs.
pub(crate) fn write_transport_feedback(packet: &mut Vec<u8>, sender: u32, ssrc: u32, body: &[u8]) {
    let start = open(packet, TRANSPORT_FEEDBACK, TRANSPORT_WIDE, sender);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(body);
    let padding = (packet.len() - start).next_multiple_of(4) - (packet.len() - start);
    if padding > 0 {
        packet.resize(packet.len() + padding, 0);
        // RFC 3550, section 6.4.1: the last byte is the padding count.
        if let Some(last) = packet.last_mut() {
            *last = u8::try_from(padding).unwrap_or(0);
        }
        packet[start] |= 0x20;
    }
    close(packet, start);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(packet: &[u8]) -> Vec<String> {
        let mut parts = Vec::new();
        read(packet, |part| parts.push(format!("{part:?}")));
        parts
    }

    #[test]
    fn what_is_written_is_read_from_a_compound() {
        let mut packet = Vec::new();
        write_sender_report(&mut packet, 7, 0x0102_0304_0506_0708, 99, (3, 4));
        write_description(&mut packet, 7, "name");
        let reception =
            Reception { ssrc: 9, fraction_lost: 1, lost: -2, newest: 3, jitter: 4, last_report: 5, delay: 6 };
        write_receiver_report(&mut packet, 7, &[reception]);
        write_nack(&mut packet, 7, 9, &[65_534, 65_535, 0, 14, 15, 40]);
        write_pli(&mut packet, 7, 9);
        write_application(&mut packet, 7, b"REMB\0\0\0\0");
        write_transport_feedback(&mut packet, 7, 9, &[1, 2, 3, 4, 5]);
        assert_eq!(packet.len() % 4, 0);
        let expected = [
            Part::SenderReport { ssrc: 7, ntp: 0x0102_0304_0506_0708, timestamp: 99 },
            Part::Nack { ssrc: 9, pairs: &[0xff, 0xfe, 0x80, 0x03, 0, 15, 0, 0, 0, 40, 0, 0] },
            Part::KeyframeWanted { ssrc: 9 },
            Part::TransportFeedback { body: &[1, 2, 3, 4, 5, 0, 0, 3] },
        ];
        assert_eq!(parts(&packet), expected.map(|part| format!("{part:?}")));
        assert_eq!(parts(&packet[..packet.len() - 1]).len(), 3);
    }

    #[test]
    fn a_full_intra_request_names_its_streams() {
        let fir = [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
        assert_eq!(parts(&fir), [format!("{:?}", Part::KeyframeWanted { ssrc: 9 })]);
    }

    proptest! {
        #[test]
        fn a_nack_names_what_is_missed(mut numbers in prop::collection::btree_set(0_u32..2000, 1..60), start in any::<u16>()) {
            let numbers: Vec<u16> = std::mem::take(&mut numbers).into_iter().map(|at| start.wrapping_add(at as u16)).collect();
            let mut packet = Vec::new();
            write_nack(&mut packet, 1, 2, &numbers);
            let mut found = Vec::new();
            read(&packet, |part| if let Part::Nack { pairs, .. } = part { found.extend(missed(pairs)) });
            prop_assert_eq!(found, numbers);
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 200_u8..208) {
            read(&bytes, |_| ());
            if let Some([first, second, ..]) = bytes.first_chunk_mut::<4>() {
                (*first, *second) = (0x80 | (*first & 0x1f), kind);
            }
            read(&bytes, |part| if let Part::Nack { pairs, .. } = part { missed(pairs).for_each(drop) });
        }
    }
}
