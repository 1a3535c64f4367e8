//! Mails that are to be sent.

use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

/// A mail that is to be sent. What it says is written when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailJob {
    /// Its own name.
    pub id: Uuid,
    /// To whom. `None`: to nobody; there is no such account.
    pub user: Option<UserId>,
    /// What about, as the program names it.
    pub kind: String,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}
