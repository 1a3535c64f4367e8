//! A stream received from a page.

use std::time::Instant;

use super::header::Name;
use super::missing::Missing;
use super::rtcp::Reception;
use super::window::Window;

/// The clock of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderTime {
    /// NTP time in 32.32 fixed-point seconds.
    pub(crate) ntp: u64,
    /// The RTP timestamp at that time.
    pub(crate) timestamp: u32,
}

/// The state of a stream received from a page.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) ssrc: u32,
    /// Clock rate of its timestamps in Hz.
    pub(crate) clock_rate: u32,
    /// Its layer, once a packet has carried the rid.
    pub(crate) rid: Option<Name>,
    /// Whether it carries retransmissions (RFC 4588).
    pub(crate) repairs: bool,
    /// The sequence numbers received.
    pub(crate) window: Window,
    pub(crate) missing: Missing,
    report: Option<(SenderTime, Instant)>,
    first: u64,
    received: u64,
    /// Packets expected and received up to the last receiver report.
    reported: (u64, u64),
    transit: Option<u32>,
    /// Sixteen times the jitter (RFC 3550, appendix A.8).
    jitter: u32,
    began: Option<Instant>,
}

impl Inbound {
    pub(crate) fn new(ssrc: u32, clock_rate: u32, repairs: bool) -> Self {
        Self {
            ssrc,
            clock_rate,
            rid: None,
            repairs,
            window: Window::default(),
            missing: Missing::default(),
            report: None,
            first: 0,
            received: 0,
            reported: (0, 0),
            transit: None,
            jitter: 0,
            began: None,
        }
    }

    /// Records a new authenticated packet. With `wants_all`, missing packets will be requested.
    pub(crate) fn note(&mut self, now: Instant, number: u64, timestamp: u32, wants_all: bool) {
        match self.window.newest() {
            Some(newest) if number > newest + 1 && wants_all => self.missing.skipped(now, newest + 1..number),
            Some(newest) if number < newest => {
                self.missing.arrived(number);
                self.first = self.first.min(number);
            }
            Some(_) => (),
            None => self.first = number,
        }
        self.window.note(number);
        self.received += 1;
        self.note_jitter(now, timestamp);
    }

    /// Records that a missing packet arrived as a retransmission.
    pub(crate) fn repaired(&mut self, number: u64) {
        self.missing.arrived(number);
        self.window.note(number);
    }

    fn note_jitter(&mut self, now: Instant, timestamp: u32) {
        let began = *self.began.get_or_insert(now);
        let micros = now.saturating_duration_since(began).as_micros();
        // Modulo 2^32, like RTP timestamps.
        let ticks = ((micros * u128::from(self.clock_rate) / 1_000_000) & u128::from(u32::MAX)) as u32;
        let transit = ticks.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let distance = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            self.jitter = self.jitter.saturating_add(distance).saturating_sub((self.jitter + 8) / 16);
        }
    }

    /// Records a sender report.
    pub(crate) fn note_report(&mut self, now: Instant, time: SenderTime) {
        self.report = Some((time, now));
    }

    /// Returns the last sender report.
    pub(crate) fn sender_time(&self) -> Option<SenderTime> {
        self.report.map(|(time, _)| time)
    }

    /// Returns the reception statistics since the last call (RFC 3550, appendix A.3), or `None` if nothing has been
    /// received since. Such a stream is not reported (section 6.4), which tells its sender that it does not arrive.
    pub(crate) fn take_reception(&mut self, now: Instant) -> Option<Reception> {
        let newest = self.window.newest().filter(|_| self.received > self.reported.1)?;
        let expected = newest - self.first + 1;
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, self.received));
        let expected_since = expected.saturating_sub(expected_before);
        let lost_since = expected_since.saturating_sub(self.received - received_before);
        let fraction_lost = (lost_since * 256).checked_div(expected_since).unwrap_or(0);
        let (last_report, delay) = self.report.map_or((0, 0), |(time, at)| {
            let since = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            // The middle 32 of 64 bits.
            ((time.ntp >> 16 & u64::from(u32::MAX)) as u32, u32::try_from(since).unwrap_or(u32::MAX))
        });
        Some(Reception {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: i32::try_from(expected.cast_signed() - self.received.cast_signed()).unwrap_or(i32::MAX),
            // The roll-over counter and the sequence number.
            newest: (newest & u64::from(u32::MAX)) as u32,
            jitter: self.jitter / 16,
            last_report,
            delay,
        })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_report_counts_what_was_lost_since_the_last() {
        let start = Instant::now();
        let mut stream = Inbound::new(7, 90_000, false);
        assert_eq!(stream.take_reception(start), None);
        for (step, number) in [100, 101, 103, 102, 107].into_iter().enumerate() {
            let at = start + Duration::from_millis(10 * step as u64);
            stream.note(at, number, 900 * step as u32, true);
        }
        let first = stream.take_reception(start).expect("heard");
        assert_eq!((first.fraction_lost, first.lost, first.newest, first.jitter), (96, 3, 107, 0));
        assert_eq!(stream.missing.take_due(start + Duration::from_secs(1) / 10, None), [104, 105, 106]);
        stream.repaired(105);
        (108..118).for_each(|number| stream.note(start, number, 1600, true));
        let second = stream.take_reception(start).expect("heard");
        assert_eq!((second.fraction_lost, second.lost), (0, 3));
        assert!(second.jitter > 0);
        assert_eq!(stream.take_reception(start), None, "a stream that is no longer received is not reported");
        stream.note(start, 118, 1700, true);
        assert!(stream.take_reception(start).is_some());
    }

    #[test]
    fn a_report_says_how_old_the_senders_is() {
        let start = Instant::now();
        let mut stream = Inbound::new(7, 90_000, false);
        stream.note(start, 1, 0, false);
        stream.note_report(start, SenderTime { ntp: 0x0102_0304_0506_0708, timestamp: 5 });
        let reception = stream.take_reception(start + Duration::from_millis(1500)).expect("heard");
        assert_eq!((reception.last_report, reception.delay), (0x0304_0506, 98_304));
    }
}
