//! Requests that are done once, however often they come.

use bedside_visit::Timestamp;
use uuid::Uuid;

use crate::RequestHash;

/// A request that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoneRequest {
    /// What names it: who asked, for what kind of thing, and the name that they gave it.
    pub key: RequestHash,
    /// What was asked for.
    pub request: RequestHash,
    /// What was made.
    pub made: Uuid,
    /// When.
    pub at: Timestamp,
}
