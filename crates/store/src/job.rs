//! Background jobs. A job is queued in the same transaction as the change it belongs to, and retried until it succeeds or
//! is no longer needed.

use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

/// A queued job. It contains no text and no secrets; these are created when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its ID.
    pub id: Uuid,
    /// The user it is for. `None` if there is no such account; the request is then processed in the same time.
    pub user: Option<UserId>,
    /// The kind of job, as named by the server: 1 to 64 characters.
    pub kind: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// The number of attempts.
    pub tries: u32,
}
