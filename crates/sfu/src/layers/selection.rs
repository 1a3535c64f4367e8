//! What of a publisher's layers goes through to one receiver, packet by packet.

use bedside_visit::Layer;

/// What becomes of a packet of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It goes on in the layer that is shown.
    Pass,
    /// It begins another layer: the numbers go on in a new segment.
    Switch,
    /// It would begin the layer that is wanted, but only a keyframe can: ask for one of this layer.
    NeedsKeyframe,
    /// It is of a layer that this receiver does not get.
    Skip,
}

/// The layer a receiver gets of one picture, and the one it is about to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    target: Option<Layer>,
    current: Option<Layer>,
    /// While the target has not begun, the current one goes on.
    holds: bool,
}

impl Selection {
    /// Aims at a layer; none: nothing goes through. Until its keyframe comes what is shown goes on, if it `holds`.
    pub(crate) fn aim(&mut self, target: Option<Layer>, holds: bool) {
        self.target = target;
        self.holds = holds;
        if target.is_none() || (!holds && self.current != target) {
            self.current = None;
        }
    }

    /// The picture begins anew: with the next keyframe.
    pub(crate) fn restart(&mut self) {
        self.current = None;
    }

    /// The layer whose keyframe is waited for.
    pub(crate) fn awaited(&self) -> Option<Layer> {
        self.target.filter(|_| self.current != self.target)
    }

    /// The layer that a receiver which cannot decode needs a keyframe of.
    pub(crate) fn shown_or_awaited(&self) -> Option<Layer> {
        self.current.or(self.target)
    }

    /// Takes a packet of a layer. `can_start`: a decoder can begin with it.
    pub(crate) fn admit(&mut self, layer: Layer, can_start: bool) -> Admission {
        let Some(target) = self.target else { return Admission::Skip };
        if self.current == Some(layer) {
            return Admission::Pass;
        }
        // Where nothing is shown yet, a smaller picture is better than none.
        let begins = layer == target || (self.current.is_none() && layer < target);
        if begins && can_start {
            self.current = Some(layer);
            return Admission::Switch;
        }
        if layer == target { Admission::NeedsKeyframe } else { Admission::Skip }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Layer::{Full, Half, Quarter};

    fn aimed(target: Layer) -> Selection {
        let mut selection = Selection::default();
        selection.aim(Some(target), true);
        selection
    }

    #[test]
    fn nothing_goes_through_until_something_is_aimed_at_and_begins() {
        let mut selection = Selection::default();
        assert_eq!(selection.admit(Quarter, true), Admission::Skip);
        selection.aim(Some(Quarter), true);
        assert_eq!(selection.admit(Quarter, false), Admission::NeedsKeyframe);
        assert_eq!(selection.admit(Full, true), Admission::Skip, "larger than wanted");
        assert_eq!(selection.admit(Quarter, true), Admission::Switch);
        assert_eq!(selection.admit(Quarter, false), Admission::Pass);
    }

    #[test]
    fn the_larger_one_takes_over_at_its_keyframe_and_the_smaller_one_is_late_then() {
        let mut selection = aimed(Quarter);
        selection.admit(Quarter, true);
        selection.aim(Some(Full), true);
        assert_eq!(selection.awaited(), Some(Full));
        assert_eq!(selection.admit(Full, false), Admission::NeedsKeyframe);
        assert_eq!(selection.admit(Half, true), Admission::Skip);
        assert_eq!(selection.admit(Quarter, false), Admission::Pass);
        assert_eq!(selection.admit(Full, true), Admission::Switch);
        assert_eq!(selection.awaited(), None);
        assert_eq!(selection.admit(Quarter, true), Admission::Skip);
        assert_eq!(selection.admit(Full, false), Admission::Pass);
    }

    #[test]
    fn without_room_the_larger_one_stops_before_the_smaller_one_begins() {
        let mut selection = aimed(Full);
        selection.admit(Full, true);
        selection.aim(Some(Quarter), false);
        assert_eq!(selection.admit(Full, true), Admission::Skip);
        assert_eq!(selection.admit(Quarter, true), Admission::Switch);
    }

    #[test]
    fn where_nothing_is_shown_a_smaller_keyframe_begins() {
        let mut selection = aimed(Full);
        assert_eq!(selection.admit(Half, false), Admission::Skip);
        assert_eq!(selection.admit(Half, true), Admission::Switch);
        assert_eq!(selection.shown_or_awaited(), Some(Half));
        assert_eq!(selection.admit(Quarter, true), Admission::Skip);
        assert_eq!(selection.admit(Full, true), Admission::Switch);
        selection.restart();
        assert_eq!(selection.admit(Full, false), Admission::NeedsKeyframe);
        selection.aim(None, true);
        assert_eq!(selection.admit(Full, true), Admission::Skip);
    }
}
