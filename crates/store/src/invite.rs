//! Links into a visit.

use bedside_visit::{AppointmentId, Role, Timestamp, UserId};

use crate::{InviteHash, SessionHash};

/// A link that lets one person into one appointment, in one role, once, without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The hash of its token.
    pub token_hash: InviteHash,
    /// The appointment that it lets into.
    pub appointment: AppointmentId,
    /// Whom it lets in.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Who made it. `None`: the operator, on the command line, or it is older than that was noted.
    pub made_by: Option<UserId>,
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
        (user, role): (UserId, Role),
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self { token_hash, appointment, user, role, made_by: None, created_at, expires_at, used: None }
    }

    /// Made by this user.
    #[must_use]
    pub const fn made_by(mut self, user: Option<UserId>) -> Self {
        self.made_by = user;
        self
    }
}
