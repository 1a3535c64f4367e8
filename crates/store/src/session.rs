//! Signed-in browser sessions.

use bedside_visit::permission::ClinicRole;
use bedside_visit::{AppointmentId, Role, Timestamp, UserId};

use crate::SessionHash;

/// A signed-in browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The hash of its token.
    pub token_hash: SessionHash,
    /// Whose.
    pub user: UserId,
    /// What they are in the clinic, as it is now. It is not stored with the session.
    pub clinic_role: Option<ClinicRole>,
    /// `None`: from a sign-in. Otherwise from a link, good for this appointment and role only.
    pub invite: Option<(AppointmentId, Role)>,
    /// The program whose join token it began with, if it began with one.
    pub vouched_by: Option<UserId>,
    /// Who made the link that it began with, if it began with one that a user or a program made.
    pub link_made_by: Option<UserId>,
    /// The browser and system that it began in, as far as they said so: "Firefox on Windows".
    pub device: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}
