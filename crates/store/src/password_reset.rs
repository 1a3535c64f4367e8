//! Links with which people set a new password.

use bedside_visit::{Timestamp, UserId};

use crate::ResetHash;

/// A link that lets one person set a new password, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset {
    /// The hash of its token.
    pub token_hash: ResetHash,
    /// Whose password.
    pub user: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}
