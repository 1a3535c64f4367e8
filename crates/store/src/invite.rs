//! Patient links.

use bedside_visit::{AppointmentId, Timestamp};

use crate::{InviteHash, SessionHash};

/// A link that lets the patient of one appointment in, once, without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The hash of its token.
    pub token_hash: InviteHash,
    /// The appointment whose patient it lets in.
    pub appointment: AppointmentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used for the first time.
    pub expires_at: Timestamp,
    /// When and for which session it was used, if it was.
    pub used: Option<(Timestamp, SessionHash)>,
}

impl Invite {
    /// A link that nobody has used.
    #[must_use]
    pub const fn new(
        token_hash: InviteHash,
        appointment: AppointmentId,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self { token_hash, appointment, created_at, expires_at, used: None }
    }
}
