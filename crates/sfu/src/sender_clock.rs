//! Capture times of packets.

use std::time::{Duration, Instant};

use crate::packet::Packet;

/// Maps the publisher's clock, known from its sender reports, to the local clock once. Receivers synchronize audio and
/// video by it, so both must use one clock; which one does not matter.
#[derive(Debug, Default)]
pub(crate) struct SenderClock {
    /// The publisher's NTP time and the corresponding local time.
    anchor: Option<(u64, Instant)>,
}

impl SenderClock {
    /// Keeps times in the past despite jitter, as str0m requires.
    const MARGIN: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(10);

    /// Returns when a packet was captured, on the local clock.
    pub(crate) fn wallclock(&mut self, packet: &Packet<'_>) -> Instant {
        let arrived = packet.arrived;
        let fallback = arrived.checked_sub(Self::MARGIN).unwrap_or(arrived);
        let Some(report) = packet.sender_time else { return fallback };
        // RTP time is modulo 2^32, and so are NTP seconds.
        let since = i64::from(packet.timestamp.wrapping_sub(report.timestamp).cast_signed());
        let distance = (since << 32) / i64::from(packet.encoding.clock_rate());
        let sent = report.ntp.wrapping_add_signed(distance);
        if let Some((theirs, ours)) = self.anchor {
            let since = sent.wrapping_sub(theirs).cast_signed();
            let distance = ntp_duration(since.unsigned_abs());
            let time = if since < 0 { ours.checked_sub(distance) } else { ours.checked_add(distance) };
            if let Some(time) = time
                && time <= arrived
                && arrived.duration_since(time) < Self::MOST
            {
                return time;
            }
        }
        self.anchor = Some((sent, fallback));
        fallback
    }
}

/// Converts 32.32 fixed-point seconds.
fn ntp_duration(ntp: u64) -> Duration {
    let nanos = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::from_secs(ntp >> 32) + Duration::from_nanos(nanos)
}
