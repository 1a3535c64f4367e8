//! Outgoing mail.

use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

/// A queued mail. Its content is generated when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailJob {
    /// Its ID.
    pub id: Uuid,
    /// The recipient. `None` if there is no such account, in which case nothing is sent.
    pub user: Option<UserId>,
    /// The kind of mail, as named by the server.
    pub kind: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// The number of attempts.
    pub tries: u32,
}
