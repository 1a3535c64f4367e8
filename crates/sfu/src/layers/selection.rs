//! Applies the layer choice of one receiver packet by packet.

use bedside_visit::Layer;

/// The decision for a video packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Forward: it belongs to the current layer.
    Pass,
    /// Forward: it starts another layer, so the numbering continues in a new segment.
    Switch,
    /// It belongs to the target layer, but only a keyframe can start it: request one of this layer.
    NeedsKeyframe,
    /// Drop: it belongs to another layer.
    Skip,
}

/// The current and the target layer of one video for a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    target: Option<Layer>,
    current: Option<Layer>,
    /// Whether the current layer continues until the target has started.
    holds: bool,
}

impl Selection {
    /// Sets the target layer; `None` forwards nothing. With `holds`, the current layer continues until the target's
    /// keyframe arrives.
    pub(crate) fn aim(&mut self, target: Option<Layer>, holds: bool) {
        self.target = target;
        self.holds = holds;
        if target.is_none() || (!holds && self.current != target) {
            self.current = None;
        }
    }

    /// Restarts the video with the next keyframe.
    pub(crate) fn restart(&mut self) {
        self.current = None;
    }

    /// Returns the layer whose keyframe is awaited.
    pub(crate) fn awaited(&self) -> Option<Layer> {
        self.target.filter(|_| self.current != self.target)
    }

    /// Returns the layer to request a keyframe of when the receiver cannot decode.
    pub(crate) fn shown_or_awaited(&self) -> Option<Layer> {
        self.current.or(self.target)
    }

    /// Decides on a packet of a layer. `can_start` is whether decoding can start with it.
    pub(crate) fn admit(&mut self, layer: Layer, can_start: bool) -> Admission {
        let Some(target) = self.target else { return Admission::Skip };
        if self.current == Some(layer) {
            return Admission::Pass;
        }
        // If nothing is shown yet, a smaller layer is better than none.
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
        assert_eq!(selection.admit(Full, true), Admission::Skip, "larger than the target");
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
