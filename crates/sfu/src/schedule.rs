//! A queue of deadlines, so that only peers that are due are visited.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::command::PeerId;

/// A heap of deadlines. An entry may be early because its peer's deadline was postponed, and is then put back. It is
/// never late, because a peer adds an entry whenever its deadline moves forward.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, PeerId)>>,
}

impl Schedule {
    pub(crate) fn push(&mut self, at: Instant, peer: PeerId) {
        self.heap.push(Reverse((at, peer)));
    }

    /// Removes and returns the next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, PeerId)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}
