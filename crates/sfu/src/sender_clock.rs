//! When a packet was made.

use std::time::{Duration, Instant};

use crate::packet::Packet;

/// The publisher's clock, from its sender reports, laid over ours once: receivers keep sound and
/// picture in step by it, so both must be on one clock, and which one does not matter.
#[derive(Debug, Default)]
pub(crate) struct SenderClock {
    /// NTP of theirs, and our time.
    anchor: Option<(u64, Instant)>,
}

impl SenderClock {
    /// Keeps times in the past, where str0m wants them, in spite of jitter.
    const MARGIN: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(10);

    /// When a packet was made, on our clock.
    pub(crate) fn wallclock(&mut self, packet: &Packet<'_>) -> Instant {
        let arrived = packet.arrived;
        let fallback = arrived.checked_sub(Self::MARGIN).unwrap_or(arrived);
        let Some(report) = packet.sender_time else { return fallback };
        // RTP time is modulo 2^32, and so is NTP, in seconds.
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

/// A length of time in 32.32 bits of seconds.
fn ntp_duration(ntp: u64) -> Duration {
    let nanos = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    Duration::from_secs(ntp >> 32) + Duration::from_nanos(nanos)
}
