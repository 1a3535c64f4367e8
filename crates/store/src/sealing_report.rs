//! Reports about encryption keys. They contain no keys.

use bedside_visit::Timestamp;

use crate::{RootId, SealedSecret};

/// What is encrypted, and under which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingReport {
    /// The number of data keys per root key.
    pub roots: Vec<(RootId, u64)>,
    /// When the oldest data key was created, if there is one.
    pub oldest: Option<Timestamp>,
    /// Table, column, and the number of encrypted values in it.
    pub values: Vec<(&'static str, &'static str, u64)>,
}

/// A previous root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredRoot {
    /// Its ID.
    pub root: RootId,
    /// When it was replaced.
    pub at: Timestamp,
    /// Data the server keeps about it. Opaque to the store.
    pub sealed: SealedSecret,
}
