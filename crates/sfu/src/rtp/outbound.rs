//! A stream sent to a page.

use std::time::{Duration, Instant};

use super::header::Name;
use super::rtcp;

/// Interval of sender reports, by which a page synchronizes audio and video.
const REPORTS: Duration = Duration::from_secs(1);
/// An arbitrary NTP time in seconds since 1900; only differences matter.
const EPOCH: u64 = 3_900_000_000;

/// The state of a stream sent to a page.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// Its media section.
    pub(crate) mid: Option<Name>,
    pub(crate) ssrc: u32,
    /// SSRC and payload type of its retransmissions.
    pub(crate) repair: Option<(u32, u8)>,
    /// Clock rate of its timestamps in Hz.
    pub(crate) clock_rate: u32,
    /// The next sequence number of the retransmission stream.
    next_repair: u64,
    packets: u32,
    octets: u32,
    /// RTP timestamp of the newest packet, and its capture time.
    newest: Option<(u32, Instant)>,
    reported: Option<Instant>,
}

impl Outbound {
    pub(crate) fn new(mid: Option<Name>, ssrc: u32, repair: Option<(u32, u8)>, clock_rate: u32) -> Self {
        Self { mid, ssrc, repair, clock_rate, next_repair: 1, packets: 0, octets: 0, newest: None, reported: None }
    }

    /// Records a packet that is being sent.
    pub(crate) fn note(&mut self, timestamp: u32, made: Instant, octets: usize) {
        // Both counters are modulo 2^32 (RFC 3550, section 6.4.1).
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(octets).unwrap_or(0));
        self.newest = Some((timestamp, made));
    }

    /// Returns the next sequence number of the retransmission stream.
    pub(crate) fn take_repair_number(&mut self) -> u64 {
        self.next_repair += 1;
        self.next_repair - 1
    }

    /// Appends a sender report if one is due.
    pub(crate) fn write_due_report(&mut self, now: Instant, epoch: Instant, cname: &str, packet: &mut Vec<u8>) {
        let due = self.reported.is_none_or(|at| now.saturating_duration_since(at) >= REPORTS);
        let Some((timestamp, made)) = self.newest.filter(|_| due) else { return };
        self.reported = Some(now);
        let since = now.saturating_duration_since(made).as_micros() * u128::from(self.clock_rate) / 1_000_000;
        // RTP timestamps are modulo 2^32.
        let timestamp = timestamp.wrapping_add((since & u128::from(u32::MAX)) as u32);
        rtcp::write_sender_report(packet, self.ssrc, ntp(now, epoch), timestamp, (self.packets, self.octets));
        rtcp::write_description(packet, self.ssrc, cname);
    }
}

/// Converts a time to NTP: 32.32 fixed-point seconds.
fn ntp(now: Instant, epoch: Instant) -> u64 {
    let since = now.saturating_duration_since(epoch);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((EPOCH + since.as_secs()) << 32) | fraction
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::rtcp::Part;
    use super::*;

    fn report(stream: &mut Outbound, now: Instant, epoch: Instant) -> Option<(u64, u32)> {
        let (mut packet, mut found) = (Vec::new(), None);
        stream.write_due_report(now, epoch, "name", &mut packet);
        rtcp::read(&packet, |part| {
            if let Part::SenderReport { ntp, timestamp, .. } = part {
                found = Some((ntp, timestamp));
            }
        });
        found
    }

    #[test]
    fn a_report_lays_the_media_time_over_the_clock() {
        let epoch = Instant::now();
        let at = |ms| epoch + Duration::from_millis(ms);
        let mut stream = Outbound::new(None, 7, None, 90_000);
        assert_eq!(report(&mut stream, at(0), epoch), None);
        stream.note(u32::MAX, at(400), 100);
        assert_eq!(report(&mut stream, at(500), epoch), Some(((EPOCH << 32) | (1 << 31), 8999)));
        assert_eq!(report(&mut stream, at(1400), epoch), None);
        let (ntp, timestamp) = report(&mut stream, at(1500), epoch).expect("due");
        assert_eq!((ntp, timestamp), (((EPOCH + 1) << 32) | (1 << 31), 98_999));
    }
}
