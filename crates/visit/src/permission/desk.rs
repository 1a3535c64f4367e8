//! Permissions for managing appointments and users from outside a visit, for participants, the front desk, admins and
//! integrators.

use std::fmt;
use std::str::FromStr;

use super::{Denial, Principal, Scope, role_in};
use crate::{Appointment, Role};

/// A user's clinic-wide role, independent of any role in an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClinicRole {
    /// The front desk. Books and cancels appointments and creates patient links, but has no role in the visits.
    Staff,
    /// Like the front desk, and also manages accounts.
    Admin,
    /// An integrator: another program that uses access tokens and never signs in.
    Integrator,
}

/// The text is not a clinic role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role in the clinic: staff, admin or integrator")]
pub struct UnknownClinicRole;

impl ClinicRole {
    /// All clinic roles.
    pub const ALL: [Self; 3] = [Self::Staff, Self::Admin, Self::Integrator];

    /// Returns the name used in the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Admin => "admin",
            Self::Integrator => "integrator",
        }
    }
}

impl FromStr for ClinicRole {
    type Err = UnknownClinicRole;

    fn from_str(text: &str) -> Result<Self, UnknownClinicRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownClinicRole)
    }
}

/// The scopes of an access token (RFC 6749, section 3.3), separated by spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Grants {
    /// `appointments:read`: read the appointments that this integrator booked.
    pub read: bool,
    /// `appointments:write`: book and cancel appointments, and create links.
    pub write: bool,
    /// `people:write`: add people who have no account.
    pub people: bool,
}

/// The text contains an unknown scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scopes are appointments:read, appointments:write and people:write")]
pub struct UnknownGrant;

impl Grants {
    const WORDS: [&'static str; 3] = ["appointments:read", "appointments:write", "people:write"];

    /// Returns the scopes contained in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { read: self.read && other.read, write: self.write && other.write, people: self.people && other.people }
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = [self.read, self.write, self.people];
        let words: Vec<&str> =
            Self::WORDS.into_iter().zip(granted).filter(|(_, is)| *is).map(|(word, _)| word).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Grants {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        let mut grants = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "appointments:read" => grants.read = true,
                "appointments:write" => grants.write = true,
                "people:write" => grants.people = true,
                _ => return Err(UnknownGrant),
            }
        }
        Ok(grants)
    }
}

/// An operation on an appointment from outside the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// Read its data.
    Read,
    /// Create a link for a participant, or revoke one.
    Link,
    /// Add or remove guests, interpreters and observers.
    Companion,
    /// Cancel it.
    CallOff,
}

/// Checks whether `principal` may perform an operation on an appointment. An integrator only has access to appointments
/// it booked.
///
/// # Errors
/// A [`Denial`]: no access to the appointment, wrong role, or missing scope.
pub fn arrange(principal: &Principal, arrangement: Arrangement, appointment: &Appointment) -> Result<(), Denial> {
    match principal.scope {
        Scope::Token(_) if appointment.booked_by != Some(principal.user) => Err(Denial::NotFound),
        Scope::Token(grants) => match arrangement {
            Arrangement::Read => allowed(grants.read),
            Arrangement::Link | Arrangement::Companion | Arrangement::CallOff => allowed(grants.write),
        },
        Scope::Account(Some(ClinicRole::Staff | ClinicRole::Admin)) => Ok(()),
        Scope::Account(Some(ClinicRole::Integrator) | None) | Scope::Invite(..) => {
            match (arrangement, role_in(principal, appointment)?) {
                (Arrangement::Read, _) | (Arrangement::Link | Arrangement::Companion, Role::Provider) => Ok(()),
                (Arrangement::Link | Arrangement::Companion | Arrangement::CallOff, role) => {
                    Err(Denial::WrongRole { role })
                }
            }
        }
    }
}

/// A clinic-wide operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClinicAction {
    /// List appointments: the front desk sees all, an integrator those it booked.
    ListAppointments,
    /// Book an appointment.
    Book,
    /// List people.
    ListPeople,
    /// Add a person who has no account.
    AddPerson,
    /// Disable or enable a user.
    ShutOut,
}

/// Checks whether `principal` may perform a clinic-wide operation.
///
/// # Errors
/// [`Denial::NotAllowed`].
pub fn administer(principal: &Principal, action: ClinicAction) -> Result<(), Denial> {
    match (principal.scope, action) {
        (Scope::Account(Some(ClinicRole::Admin)), _) => Ok(()),
        (Scope::Account(Some(ClinicRole::Staff)), ClinicAction::ShutOut) => Err(Denial::NotAllowed),
        (Scope::Account(Some(ClinicRole::Staff)), _) => Ok(()),
        (Scope::Token(grants), ClinicAction::ListAppointments) => allowed(grants.read),
        (Scope::Token(grants), ClinicAction::Book) => allowed(grants.write),
        (Scope::Token(grants), ClinicAction::AddPerson) => allowed(grants.people),
        (Scope::Token(_), ClinicAction::ListPeople | ClinicAction::ShutOut)
        | (Scope::Account(Some(ClinicRole::Integrator) | None) | Scope::Invite(..), _) => Err(Denial::NotAllowed),
    }
}

fn allowed(is: bool) -> Result<(), Denial> {
    if is { Ok(()) } else { Err(Denial::NotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{appointment, user};
    use super::*;

    const READ: Grants = Grants { read: true, write: false, people: false };
    const WRITE: Grants = Grants { read: false, write: true, people: false };
    const PEOPLE: Grants = Grants { read: false, write: false, people: true };

    fn of_clinic(n: u128, role: Option<ClinicRole>) -> Principal {
        Principal { user: user(n), scope: Scope::Account(role) }
    }

    fn token(n: u128, grants: Grants) -> Principal {
        Principal { user: user(n), scope: Scope::Token(grants) }
    }

    #[test]
    fn the_table_of_arrangements() {
        let a = appointment();
        let link = |n, role| Principal { user: user(n), scope: Scope::Invite(a.id, role) };
        let elsewhere = crate::AppointmentId::new(uuid::Uuid::from_u128(51));
        // Columns: read, link, companion, cancel. `y` or the denial's code.
        let table = [
            (of_clinic(1, None), ["y", "wrong_role", "wrong_role", "wrong_role"]),
            (of_clinic(2, None), ["y", "y", "y", "wrong_role"]),
            (of_clinic(4, None), ["y", "wrong_role", "wrong_role", "wrong_role"]),
            (of_clinic(3, None), ["not_found"; 4]),
            (of_clinic(3, Some(ClinicRole::Staff)), ["y"; 4]),
            (of_clinic(3, Some(ClinicRole::Admin)), ["y"; 4]),
            (of_clinic(3, Some(ClinicRole::Integrator)), ["not_found"; 4]),
            (link(1, Role::Patient), ["y", "wrong_role", "wrong_role", "wrong_role"]),
            (link(1, Role::Provider), ["not_found"; 4]),
            (link(3, Role::Patient), ["not_found"; 4]),
            (Principal { user: user(1), scope: Scope::Invite(elsewhere, Role::Patient) }, ["not_found"; 4]),
            (token(9, READ), ["y", "not_allowed", "not_allowed", "not_allowed"]),
            (token(9, WRITE), ["not_allowed", "y", "y", "y"]),
            (token(9, PEOPLE), ["not_allowed"; 4]),
            (token(8, READ), ["not_found"; 4]),
            (token(8, WRITE), ["not_found"; 4]),
            (token(2, WRITE), ["not_found"; 4]),
        ];
        let every = [Arrangement::Read, Arrangement::Link, Arrangement::Companion, Arrangement::CallOff];
        for (principal, row) in table {
            for (arrangement, cell) in every.into_iter().zip(row) {
                let decision = arrange(&principal, arrangement, &a).map_or_else(Denial::as_str, |()| "y");
                assert_eq!(decision, cell, "{principal:?} {arrangement:?}");
            }
        }
    }

    #[test]
    fn the_table_of_the_clinic() {
        let invite = Scope::Invite(appointment().id, Role::Provider);
        // Columns: list appointments, book, list people, add a person, disable a user.
        let table = [
            (of_clinic(1, None), "....."),
            (Principal { user: user(2), scope: invite }, "....."),
            (of_clinic(3, Some(ClinicRole::Staff)), "yyyy."),
            (of_clinic(3, Some(ClinicRole::Admin)), "yyyyy"),
            (of_clinic(3, Some(ClinicRole::Integrator)), "....."),
            (token(9, READ), "y...."),
            (token(9, WRITE), ".y..."),
            (token(9, PEOPLE), "...y."),
        ];
        let every = [
            ClinicAction::ListAppointments,
            ClinicAction::Book,
            ClinicAction::ListPeople,
            ClinicAction::AddPerson,
            ClinicAction::ShutOut,
        ];
        for (principal, row) in table {
            for (action, cell) in every.into_iter().zip(row.chars()) {
                let decision = administer(&principal, action);
                let expected = if cell == 'y' { Ok(()) } else { Err(Denial::NotAllowed) };
                assert_eq!(decision, expected, "{principal:?} {action:?}");
            }
        }
    }

    #[test]
    fn scopes_are_said_as_they_are_asked_for() {
        for text in ["", "appointments:read", "appointments:read appointments:write people:write"] {
            assert_eq!(text.parse::<Grants>().map(|grants| grants.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("people:write".parse::<Grants>().map(|grants| grants.and(READ)), Ok(Grants::default()));
        for text in ["appointments", "appointments:read,people:write", "*"] {
            assert_eq!(text.parse::<Grants>(), Err(UnknownGrant));
        }
    }
}
