//! Links between accounts and OpenID provider identities.

use std::fmt;

use bedside_visit::{Timestamp, UserId};

/// A user's identity at an OpenID provider. Its `Debug` output hides the subject.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderLink {
    /// The issuer, exactly as the OpenID provider states it.
    pub issuer: String,
    /// The subject: the OpenID provider's ID of the user. Unlike an e-mail address, it is never reassigned.
    pub subject: String,
    /// The user here.
    pub user: UserId,
    /// When they were linked.
    pub created_at: Timestamp,
}

impl fmt::Debug for ProviderLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderLink").field("issuer", &self.issuer).field("user", &self.user).finish_non_exhaustive()
    }
}
