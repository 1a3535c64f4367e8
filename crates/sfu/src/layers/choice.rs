//! Chooses the layer of each video for one receiver.
//!
//! A video starts with the smallest layer that arrives and is upgraded step by step while there is bandwidth. It is
//! downgraded immediately when there is not. After an upgrade that had to be reverted, the next attempt waits longer
//! each time.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use bedside_visit::Layer;

use super::{PerLayer, Rate};

/// Minimum time a video keeps its layer before an upgrade.
const DWELL: Duration = Duration::from_millis(1500);
/// Minimum time between upgrades of different videos of a receiver, to see whether the network carries the first.
const ONE_BY_ONE: Duration = Duration::from_secs(1);
/// Maximum number of upgrades of a video within this period.
const RAISES: usize = 5;
const RAISES_IN: Duration = Duration::from_secs(60);
/// How long a bit rate that was too high is not tried again: initially, and at most.
const FIRST_PATIENCE: Duration = Duration::from_secs(8);
const MOST_PATIENCE: Duration = Duration::from_secs(64);
/// After this long without congestion, the waiting time is reset.
const CALM: Duration = Duration::from_secs(90);
/// Congestion within this time counts as one event.
const ONE_TROUBLE: Duration = Duration::from_secs(3);
/// How long a video that exceeds the bandwidth may continue until the smaller layer arrives.
const GRACE: Duration = Duration::from_secs(1);

/// A video available to one receiver.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Picture {
    /// Its layers. None is offered if the participant is not connected.
    pub(crate) rates: PerLayer<Rate>,
    /// The largest layer the page can use; `None` if it does not display this video.
    pub(crate) most: Option<Layer>,
    /// Whether it belongs to the active speaker, who has priority.
    pub(crate) speaks: bool,
}

/// The decision for a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chosen {
    /// The layer forwarded to the receiver, which currently arrives; `None` for no video.
    pub(crate) take: Option<Layer>,
    /// The layer that the publisher should send for this receiver.
    pub(crate) wish: Option<Layer>,
    /// Whether the current layer continues until a keyframe of `take` arrives.
    pub(crate) holds: bool,
}

/// A receiver's bandwidth for video, in bits per second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Space {
    /// The current limit for all videos together; `None` if unlimited.
    pub(crate) room: Option<u64>,
    /// The delivered bit rate when more was sent, at the last congestion.
    pub(crate) carried: Option<u64>,
}

/// The limit for all videos together, and the bit rate not tried again for a while.
#[derive(Debug, Clone, Copy)]
struct Budget {
    room: Option<u64>,
    ceiling: Option<u64>,
}

/// How the current use compares to the limit.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    /// More is used than the limit allows.
    tight: bool,
    /// Twice as much is used.
    crowded: bool,
}

/// The state of one receiver's videos.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    states: Vec<State>,
    /// A bit rate that was too high, and until when it is not tried again.
    ceiling: Option<(u64, Instant)>,
    patience: Option<Duration>,
    troubled: Option<Instant>,
    /// When a video was last upgraded.
    raised: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    take: Option<Layer>,
    wish: Option<Layer>,
    /// When `take` last changed; `None` if the video has not started.
    changed: Option<Instant>,
    /// Since when a downgrade has been waiting for the smaller layer.
    stranded: Option<Instant>,
    /// The times of the most recent upgrades.
    raises: [Option<Instant>; RAISES],
}

impl Choice {
    /// Recomputes the choice. The videos must be in the same order in every call.
    pub(crate) fn choose(&mut self, now: Instant, Space { room, carried }: Space, pictures: &[Picture]) -> Vec<Chosen> {
        self.states.resize_with(pictures.len(), State::default);
        for (state, picture) in self.states.iter_mut().zip(pictures) {
            if picture.most.is_none() || Layer::ALL.into_iter().all(|layer| !picture.rates[layer].live) {
                *state = State::default();
            }
        }
        let used = self.used(pictures);
        self.note_trouble(now, room.filter(|room| used > *room), carried);
        let ceiling = self.ceiling.filter(|(_, until)| now < *until).map(|(bits, _)| bits);
        let exceeds = |used: u64| room.into_iter().chain(ceiling).any(|bits| used > bits);
        let pressure = Pressure { tight: exceeds(used), crowded: exceeds(used / 2) };
        let order = order(pictures);
        let fits = self.fit(Budget { room, ceiling }, pictures, &order);
        for number in order {
            let picture = &pictures[number];
            let take = self.states[number].take;
            // After congestion, upgrade one step at a time.
            let next =
                take.filter(|_| self.is_troubled(now)).and_then(|take| picture.rates.offered().find(|l| *l > take));
            let fit = fits[number].map(|fit| next.map_or(fit, |next| fit.min(next)));
            let pause = self.raised.is_some_and(|at| now.saturating_duration_since(at) < ONE_BY_ONE);
            let state = &mut self.states[number];
            if state.settle(now, picture, fit, !pause && state.may_grow(now), pressure) {
                self.raised = Some(now);
            }
        }
        let chosen = |state: &State| Chosen {
            take: state.take,
            wish: state.wish,
            holds: state.take.is_some() && !pressure.crowded,
        };
        self.states.iter().map(chosen).collect()
    }

    /// Returns the bit rate of the current choice.
    fn used(&self, pictures: &[Picture]) -> u64 {
        let taken = self.states.iter().zip(pictures);
        taken.filter_map(|(state, picture)| Some(picture.rates[state.take?].bits)).sum()
    }

    /// Returns whether there was congestion recently.
    fn is_troubled(&self, now: Instant) -> bool {
        let patience = self.patience.unwrap_or_default();
        self.troubled.is_some_and(|at| now.saturating_duration_since(at) < CALM + patience)
    }

    /// Records the limit and whether the use exceeds it; `None` for unlimited.
    fn note_trouble(&mut self, now: Instant, room: Option<u64>, carried: Option<u64>) {
        let since = |at: Instant| now.saturating_duration_since(at);
        let Some(room) = room else { return };
        let same = self.troubled.is_some_and(|at| since(at) < ONE_TROUBLE);
        let patience = match (self.patience, self.troubled) {
            (Some(patience), _) if same => patience,
            (Some(patience), _) if self.is_troubled(now) => (2 * patience).min(MOST_PATIENCE),
            (Some(_) | None, _) => FIRST_PATIENCE,
        };
        let least = self.ceiling.filter(|_| same).map_or(room, |(bits, _)| bits.min(room));
        let bits = carried.map_or(least, |carried| carried * 9 / 10);
        self.ceiling = Some((bits, now + patience));
        self.patience = Some(patience);
        self.troubled = Some(now);
    }

    /// Returns the largest layers that fit, whether they arrive now or would have to be requested.
    fn fit(&self, budget: Budget, pictures: &[Picture], order: &[usize]) -> Vec<Option<Layer>> {
        let mut levels: Vec<Option<Layer>> = vec![None; pictures.len()];
        let mut spent = 0;
        // Current layers may use the whole limit; upgrades leave some of it free.
        let limit = |number: usize, layer: Layer| {
            let kept = self.states[number].take.is_some_and(|take| layer <= take);
            let room = budget.room.map(|bits| if kept { bits } else { bits * 85 / 100 });
            room.into_iter().chain(budget.ceiling).min()
        };
        let bits = |number: usize, layer: Option<Layer>| layer.map_or(0, |layer| pictures[number].rates[layer].bits);
        let mut raise = |levels: &mut Vec<Option<Layer>>, number: usize, layer: Layer, in_any_case: bool| {
            let may = pictures[number].rates[layer].offered && pictures[number].most >= Some(layer);
            let after = spent - bits(number, levels[number]) + bits(number, Some(layer));
            if may && (in_any_case || limit(number, layer).is_none_or(|limit| after <= limit)) {
                levels[number] = Some(layer);
                spent = after;
            }
        };
        for (place, number) in order.iter().copied().enumerate() {
            if let Some(smallest) = pictures[number].rates.offered().next() {
                raise(&mut levels, number, smallest, place == 0);
            }
        }
        let speakers = order.iter().copied().filter(|number| pictures[*number].speaks);
        for (number, layer) in speakers.flat_map(|number| [(number, Layer::Half), (number, Layer::Full)]) {
            if levels[number].is_some_and(|level| level < layer) {
                raise(&mut levels, number, layer, false);
            }
        }
        for layer in [Layer::Half, Layer::Full] {
            for number in order.iter().copied() {
                if levels[number].is_some_and(|level| level < layer) {
                    raise(&mut levels, number, layer, false);
                }
            }
        }
        levels
    }
}

/// Orders the active speaker first, then by displayed size.
fn order(pictures: &[Picture]) -> Vec<usize> {
    let there = |number: &usize| pictures[*number].most.is_some() && pictures[*number].rates.offered().next().is_some();
    let mut order: Vec<usize> = (0..pictures.len()).filter(there).collect();
    order.sort_by_key(|number| (Reverse(pictures[*number].speaks), Reverse(pictures[*number].most), *number));
    order
}

impl PerLayer<Rate> {
    fn offered(&self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(|layer| self[*layer].offered)
    }

    /// Returns the layers up to `most` that arrive, smallest first.
    fn live(&self, most: Layer) -> impl DoubleEndedIterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| *layer <= most && self[*layer].live)
    }
}

impl State {
    /// Returns whether the video has kept its layer for long enough and was not upgraded too often.
    fn may_grow(&self, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let rested = self.changed.is_none_or(|at| since(at) >= DWELL);
        rested && self.raises.iter().any(|at| at.is_none_or(|at| since(at) >= RAISES_IN))
    }

    /// Moves towards the layer that fits, as far as it arrives and may be used now. Returns whether the video was
    /// upgraded.
    fn settle(&mut self, now: Instant, picture: &Picture, fit: Option<Layer>, may: bool, pressure: Pressure) -> bool {
        let Some(fit) = fit else {
            self.wish = None;
            self.change(now, None);
            return false;
        };
        let Some(take) = self.take else { return self.begin(now, picture, fit, may) };
        let pending = self.wish.is_some_and(|wish| wish > take);
        let wish = if fit <= take || may || pending { fit } else { take };
        self.wish = Some(wish);
        let Some(best) = picture.rates.live(wish).next_back() else {
            // The smaller layers must be sent first.
            let Pressure { tight, crowded } = pressure;
            let since = *self.stranded.filter(|_| tight).get_or_insert(now);
            self.stranded = Some(since);
            let patient = now.saturating_duration_since(since) < GRACE && !crowded;
            if !patient || !picture.rates[take].live {
                self.change(now, None);
            }
            return false;
        };
        self.stranded = None;
        let grows = best > take && may;
        if grows {
            self.note_raise(now);
        }
        if grows || best < take {
            self.change(now, Some(best));
        } else if !picture.rates[take].live {
            self.change(now, None);
        }
        grows
    }

    /// Starts with the smallest layer that arrives, or requests one if none does.
    fn begin(&mut self, now: Instant, picture: &Picture, fit: Layer, may: bool) -> bool {
        let awaited = self.wish.is_some_and(|wish| wish <= fit);
        let first = self.changed.is_none();
        if !first && !awaited && !may {
            self.wish = None;
            return false;
        }
        let smallest = picture.rates.offered().next();
        // A larger layer may exceed the bandwidth again, so after a pause the smallest one gets some time to arrive.
        let waits = now.saturating_duration_since(*self.stranded.get_or_insert(now)) < GRACE;
        let most = if first || !waits { Some(fit) } else { smallest };
        let smallest_live = most.and_then(|most| picture.rates.live(most).next());
        self.wish = smallest_live.or(smallest);
        let Some(smallest) = smallest_live else { return false };
        self.change(now, Some(smallest));
        let grows = !first && !awaited;
        if grows {
            self.note_raise(now);
        }
        grows
    }

    fn change(&mut self, now: Instant, take: Option<Layer>) {
        if self.take != take {
            self.take = take;
            self.changed = Some(now);
            self.stranded = None;
        }
    }

    fn note_raise(&mut self, now: Instant) {
        self.raises.rotate_right(1);
        self.raises[0] = Some(now);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests;
