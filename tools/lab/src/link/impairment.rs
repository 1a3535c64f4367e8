//! Link impairments. No clocks or sockets: time is an argument, and the fate of each frame is returned.

use std::time::Duration;

/// The impairments of one direction of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Condition {
    /// One-way delay.
    pub(crate) delay: Duration,
    /// Maximum deviation from the delay. Frames keep their order, as in a queue.
    pub(crate) jitter: Duration,
    /// Loss rate from 0 to 1.
    pub(crate) loss: f64,
    /// Mean number of consecutive losses.
    pub(crate) burst: f64,
    /// Share of duplicated frames, 0 to 1.
    pub(crate) duplicate: f64,
    /// Share of frames with a flipped bit, 0 to 1.
    pub(crate) corrupt: f64,
    /// Bandwidth in kbit/s; `None` for unlimited.
    pub(crate) rate: Option<u32>,
    /// Queue size in bytes with limited bandwidth. Excess frames are dropped.
    pub(crate) queue: usize,
    /// Whether the link is down.
    pub(crate) down: bool,
}

impl Condition {
    /// Creates a condition with only a delay.
    pub(crate) const fn delayed(milliseconds: u64) -> Self {
        Self {
            delay: Duration::from_millis(milliseconds),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 1.0,
            duplicate: 0.0,
            corrupt: 0.0,
            rate: None,
            queue: 64 * 1024,
            down: false,
        }
    }
}

/// The fate of a frame that is not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// When it arrives.
    pub(crate) at: Duration,
    /// Whether it is duplicated.
    pub(crate) twice: bool,
    /// The flipped bit, if any: byte offset and bit.
    pub(crate) flip: Option<(usize, u8)>,
}

/// One direction of a link with its state.
#[derive(Debug)]
pub(crate) struct Shaper {
    random: fastrand::Rng,
    /// Whether the link is in a burst of loss (the bad state of the Gilbert model).
    bursting: bool,
    /// When all queued bytes will have been sent.
    idle_at: Duration,
    last_arrival: Duration,
}

/// Size of Ethernet, IPv4 and UDP headers. Bit flips affect only the payload.
const HEADS: usize = 42;

impl Shaper {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            bursting: false,
            idle_at: Duration::ZERO,
            last_arrival: Duration::ZERO,
        }
    }

    /// Decides the fate of a frame of `length` bytes received at `now`; `None` if it is lost.
    pub(crate) fn admit(&mut self, now: Duration, length: usize, condition: &Condition) -> Option<Delivery> {
        if condition.down || self.loses(condition) {
            return None;
        }
        let sent = self.transmit(now, length, condition)?;
        let at = (sent + self.delay(condition)).max(self.last_arrival);
        self.last_arrival = at;
        let twice = self.happens(condition.duplicate);
        let flip = (length > HEADS && self.happens(condition.corrupt))
            .then(|| (self.random.usize(HEADS..length), self.random.u8(0..8)));
        Some(Delivery { at, twice, flip })
    }

    /// Gilbert model: a burst ends with probability 1/burst, and bursts begin as often as needed for the loss rate.
    fn loses(&mut self, condition: &Condition) -> bool {
        if condition.loss <= 0.0 {
            self.bursting = false;
            return false;
        }
        let ends = 1.0 / condition.burst.max(1.0);
        let begins = ends * condition.loss / (1.0 - condition.loss).max(f64::EPSILON);
        self.bursting = if self.bursting { !self.happens(ends) } else { self.happens(begins) };
        self.bursting
    }

    /// Returns when the last bit is sent, or `None` if the queue is full.
    fn transmit(&mut self, now: Duration, length: usize, condition: &Condition) -> Option<Duration> {
        let Some(rate) = condition.rate else {
            self.idle_at = now;
            return Some(now);
        };
        let bits_a_second = f64::from(rate) * 1000.0;
        let begin = self.idle_at.max(now);
        #[expect(clippy::cast_precision_loss, reason = "frames and queues are far below 2^52 bytes")]
        let (bits, room) = (length as f64 * 8.0, (condition.queue as f64) * 8.0);
        let waiting = (begin - now).as_secs_f64() * bits_a_second;
        if waiting + bits > room {
            return None;
        }
        self.idle_at = begin + Duration::from_secs_f64(bits / bits_a_second);
        Some(self.idle_at)
    }

    fn delay(&mut self, condition: &Condition) -> Duration {
        let sway = (self.random.f64() * 2.0 - 1.0) * condition.jitter.as_secs_f64();
        Duration::from_secs_f64((condition.delay.as_secs_f64() + sway).max(0.0))
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.f64() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 1000;

    fn millis(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The fates of `count` frames, one per millisecond.
    fn fates(seed: u64, count: u64, condition: &Condition) -> Vec<Option<Delivery>> {
        let mut shaper = Shaper::new(seed);
        (0..count).map(|at| shaper.admit(millis(at), FRAME, condition)).collect()
    }

    fn share(count: usize, of: usize) -> f64 {
        count as f64 / of as f64
    }

    #[test]
    fn a_delay_delays() {
        let arrivals = fates(1, 3, &Condition::delayed(40));
        let at: Vec<Duration> = arrivals.into_iter().map(|fate| fate.expect("not lost").at).collect();
        assert_eq!(at, [millis(40), millis(41), millis(42)]);
    }

    #[test]
    fn loss_and_bursts_are_as_wanted() {
        let condition = Condition { loss: 0.2, burst: 2.0, ..Condition::delayed(0) };
        let lost: Vec<bool> = fates(7, 200_000, &condition).iter().map(Option::is_none).collect();
        let losses = lost.iter().filter(|lost| **lost).count();
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((share(losses, lost.len()) - 0.2).abs() < 0.005);
        assert!((share(losses, bursts) - 2.0).abs() < 0.05);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let condition =
            Condition { loss: 0.1, duplicate: 0.1, corrupt: 0.1, jitter: millis(5), ..Condition::delayed(20) };
        assert_eq!(fates(3, 1000, &condition), fates(3, 1000, &condition));
        assert_ne!(fates(3, 1000, &condition), fates(4, 1000, &condition));
    }

    #[test]
    fn jitter_keeps_the_order() {
        let condition = Condition { jitter: millis(30), ..Condition::delayed(40) };
        let arrivals: Vec<Duration> = fates(5, 1000, &condition).into_iter().flatten().map(|fate| fate.at).collect();
        assert!(arrivals.is_sorted());
        assert!(arrivals.iter().zip(0..).all(|(at, sent)| *at <= millis(sent) + millis(70)));
    }

    #[test]
    fn a_rate_spreads_frames_and_its_queue_overflows() {
        // 8 Mbit/s: one frame per millisecond. Ten simultaneous frames fit into the queue.
        let condition = Condition { rate: Some(8000), queue: 10 * FRAME, ..Condition::delayed(0) };
        let mut shaper = Shaper::new(1);
        let at: Vec<Option<Duration>> =
            (0..12).map(|_| shaper.admit(Duration::ZERO, FRAME, &condition).map(|fate| fate.at)).collect();
        assert_eq!(at[0], Some(millis(1)));
        assert_eq!(at[9], Some(millis(10)));
        assert_eq!(at[10..], [None, None]);
        assert_eq!(shaper.admit(millis(10), FRAME, &condition).map(|fate| fate.at), Some(millis(11)));
    }

    #[test]
    fn duplicates_and_flips_come_as_often_as_wanted_and_down_is_down() {
        let condition = Condition { duplicate: 0.3, corrupt: 0.1, ..Condition::delayed(0) };
        let all = fates(9, 20_000, &condition);
        let came = all.iter().flatten();
        assert!((share(came.clone().filter(|fate| fate.twice).count(), all.len()) - 0.3).abs() < 0.02);
        let flips: Vec<(usize, u8)> = came.filter_map(|fate| fate.flip).collect();
        assert!((share(flips.len(), all.len()) - 0.1).abs() < 0.01);
        assert!(flips.iter().all(|(byte, bit)| (HEADS..FRAME).contains(byte) && *bit < 8));
        assert!(fates(9, 10, &Condition { down: true, ..condition }).iter().all(Option::is_none));
    }
}
