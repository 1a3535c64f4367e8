//! Password reset links.

use bedside_visit::{Timestamp, UserId};

use crate::ResetHash;

/// A link that lets one user set a new password, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset {
    /// The hash of its token.
    pub token_hash: ResetHash,
    /// The user.
    pub user: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}
