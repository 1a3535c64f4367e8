//! A simulated link between a page and the server. Its impairments are deterministic for a given seed.

use std::time::Duration;

/// A seeded random number generator (xorshift64*).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below `most`.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }

    /// Returns true with a probability of `share` percent.
    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// The impairments of a link, the same in both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Packet loss in percent, and the mean number of packets in a burst of loss.
    pub(super) loss: u64,
    pub(super) burst: u64,
    /// Delay in milliseconds, and maximum additional jitter, which causes reordering.
    pub(super) delay: u64,
    pub(super) jitter: u64,
    /// Duplicated packets in percent.
    pub(super) duplicates: u64,
    /// Whether the link is down.
    pub(super) down: bool,
}

/// A link.
#[derive(Debug, Clone)]
pub(in crate::tests) struct Link {
    pub(super) weather: Weather,
    dice: Dice,
    losing: [bool; 2],
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        Self { weather: Weather::default(), dice: Dice::new(seed), losing: [false; 2] }
    }

    /// Returns the delay of each copy of a packet: none if it is lost, two if it is duplicated.
    pub(super) fn carry(&mut self, up: bool) -> Vec<Duration> {
        if self.weather.down || self.loses(up) {
            return Vec::new();
        }
        let copies = 1 + usize::from(self.dice.percent(self.weather.duplicates));
        (0..copies).map(|_| self.time()).collect()
    }

    fn time(&mut self) -> Duration {
        Duration::from_micros(1000 * self.weather.delay + self.dice.below(1000 * self.weather.jitter + 1))
    }

    /// Gilbert model: loss occurs in bursts of a mean length, as many as needed for the loss rate.
    fn loses(&mut self, up: bool) -> bool {
        let Weather { loss, burst, .. } = self.weather;
        if loss == 0 {
            return false;
        }
        let burst = burst.max(1);
        let at = usize::from(up);
        let state = self.losing[at];
        let turns = self.dice.below(10_000);
        self.losing[at] =
            if state { turns >= 10_000 / burst } else { turns < 100 * loss * 100 / (burst * (100 - loss)) };
        self.losing[at]
    }
}

#[test]
fn a_link_loses_its_share_in_bursts() {
    let mut link = Link::new(7);
    link.weather = Weather { loss: 20, burst: 2, ..Weather::default() };
    let lost: Vec<bool> = (0..100_000).map(|_| link.carry(true).is_empty()).collect();
    let count = lost.iter().filter(|lost| **lost).count();
    let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    assert!((19_000..21_000).contains(&count), "{count}");
    assert!((18..22).contains(&(10 * count / bursts)), "{count} in {bursts}");
}
