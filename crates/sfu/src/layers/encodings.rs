//! The layers a publisher sends, and which of them are used.

use std::time::{Duration, Instant};

use bedside_visit::Layer;

use super::PerLayer;

/// A layer from which nothing has arrived for this long is not live. Low light reduces a camera's frame rate, but not
/// that much.
const SILENT: Duration = Duration::from_secs(1);
/// Interval over which bits are counted. The bit rate is the mean of two intervals.
const COUNT: Duration = Duration::from_millis(500);
/// How long a layer is requested after its last use, in case the receiver returns.
const LINGER: Duration = Duration::from_secs(2);
/// How often the request is repeated while the page does not follow it, as messages may be lost.
const REPEAT: Duration = Duration::from_secs(5);

/// Maximum bit rate per layer that pages configure, used until there is a measurement.
const USUAL: [u64; 3] = [150_000, 500_000, 1_500_000];

/// The state of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rate {
    /// Whether it was negotiated.
    pub(crate) offered: bool,
    /// Whether it arrives.
    pub(crate) live: bool,
    /// Bits per second: the last measurement, or the usual rate.
    pub(crate) bits: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    last: Option<Instant>,
    since: Option<Instant>,
    bytes: u64,
    bits: Option<u64>,
}

impl Meter {
    fn note(&mut self, now: Instant, bytes: usize) {
        let fresh = !self.is_live(now);
        self.last = Some(now);
        if fresh {
            (self.since, self.bytes) = (Some(now), bytes as u64);
            return;
        }
        self.bytes += bytes as u64;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= COUNT {
            let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            let counted = self.bytes * 8000 / milliseconds;
            self.bits = Some(self.bits.map_or(counted, |before| u64::midpoint(before, counted)));
            (self.since, self.bytes) = (Some(now), 0);
        }
    }

    fn is_live(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < SILENT)
    }
}

/// The layers of one publisher's video.
#[derive(Debug, Default)]
pub(crate) struct Encodings {
    offered: PerLayer<bool>,
    meters: PerLayer<Meter>,
    wanted: PerLayer<bool>,
    /// When each layer was last used.
    last_wanted: PerLayer<Option<Instant>>,
    /// The last request to the page and its time. Without a request, a page sends all layers.
    told: Option<(Instant, PerLayer<bool>)>,
}

impl Encodings {
    /// Creates the state for a page that offered these layers. With none or one there is no simulcast.
    pub(crate) fn new(offered: &[Layer]) -> Self {
        Self { offered: PerLayer::of(|layer| offered.contains(&layer)), ..Self::default() }
    }

    /// Returns whether there is more than one layer.
    pub(crate) fn are_several(&self) -> bool {
        self.offered.set().count() > 1
    }

    /// Counts a packet and returns whether the layer was not live before.
    pub(crate) fn note(&mut self, now: Instant, layer: Layer, bytes: usize) -> bool {
        let was_live = self.meters[layer].is_live(now);
        self.meters[layer].note(now, bytes);
        !was_live
    }

    /// Returns the state of each layer.
    pub(crate) fn rates(&self, now: Instant) -> PerLayer<Rate> {
        PerLayer::of(|layer| {
            let meter = self.meters[layer];
            let bits = meter.bits.unwrap_or(USUAL[layer as usize]);
            Rate { offered: self.offered[layer], live: meter.is_live(now), bits }
        })
    }

    /// Sets the layers that the receivers use, all together.
    pub(crate) fn want(&mut self, now: Instant, wanted: PerLayer<bool>) {
        self.wanted = wanted;
        for layer in wanted.set() {
            self.last_wanted[layer] = Some(now);
        }
    }

    /// Returns the layers to request from the page if that changed, and marks them as requested. A newly used layer is
    /// requested immediately; an unused one is dropped after a delay.
    pub(crate) fn take_news(&mut self, now: Instant) -> Option<Vec<Layer>> {
        if !self.are_several() {
            return None;
        }
        let everything = self.offered;
        let lingers = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < LINGER);
        let mut due =
            PerLayer::of(|layer| everything[layer] && (self.wanted[layer] || lingers(self.last_wanted[layer])));
        if due.set().next().is_none() {
            // The smallest layer is always requested to keep the path and its bandwidth estimate alive.
            let smallest = everything.set().next()?;
            due[smallest] = true;
        }
        let before = self.told.map_or(everything, |(_, before)| before);
        let differs = |layer: &Layer| self.meters[*layer].is_live(now) != before[*layer];
        let unheeded = self.told.is_some_and(|(at, _)| now.saturating_duration_since(at) >= REPEAT)
            && everything.set().any(|layer| differs(&layer));
        if due == before && !unheeded {
            return None;
        }
        self.told = Some((now, due));
        Some(due.set().collect())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    const ALL: [Layer; 3] = Layer::ALL;
    use Layer::{Full, Half, Quarter};

    fn set(layers: &[Layer]) -> PerLayer<bool> {
        PerLayer::of(|layer| layers.contains(&layer))
    }

    #[test]
    fn a_layer_is_measured_over_a_second_and_remembered_when_it_stops() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut encodings = Encodings::new(&ALL);
        assert_eq!(encodings.rates(at(0))[Half], Rate { offered: true, live: false, bits: 500_000 });
        assert!(encodings.note(at(0), Half, 1000));
        for step in 1..=100 {
            assert!(!encodings.note(at(step * 20), Half, 1000));
        }
        let rate = encodings.rates(at(2000))[Half];
        assert!(rate.live && (390_000..=410_000).contains(&rate.bits), "{rate:?}");
        assert!(!encodings.rates(at(3000))[Half].live);
        assert_eq!(encodings.rates(at(3000))[Half].bits, rate.bits);
        assert!(encodings.note(at(60_000), Half, 1000), "the layer arrives again");
        assert!(encodings.rates(at(60_000))[Half].bits == rate.bits, "the gap is not counted");
    }

    #[test]
    fn a_wanted_layer_is_asked_for_at_once_and_given_up_after_two_seconds() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut encodings = Encodings::new(&ALL);
        encodings.want(at(0), set(&[Quarter, Full]));
        assert_eq!(encodings.take_news(at(0)), Some(vec![Quarter, Full]), "the half layer was never used");
        encodings.want(at(100), set(&[Full]));
        assert_eq!(encodings.take_news(at(1999)), None);
        assert_eq!(encodings.take_news(at(2000)), Some(vec![Full]));
        encodings.want(at(2100), set(&[Quarter, Full]));
        assert_eq!(encodings.take_news(at(2100)), Some(vec![Quarter, Full]));
        encodings.want(at(2200), set(&[]));
        assert_eq!(encodings.take_news(at(2300)), None);
        assert_eq!(encodings.take_news(at(4200)), Some(vec![Quarter]), "the smallest layer keeps the path alive");
    }

    #[test]
    fn what_is_not_heeded_is_said_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut encodings = Encodings::new(&ALL);
        let mut run = |from: u64, to: u64, live: &[Layer]| {
            let mut told = Vec::new();
            for ms in (from..to).step_by(100) {
                for layer in live {
                    encodings.note(at(ms), *layer, 1000);
                }
                encodings.want(at(ms), set(&[Quarter]));
                told.extend(encodings.take_news(at(ms)));
            }
            told
        };
        assert_eq!(run(0, 12_000, &[Quarter, Full]), vec![vec![Quarter]; 3]);
        assert_eq!(run(12_000, 20_000, &[Quarter]).len(), 0);
        assert_eq!(run(20_000, 23_000, &[]).len(), 1);
    }

    #[test]
    fn of_a_picture_of_one_size_there_is_nothing_to_say() {
        let now = Instant::now();
        for offered in [&[][..], &[Full]] {
            let mut encodings = Encodings::new(offered);
            encodings.want(now, set(&[]));
            assert!(!encodings.are_several());
            assert_eq!(encodings.take_news(now), None);
        }
    }
}
