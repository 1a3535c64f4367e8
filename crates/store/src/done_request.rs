//! Idempotent requests.

use bedside_visit::Timestamp;
use uuid::Uuid;

use crate::RequestHash;

/// A request that was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoneRequest {
    /// The idempotency key: hash of client, kind of resource and the client's key.
    pub key: RequestHash,
    /// Hash of the request's content.
    pub request: RequestHash,
    /// The ID of the resource it created.
    pub made: Uuid,
    /// When it was completed.
    pub at: Timestamp,
}
