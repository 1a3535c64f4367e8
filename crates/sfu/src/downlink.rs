//! What a receiver's network carries, and what its senders may send because of it.
//!
//! str0m's own estimate (GCC) costs 600 wake-ups and 120 kbit/s of padding for each page; this one reads
//! what is known anyway, twice a second: the time until a packet is reported (TWCC) and the loss. A queue
//! that builds is a network that is too narrow; loss alone is weather, unless there is a lot of it for long.

use std::time::{Duration, Instant};

/// Bits a second that sound takes, with its redundancy and the headers of everything.
const SOUND: u64 = 100_000;
/// What a page sends of one picture at most, with something to spare: above it there is nothing to ask.
const WHOLE_PICTURE: u64 = 1_700_000;
/// What is asked of a sender at least: an encoder makes something of it.
const LEAST: u64 = 80_000;
/// How often a bound is repeated: it travels in RTCP, which may be lost.
const REPEAT: Duration = Duration::from_secs(1);
/// Waiting time in the network: none to speak of, too much, far too much. A report itself takes up to
/// 100 ms to be sent.
const NO_QUEUE: Duration = Duration::from_millis(130);
const QUEUE: Duration = Duration::from_millis(250);
const LONG_QUEUE: Duration = Duration::from_millis(500);
/// What is lost, in one report after the other, where a narrow network has no queue. Radio that loses
/// three packets of ten loses four of ten in some seconds, and loses no less when less is sent.
const MUCH_LOSS: f32 = 0.45;
const MOST_LOST: f32 = 0.6;
/// What is lost where sound needs more redundancy, and for how long it gets it.
const SOME_LOSS: f32 = 0.02;
const SHELTER: Duration = Duration::from_secs(10);
/// With so much of what it carries a network gets rid of its queue.
const DRAINS: f64 = 0.7;
/// A path without waiting is found again in this time, when the path has become longer.
const MEMORY: Duration = Duration::from_secs(30);
/// How long after a strain more is asked for slowly.
const CAUTION: Duration = Duration::from_secs(3);
/// Pictures stop when the network is this much too narrow for this long even at the least, and come back
/// when there has been no queue for as long.
const HOPELESS: Duration = Duration::from_secs(4);

/// What a receiver's pictures ask of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// How many are sent to it.
    pub(crate) pictures: u64,
    /// How many of them it gets in any case: others stop when there is no room for their smallest layer.
    pub(crate) at_least: u64,
}

/// A report on the way to one receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Report {
    /// From sending a packet to the report of its arrival.
    pub(crate) round_trip: Duration,
    /// The share that was lost in the last second.
    pub(crate) loss: f32,
    /// Everything that has been sent, in bytes.
    pub(crate) sent: u64,
    /// What of it has arrived, if that is known.
    pub(crate) delivered: Option<u64>,
}

/// What is known of one receiver's network.
#[derive(Debug, Default)]
pub(crate) struct Downlink {
    /// What it is taken to carry, in bits a second; `None`: more than it is asked to.
    capacity: Option<u64>,
    /// The shortest round trip in this stretch of time and in the one before.
    shortest: [Option<Duration>; 2],
    turned: Option<Instant>,
    last: Option<(Instant, Report)>,
    /// What arrived a second where more was sent: so much the network does carry.
    carried: Option<u64>,
    /// The waiting time and the loss of the last report.
    queue: Duration,
    loss: f32,
    /// When it was too narrow last.
    strained: Option<Instant>,
    /// Since when it has been too narrow for the least, or wide enough again.
    hopeless: Option<Instant>,
    without_pictures: bool,
    /// Until when sound is sent with more redundancy.
    lossy: Option<Instant>,
}

impl Downlink {
    /// Notes what was lost, whatever is sent.
    pub(crate) fn note_loss(&mut self, now: Instant, loss: f32) {
        if loss >= SOME_LOSS {
            self.lossy = Some(now + SHELTER);
        }
    }

    /// Whether packets are lost, and there is room to do something about it.
    pub(crate) fn wants_redundancy(&self, now: Instant) -> bool {
        let lossy = self.lossy.is_some_and(|until| now < until);
        lossy && self.capacity.is_none_or(|capacity| capacity >= 2 * SOUND)
    }

    /// Reads a report. Says whether pictures may flow again.
    pub(crate) fn read(&mut self, now: Instant, report: &Report, Demand { pictures, at_least }: Demand) -> bool {
        let Some((rate, delivered)) = self.rates(now, report) else { return false };
        let queue = report.round_trip.saturating_sub(self.path(now, report.round_trip));
        let before = std::mem::replace(&mut self.queue, queue);
        // A page that was busy for a moment is no queue, and one that drains is being mended.
        let lasting = queue.min(before);
        let lost = report.loss.min(std::mem::replace(&mut self.loss, report.loss));
        tracing::trace!(?queue, loss = report.loss, rate, capacity = self.capacity, "the way to a receiver");
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

    /// Whether there is room for sound alone.
    pub(crate) fn is_without_pictures(&self) -> bool {
        self.without_pictures
    }

    /// What all pictures may take together; `None`: as much as they like.
    pub(crate) fn room(&self) -> Option<u64> {
        self.capacity.map(|capacity| capacity.saturating_sub(SOUND))
    }

    /// What was seen to arrive of pictures the last time that more was sent than the network carries, in bits a second.
    pub(crate) fn carried(&self) -> Option<u64> {
        self.carried.map(|carried| carried.saturating_sub(SOUND))
    }

    /// What each of so many pictures may take; `None`: as much as it likes.
    pub(crate) fn share(&self, pictures: u64) -> Option<u64> {
        Some((self.capacity?.saturating_sub(SOUND) / pictures.max(1)).max(LEAST))
    }

    /// What was sent since the last report, and what arrived, in bits a second.
    fn rates(&mut self, now: Instant, report: &Report) -> Option<(u64, Option<u64>)> {
        let (at, before) = self.last.replace((now, *report))?;
        let milliseconds = u64::try_from(now.saturating_duration_since(at).as_millis()).ok()?;
        let rate = |now: u64, before: u64| (now.saturating_sub(before) * 8000).checked_div(milliseconds);
        let delivered = report.delivered.zip(before.delivered).and_then(|(now, before)| rate(now, before));
        Some((rate(report.sent, before.sent)?, delivered))
    }

    /// The round trip without waiting, as far as is known.
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
        // What is there already takes a while to drain. Meanwhile what arrives is what the network carries: there is no
        // need to go far below that. A share of a rate below some gigabits is exact enough.
        let floor = delivered.map_or(0, |delivered| (delivered as f64 * factor.min(DRAINS)) as u64);
        self.capacity = Some(((rate as f64 * factor) as u64).max(floor).min(rate).max(least(pictures)));
        self.carried = if same { self.carried.max(delivered) } else { delivered };
    }

    fn widen(&mut self, now: Instant, rate: u64, pictures: u64) {
        let Some(capacity) = self.capacity else { return };
        let strained = self.strained.is_some_and(|at| now.saturating_duration_since(at) < CAUTION);
        // What is used has been proved to be there.
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

/// What a receiver of so many pictures gets at least.
fn least(pictures: u64) -> u64 {
    SOUND + LEAST * pictures.max(1)
}

/// What one sender is asked not to exceed, by REMB (draft-alvestrand-rmcat-remb-03).
#[derive(Debug, Default)]
pub(crate) struct Bound {
    wanted: Option<u64>,
    sent: Option<(Instant, u64)>,
}

impl Bound {
    /// "No bound", said in numbers.
    const NONE: u64 = 50_000_000;

    /// The picture may take so much; `None`: as much as it likes.
    pub(crate) fn want(&mut self, bits: Option<u64>) {
        self.wanted = bits;
    }

    /// When the bound is to be said next; nothing has to be said of a bound that never was.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        match (self.sent, self.total()) {
            (None, Self::NONE) => None,
            (None, _) => Some(now),
            (Some((_, said)), bits) if bits.abs_diff(said) > said / 20 => Some(now),
            (Some(_), Self::NONE) => None,
            (Some((at, _)), _) => Some(at + REPEAT),
        }
    }

    /// The bound to say now, in bits a second, sound included. It counts as said.
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

/// The application part of a REMB message: a bit rate for these streams.
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
        assert!(!downlink.wants_redundancy(now), "a packet now and then is mended anyway");
        downlink.note_loss(now, 0.1);
        assert!(downlink.wants_redundancy(now));
        assert!(!downlink.wants_redundancy(now + SHELTER));
        downlink.capacity = Some(SOUND);
        assert!(!downlink.wants_redundancy(now), "more of it would be lost");
    }

    /// A link of so many bits a second with a queue, and a sender that does as it is told.
    struct Link {
        downlink: Downlink,
        now: Instant,
        sent: u64,
        /// What has come out at the other end, if that is reported.
        arrived: Option<u64>,
        waiting: f64,
        back: usize,
    }

    impl Link {
        fn new() -> Self {
            Self { downlink: Downlink::default(), now: Instant::now(), sent: 0, arrived: None, waiting: 0.0, back: 0 }
        }

        /// Half seconds over a link of this capacity; what the picture may take at the end.
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
        // A second in which most is lost is a burst.
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
        assert!((200_000..600_000).contains(&least), "it is not made much smaller than it has to be: {least}");
        let carried = link.downlink.carried().expect("more was sent");
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
