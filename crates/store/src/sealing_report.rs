//! What is said about keys, without any.

use bedside_visit::Timestamp;

use crate::{RootId, SealedSecret};

/// What is sealed, and under which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingReport {
    /// How many data keys are wrapped with which root key.
    pub roots: Vec<(RootId, u64)>,
    /// When the oldest data key was made, if there is any.
    pub oldest: Option<Timestamp>,
    /// Table, column, and how many values are sealed in it.
    pub values: Vec<(&'static str, &'static str, u64)>,
}

/// A root key of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredRoot {
    /// Which.
    pub root: RootId,
    /// When it was replaced.
    pub at: Timestamp,
    /// What the program keeps of it. The store does not look inside.
    pub sealed: SealedSecret,
}
