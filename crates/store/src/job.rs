//! Work that follows a change: written with it in one transaction, and done until it succeeds or has lost its use.

use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

/// A job that waits. It holds no text and no secret: those are made when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its own name.
    pub id: Uuid,
    /// For whom. `None`: for nobody; there is no such account, and asking takes as long.
    pub user: Option<UserId>,
    /// What is to be done, as the program names it: 1 to 64 characters.
    pub kind: String,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}
