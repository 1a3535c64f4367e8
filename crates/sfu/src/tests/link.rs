//! A link between a page and the server, as bad as wished, and the same again for the same seed.

use std::time::Duration;

/// Random numbers that a seed decides (xorshift64*).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `most`.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// How a link fares, both ways alike.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Percent of packets that are lost, and of how many in a row a loss is on average.
    pub(super) loss: u64,
    pub(super) burst: u64,
    /// Milliseconds on the way, and how many more at most. Packets overtake each other by it.
    pub(super) delay: u64,
    pub(super) jitter: u64,
    /// Percent of packets that come twice.
    pub(super) duplicates: u64,
    /// Nothing gets through.
    pub(super) down: bool,
}

/// One link.
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

    /// When the copies of a packet arrive: none if it is lost, two if it is doubled.
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

    /// Gilbert's model: bursts of a mean length, and as many of them as make up the share.
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
