//! People who can come in.

use std::fmt;

use bedside_visit::permission::ClinicRole;
use bedside_visit::{EmailAddress, Person, Private, Timestamp, UserId};

/// A person to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Who.
    pub person: Person,
    /// Their sign-in name. `None`: they come by patient link only.
    pub email: Option<EmailAddress>,
    /// Their password. `None`: they cannot sign in yet.
    pub password_hash: Option<PasswordHash>,
}

/// What a sign-in is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// The name others see.
    pub name: Private<String>,
    /// The sign-in name. `None`: they come by patient link only.
    pub email: Option<EmailAddress>,
    /// Their password. `None`: they cannot sign in.
    pub password_hash: Option<PasswordHash>,
    /// The secret of their one-time passwords, sealed. `None`: they have no second step.
    pub second_step: Option<SealedSecret>,
    /// Whether they are of the clinic's people: have a place in it, a field of their own, or were ever booked as a
    /// provider. Nobody else can open what is another's.
    pub works_here: bool,
    /// Since when they are shut out, if they are.
    pub disabled_at: Option<Timestamp>,
}

/// A person as the clinic's list has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub person: Person,
    /// The sign-in name. `None`: they come by link only.
    pub email: Option<EmailAddress>,
    /// What they are in the clinic as a whole.
    pub clinic_role: Option<ClinicRole>,
    /// Whether somebody has ever been booked with them.
    pub provides: bool,
    /// Since when they are shut out, if they are.
    pub disabled_at: Option<Timestamp>,
}

/// A secret that the program alone can open. The store only keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

/// A password as it is stored: salted, hashed, in PHC string format. Never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string into keeping.
    #[must_use]
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for checking a password against it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
