//! Signed-in browser sessions.

use bedside_visit::{AppointmentId, Timestamp, UserId};

use crate::SessionHash;

/// A signed-in browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The hash of its token.
    pub token_hash: SessionHash,
    /// Whose.
    pub user: UserId,
    /// `None`: from a sign-in. Otherwise from a patient link, good for this appointment only.
    pub appointment: Option<AppointmentId>,
    /// The browser and system that it began in, as far as they said so: "Firefox on Windows".
    pub device: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}
