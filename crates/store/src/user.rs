//! Users.

use std::fmt;

use bedside_visit::permission::ClinicRole;
use bedside_visit::{EmailAddress, Person, Private, Timestamp, UserId};

/// A user to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The person.
    pub person: Person,
    /// E-mail address for sign-in. `None` if they join by patient link only.
    pub email: Option<EmailAddress>,
    /// Password. `None` if they cannot sign in yet.
    pub password_hash: Option<PasswordHash>,
}

/// The data that a sign-in is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's ID.
    pub user: UserId,
    /// Display name.
    pub name: Private<String>,
    /// E-mail address for sign-in. `None` if they join by patient link only.
    pub email: Option<EmailAddress>,
    /// Password. `None` if they cannot sign in with one.
    pub password_hash: Option<PasswordHash>,
    /// TOTP secret, encrypted. `None` if two-factor authentication is not enabled.
    pub second_step: Option<SealedSecret>,
    /// Whether they belong to the clinic: have a clinic role or a specialty, or were ever booked as a provider. Only
    /// these users can access other people's data.
    pub works_here: bool,
    /// Since when the account has been disabled, if it is.
    pub disabled_at: Option<Timestamp>,
}

/// A person as shown in the clinic's list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The person.
    pub person: Person,
    /// E-mail address for sign-in. `None` if they join by link only.
    pub email: Option<EmailAddress>,
    /// Their clinic role.
    pub clinic_role: Option<ClinicRole>,
    /// Whether an appointment was ever booked with them as provider.
    pub provides: bool,
    /// Since when the account has been disabled, if it is.
    pub disabled_at: Option<Timestamp>,
}

/// A secret encrypted by the server. Opaque to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

/// A password hash in PHC string format, with salt. Its `Debug` output is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string.
    #[must_use]
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// Returns the PHC string, for verifying a password.
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
