//! Patient links.

use bedside_visit::{AppointmentId, Role, Timestamp, UserId};

use crate::{InviteHash, SessionHash};

/// A link that admits one user to one appointment in one role, once, without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The hash of its token.
    pub token_hash: InviteHash,
    /// The appointment it is for.
    pub appointment: AppointmentId,
    /// The user it admits.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// The user or integrator that created it. `None` if the operator did on the command line, or if it was created
    /// before this was recorded.
    pub made_by: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires unless used before.
    pub expires_at: Timestamp,
    /// When it was used and for which session, if it was.
    pub used: Option<(Timestamp, SessionHash)>,
}

impl Invite {
    /// Creates an unused link.
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

    /// Sets its creator.
    #[must_use]
    pub const fn made_by(mut self, user: Option<UserId>) -> Self {
        self.made_by = user;
        self
    }
}
