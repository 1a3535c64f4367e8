//! Signed-in browser sessions.

use bedside_visit::permission::ClinicRole;
use bedside_visit::{AppointmentId, Role, Timestamp, UserId};

use crate::SessionHash;

/// A signed-in browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The hash of its token.
    pub token_hash: SessionHash,
    /// The user.
    pub user: UserId,
    /// The user's current clinic role. Not stored with the session.
    pub clinic_role: Option<ClinicRole>,
    /// `None` for a sign-in. Otherwise the session was opened by a link and is valid for this appointment and role
    /// only.
    pub invite: Option<(AppointmentId, Role)>,
    /// The integrator whose join token opened it, if one did.
    pub vouched_by: Option<UserId>,
    /// The user or integrator that created the link that opened it, if any.
    pub link_made_by: Option<UserId>,
    /// The browser and operating system as reported when it began: "Firefox on Windows".
    pub device: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// When it expires, whether used or not.
    pub expires_at: Timestamp,
}
