//! Who people are elsewhere.

use std::fmt;

use bedside_visit::{Timestamp, UserId};

/// Who somebody is at an OpenID provider. Does not print the subject.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderLink {
    /// The provider, exactly as it names itself.
    pub issuer: String,
    /// The provider's name for the person: never given to another, unlike an address.
    pub subject: String,
    /// Who it is here.
    pub user: UserId,
    /// Since when.
    pub created_at: Timestamp,
}

impl fmt::Debug for ProviderLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderLink").field("issuer", &self.issuer).field("user", &self.user).finish_non_exhaustive()
    }
}
