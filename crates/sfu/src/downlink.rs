//! Congestion control: estimates the bandwidth towards a receiver and limits senders accordingly.
//!
//! str0m's own estimator (GCC) costs 600 wake-ups per second and 120 kbit/s of padding per page. This one evaluates
//! what is known anyway, twice a second: the time until a packet is reported (TWCC) and packet loss. A growing queueing
//! delay is treated as congestion. Random loss without queueing delay is not, unless it is heavy and sustained.

use std::time::{Duration, Instant};

/// Bit rate of audio with its redundancy, including all headers, in bits per second.
const SOUND: u64 = 100_000;
/// Upper bound of a page's bit rate for one video, with some margin. Above it no limit is needed.
const WHOLE_PICTURE: u64 = 1_700_000;
/// The lowest bit rate requested of a sender; an encoder can still produce usable video.
const LEAST: u64 = 80_000;
/// How often a limit is repeated. RTCP packets may be lost.
const REPEAT: Duration = Duration::from_secs(1);
/// Thresholds of queueing delay: none, congestion, heavy congestion. A report itself may be delayed by up to 100 ms.
const NO_QUEUE: Duration = Duration::from_millis(130);
const QUEUE: Duration = Duration::from_millis(250);
const LONG_QUEUE: Duration = Duration::from_millis(500);
/// Loss in two successive reports that indicates congestion in a network without queues. Radio links that lose 30 % on
/// average lose 40 % in some seconds, and sending less does not reduce the loss.
const MUCH_LOSS: f32 = 0.45;
const MOST_LOST: f32 = 0.6;
/// Loss above which more audio redundancy is used, and for how long.
const SOME_LOSS: f32 = 0.02;
const SHELTER: Duration = Duration::from_secs(10);
/// Sending at this share of the capacity drains the queue.
const DRAINS: f64 = 0.7;
/// After this time a longer path is accepted as the new minimum round trip.
const MEMORY: Duration = Duration::from_secs(30);
/// How long after congestion the rate is increased slowly.
const CAUTION: Duration = Duration::from_secs(3);
/// Video is stopped when the network is congested for this long even at the lowest rate, and resumed when there has
/// been no queue for as long.
const HOPELESS: Duration = Duration::from_secs(4);

/// The videos forwarded to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The number of videos forwarded.
    pub(crate) pictures: u64,
    /// The number that is always forwarded. The others stop when there is no bandwidth for their smallest layer.
    pub(crate) at_least: u64,
}

/// A report about the path to one receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Report {
    /// Time from sending a packet to the report of its arrival.
    pub(crate) round_trip: Duration,
    /// Share of packets lost in the last second.
    pub(crate) loss: f32,
    /// Total bytes sent.
    pub(crate) sent: u64,
    /// Total bytes delivered, if known.
    pub(crate) delivered: Option<u64>,
}

/// The state of the path to one receiver.
#[derive(Debug, Default)]
pub(crate) struct Downlink {
    /// Estimated capacity in bits per second; `None` if the path is not the bottleneck.
    capacity: Option<u64>,
    /// The minimum round trip in the current period and in the previous one.
    shortest: [Option<Duration>; 2],
    turned: Option<Instant>,
    last: Option<(Instant, Report)>,
    /// The delivered bit rate when more was sent, which is a lower bound of the capacity.
    carried: Option<u64>,
    /// Queueing delay and loss of the last report.
    queue: Duration,
    loss: f32,
    /// When the path was last congested.
    strained: Option<Instant>,
    /// Since when the path has been congested at the lowest rate, or free again.
    hopeless: Option<Instant>,
    without_pictures: bool,
    /// Until when audio is sent with more redundancy.
    lossy: Option<Instant>,
}

impl Downlink {
    /// Records packet loss.
    pub(crate) fn note_loss(&mut self, now: Instant, loss: f32) {
        if loss >= SOME_LOSS {
            self.lossy = Some(now + SHELTER);
        }
    }

    /// Returns whether packets are lost and there is enough bandwidth for more redundancy.
    pub(crate) fn wants_redundancy(&self, now: Instant) -> bool {
        let lossy = self.lossy.is_some_and(|until| now < until);
        lossy && self.capacity.is_none_or(|capacity| capacity >= 2 * SOUND)
    }

    /// Processes a report. Returns whether video may be forwarded again.
    pub(crate) fn read(&mut self, now: Instant, report: &Report, Demand { pictures, at_least }: Demand) -> bool {
        let Some((rate, delivered)) = self.rates(now, report) else { return false };
        let queue = report.round_trip.saturating_sub(self.path(now, report.round_trip));
        let before = std::mem::replace(&mut self.queue, queue);
        // A page that was busy for a moment is not congestion, and a queue that drains is already being handled.
        let lasting = queue.min(before);
        let lost = report.loss.min(std::mem::replace(&mut self.loss, report.loss));
        tracing::trace!(?queue, loss = report.loss, rate, capacity = self.capacity, "downlink report");
        let draining = queue < before * 9 / 10;
        if lost >= MOST_LOST || (lasting >= LONG_QUEUE && !draining) {
            self.narrow(now, (rate, delivered), 0.5, at_least);
        } else if lost >= MUCH_LOSS || (lasting >= QUEUE && !draining) {
            self.narrow(now, (rate, delivered), 0.75, at_least);
        } else if queue <= NO_QUEUE && report.loss < MUCH_LOSS && !self.without_pictures {
            self.widen(now, rate, pictures);
        }
        let narrowest = self.capacity.is_some_and(|capacity| capacity <= least(at_least));
        let narrow =
            if self.without_pictures { queue > NO_QUEUE } else { narrowest && !draining && lasting >= LONG_QUEUE };
        self.decide(now, narrow)
    }

    /// Returns whether the bandwidth suffices for audio only.
    pub(crate) fn is_without_pictures(&self) -> bool {
        self.without_pictures
    }

    /// Returns the bandwidth for all videos together; `None` if unlimited.
    pub(crate) fn room(&self) -> Option<u64> {
        self.capacity.map(|capacity| capacity.saturating_sub(SOUND))
    }

    /// Returns the bit rate of video that was delivered the last time more was sent than the network carries.
    pub(crate) fn carried(&self) -> Option<u64> {
        self.carried.map(|carried| carried.saturating_sub(SOUND))
    }

    /// Returns the bandwidth for each of `pictures` videos; `None` if unlimited.
    pub(crate) fn share(&self, pictures: u64) -> Option<u64> {
        Some((self.capacity?.saturating_sub(SOUND) / pictures.max(1)).max(LEAST))
    }

    /// Returns the bit rates sent and delivered since the last report.
    fn rates(&mut self, now: Instant, report: &Report) -> Option<(u64, Option<u64>)> {
        let (at, before) = self.last.replace((now, *report))?;
        let milliseconds = u64::try_from(now.saturating_duration_since(at).as_millis()).ok()?;
        let rate = |now: u64, before: u64| (now.saturating_sub(before) * 8000).checked_div(milliseconds);
        let delivered = report.delivered.zip(before.delivered).and_then(|(now, before)| rate(now, before));
        Some((rate(report.sent, before.sent)?, delivered))
    }

    /// Returns the estimated round trip without queueing delay.
    fn path(&mut self, now: Instant, round_trip: Duration) -> Duration {
        let turned = *self.turned.get_or_insert(now);
        if now.saturating_duration_since(turned) >= MEMORY {
            self.turned = Some(now);
            self.shortest = [None, self.shortest[0]];
        }
        let shortest = self.shortest[0].map_or(round_trip, |shortest| shortest.min(round_trip));
        self.shortest[0] = Some(shortest);
        self.shortest[1].map_or(shortest, |before| before.min(shortest))
    }

    fn narrow(&mut self, now: Instant, (rate, delivered): (u64, Option<u64>), factor: f64, pictures: u64) {
        let rate = self.capacity.map_or(rate, |capacity| capacity.min(rate));
        let same = self.strained.is_some_and(|at| now.saturating_duration_since(at) < CAUTION);
        self.strained = Some(now);
        // The queue takes a while to drain. In the meantime the delivered rate is the network's capacity, so the limit
        // need not go far below it. Floating point is exact enough for rates below some gigabits.
        let floor = delivered.map_or(0, |delivered| (delivered as f64 * factor.min(DRAINS)) as u64);
        self.capacity = Some(((rate as f64 * factor) as u64).max(floor).min(rate).max(least(pictures)));
        self.carried = if same { self.carried.max(delivered) } else { delivered };
    }

    fn widen(&mut self, now: Instant, rate: u64, pictures: u64) {
        let Some(capacity) = self.capacity else { return };
        let strained = self.strained.is_some_and(|at| now.saturating_duration_since(at) < CAUTION);
        // Bandwidth that is used is proved to be available.
        let used = rate > capacity * 6 / 10;
        let more = capacity
            + capacity
                / if strained {
                    20
                } else if used {
                    2
                } else {
                    4
                };
        let enough = SOUND + WHOLE_PICTURE * pictures.max(1);
        self.capacity = (more < enough).then_some(more);
    }

    fn decide(&mut self, now: Instant, narrow: bool) -> bool {
        if narrow == self.without_pictures {
            self.hopeless = None;
            return false;
        }
        let since = *self.hopeless.get_or_insert(now);
        let decided = now.saturating_duration_since(since) >= HOPELESS;
        if decided {
            self.without_pictures = narrow;
            self.hopeless = None;
        }
        decided && !narrow
    }
}

/// Returns the lowest rate for a receiver of `pictures` videos.
fn least(pictures: u64) -> u64 {
    SOUND + LEAST * pictures.max(1)
}

/// The bit rate limit for one sender, sent as REMB (draft-alvestrand-rmcat-remb-03).
#[derive(Debug, Default)]
pub(crate) struct Bound {
    wanted: Option<u64>,
    sent: Option<(Instant, u64)>,
}

impl Bound {
    /// A value that means "no limit".
    const NONE: u64 = 50_000_000;

    /// Sets the limit for video; `None` for unlimited.
    pub(crate) fn want(&mut self, bits: Option<u64>) {
        self.wanted = bits;
    }

    /// Returns when the limit is to be sent next. Nothing is sent if there never was a limit.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        match (self.sent, self.total()) {
            (None, Self::NONE) => None,
            (None, _) => Some(now),
            (Some((_, said)), bits) if bits.abs_diff(said) > said / 20 => Some(now),
            (Some(_), Self::NONE) => None,
            (Some((at, _)), _) => Some(at + REPEAT),
        }
    }

    /// Returns the limit to send now in bits per second, including audio, and marks it as sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<u64> {
        let due = self.deadline(now).is_some_and(|at| at <= now);
        let bits = self.total();
        due.then(|| {
            self.sent = Some((now, bits));
            bits
        })
    }

    fn total(&self) -> u64 {
        self.wanted.map_or(Self::NONE, |bits| bits + SOUND)
    }
}

/// Returns the application part of a REMB message: a bit rate for these streams.
pub(crate) fn remb(bits: u64, streams: &[u32]) -> Vec<u8> {
    // 18 bits of mantissa, 6 of exponent.
    let exponent = (64 - bits.leading_zeros()).saturating_sub(18);
    let mantissa = bits >> exponent;
    let count = u8::try_from(streams.len()).unwrap_or(u8::MAX);
    let [_, high, middle, low] = u32::try_from(mantissa).unwrap_or(0x3_ffff).to_be_bytes();
    let exponent = u8::try_from(exponent).unwrap_or(63);
    let mut message = vec![b'R', b'E', b'M', b'B', count, (exponent << 2) | (high & 3), middle, low];
    message.extend(streams.iter().take(usize::from(count)).flat_map(|ssrc| ssrc.to_be_bytes()));
    message
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
mod tests {
    use super::*;

    const ONE: Demand = Demand { pictures: 1, at_least: 1 };

    #[test]
    fn loss_asks_for_redundancy_where_there_is_room_for_it() {
        let (mut downlink, now) = (Downlink::default(), Instant::now());
        downlink.note_loss(now, 0.01);
        assert!(!downlink.wants_redundancy(now), "single losses are recovered anyway");
        downlink.note_loss(now, 0.1);
        assert!(downlink.wants_redundancy(now));
        assert!(!downlink.wants_redundancy(now + SHELTER));
        downlink.capacity = Some(SOUND);
        assert!(!downlink.wants_redundancy(now), "more redundancy would increase the loss");
    }

    /// A simulated link with a given bit rate and a queue, and a sender that follows its limit.
    struct Link {
        downlink: Downlink,
        now: Instant,
        sent: u64,
        /// Bytes that have arrived, if that is reported.
        arrived: Option<u64>,
        waiting: f64,
        back: usize,
    }

    impl Link {
        fn new() -> Self {
            Self { downlink: Downlink::default(), now: Instant::now(), sent: 0, arrived: None, waiting: 0.0, back: 0 }
        }

        /// Runs the link for `halves` half seconds at this capacity and returns the final limit for video.
        fn run(&mut self, halves: usize, capacity: f64, loss: f32) -> Option<u64> {
            for _ in 0..halves {
                self.now += Duration::from_millis(500);
                let picture =
                    if self.downlink.is_without_pictures() { 0 } else { self.downlink.share(1).unwrap_or(1_500_000) };
                let rate = picture.min(1_500_000) as f64 + 80_000.0;
                self.sent += (rate / 16.0) as u64;
                let arrives = (self.waiting + rate / 2.0).min(capacity / 2.0);
                self.arrived = self.arrived.map(|arrived| arrived + (arrives / 8.0) as u64);
                self.waiting = (self.waiting + (rate - capacity) / 2.0).clamp(0.0, 480_000.0);
                let round_trip = Duration::from_millis(90) + Duration::from_secs_f64(self.waiting / capacity);
                let report = Report { round_trip, loss, sent: self.sent, delivered: self.arrived };
                self.back += usize::from(self.downlink.read(self.now, &report, ONE));
            }
            self.downlink.share(1)
        }
    }

    #[test]
    fn a_wide_network_bounds_nobody_and_loss_is_weather() {
        let mut link = Link::new();
        assert_eq!(link.run(40, 5e6, 0.0), None);
        assert_eq!(link.run(40, 5e6, 0.2), None);
        assert_eq!(link.run(40, 5e6, 0.4), None);
        // Heavy loss within a single second is a burst.
        assert_eq!(link.run(1, 5e6, 0.7), None);
        assert_eq!(link.run(1, 5e6, 0.3), None);
    }

    #[test]
    fn a_narrow_network_bounds_and_a_wide_one_again_frees_within_nine_seconds() {
        let mut link = Link::new();
        link.run(20, 5e6, 0.0);
        let narrow = link.run(20, 400e3, 0.0).expect("a bound");
        assert!(narrow < 600_000, "{narrow}");
        assert!(!link.downlink.is_without_pictures());
        assert!(link.waiting / 400e3 < 1.0, "{} s wait", link.waiting / 400e3);
        assert_eq!(link.run(18, 5e6, 0.0), None);
    }

    #[test]
    fn what_arrives_says_what_the_network_carries() {
        let mut link = Link::new();
        link.arrived = Some(0);
        link.run(20, 5e6, 0.0);
        assert_eq!(link.downlink.carried(), None);
        let mut least = u64::MAX;
        for _ in 0..8 {
            least = least.min(link.run(1, 700e3, 0.0).unwrap_or(u64::MAX));
        }
        assert!((200_000..600_000).contains(&least), "the limit is not much lower than necessary: {least}");
        let carried = link.downlink.carried().expect("a delivered rate");
        assert!((500_000..=700_000).contains(&carried), "{carried}");
        assert_eq!(link.run(20, 5e6, 0.0), None);
    }

    #[test]
    fn a_policed_network_bounds_by_its_loss() {
        let mut link = Link::new();
        link.run(4, 5e6, 0.0);
        assert!(link.run(5, 5e6, 0.7).expect("a bound") < 400_000);
    }

    #[test]
    fn pictures_go_before_sound_does_and_come_back() {
        let mut link = Link::new();
        link.run(20, 5e6, 0.0);
        link.run(60, 110e3, 0.0);
        assert!(link.downlink.is_without_pictures() || link.back > 0);
        link.run(40, 5e6, 0.0);
        assert!(!link.downlink.is_without_pictures() && link.back > 0);
    }

    #[test]
    fn a_longer_path_is_no_queue_for_ever() {
        let mut downlink = Downlink::default();
        let start = Instant::now();
        let mut at = |half: u32, ms| {
            let report = Report {
                round_trip: Duration::from_millis(ms),
                loss: 0.0,
                sent: u64::from(half) * 100_000,
                delivered: None,
            };
            downlink.read(start + half * Duration::from_millis(500), &report, ONE);
            downlink.share(1)
        };
        for half in 0..20 {
            at(half, 50);
        }
        assert!((20..30).filter_map(|half| at(half, 350)).next().is_some());
        for half in 30..200 {
            at(half, 350);
        }
        assert_eq!(at(200, 350), None);
    }

    #[test]
    fn a_bound_is_said_when_it_changes_repeated_while_it_holds_and_taken_back_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bound = Bound::default();
        assert_eq!(bound.deadline(at(0)), None);
        bound.want(Some(300_000));
        assert_eq!(bound.take_due(at(0)), Some(400_000));
        bound.want(Some(302_000));
        assert_eq!(bound.take_due(at(10)), None);
        assert_eq!(bound.take_due(at(1000)), Some(402_000));
        bound.want(Some(200_000));
        assert_eq!(bound.take_due(at(1010)), Some(300_000));
        bound.want(None);
        assert_eq!(bound.take_due(at(1020)), Some(Bound::NONE));
        assert_eq!(bound.deadline(at(9000)), None);
    }

    #[test]
    fn a_rate_is_written_as_mantissa_and_exponent() {
        assert_eq!(remb(0x3_ffff, &[7]), [b'R', b'E', b'M', b'B', 1, 3, 0xff, 0xff, 0, 0, 0, 7]);
        assert_eq!(remb(1_000_000, &[]), [b'R', b'E', b'M', b'B', 0, (2 << 2) | 3, 0xd0, 0x90]);
    }
}
