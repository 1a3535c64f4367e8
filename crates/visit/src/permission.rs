//! Authorization. Pure functions decide for HTTP, pages, signalling and media alike: [`decide`] for actions of
//! participants in a visit, [`arrange`] for managing an appointment from outside the visit, [`administer`] for
//! clinic-wide operations.

mod desk;

use crate::signalling::Command;
use crate::{Appointment, AppointmentId, AppointmentStatus, JoinWindow, Role, Timestamp, UserId, VisitRules};

pub use desk::{Arrangement, ClinicAction, ClinicRole, Grants, UnknownClinicRole, UnknownGrant, administer, arrange};

/// An authenticated user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The user's ID.
    pub user: UserId,
    /// The scope of the authentication.
    pub scope: Scope,
}

/// What an authentication gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A sign-in: all appointments the user takes part in, plus the permissions of their clinic role.
    Account(Option<ClinicRole>),
    /// A patient link: one appointment in one role.
    Invite(AppointmentId, Role),
    /// An integrator's access token with its scopes.
    Token(Grants),
}

/// An action in a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read its data.
    View,
    /// Open the page of a role.
    OpenPage(Role),
    /// Open the signalling and media connections and hold a seat.
    Join,
    /// Actions always open to a participant: leave, mute, report the device. Allowed after the join window has closed
    /// for those still inside.
    Attend,
    /// Start the visit, keep waiting, or move the call to another backend.
    Conduct,
    /// Stop calling, mark as missed, or end the visit. Allowed after the join window has closed.
    Finish,
    /// Decline a call.
    Decline,
}

/// Why access was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The user has no access. Must be answered exactly as if the appointment did not exist.
    NotFound,
    /// The user is a participant, but the action is for another role.
    WrongRole {
        /// The user's role.
        role: Role,
    },
    /// The join window has not opened yet.
    TooEarly {
        /// When it opens.
        opens: Timestamp,
    },
    /// The join window has closed.
    Closed,
    /// The appointment was cancelled.
    Cancelled,
    /// Requires the front desk, an admin, or a token with more scopes.
    NotAllowed,
}

impl Denial {
    /// Returns the stable code for the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::WrongRole { .. } => "wrong_role",
            Self::TooEarly { .. } => "too_early",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// Checks whether `principal` may perform `action`, and returns the role in which they act.
///
/// # Errors
/// A [`Denial`] with the first reason that applies, in this order: no access, wrong role, cancelled, too early, closed.
pub fn decide(
    principal: &Principal,
    action: Action,
    appointment: &Appointment,
    rules: &VisitRules,
    now: Timestamp,
) -> Result<Role, Denial> {
    let role = role_in(principal, appointment)?;
    match action {
        Action::View => Ok(role),
        Action::OpenPage(wanted) => only(wanted, role),
        Action::Attend => Ok(role),
        Action::Finish => only(Role::Provider, role),
        Action::Join => open(appointment, role, rules, now),
        Action::Conduct => open(appointment, only(Role::Provider, role)?, rules, now),
        Action::Decline => open(appointment, only(Role::Patient, role)?, rules, now),
    }
}

/// Returns the action that a command requires.
#[must_use]
pub const fn action_of(command: &Command) -> Action {
    match command {
        Command::Enter | Command::Rejoin => Action::Join,
        Command::Leave
        | Command::SetMedia { .. }
        | Command::ReportCheck { .. }
        | Command::ReportCapture { .. }
        | Command::ReportMedia { .. }
        | Command::ReportStranger
        | Command::SetConsent { .. }
        | Command::Say { .. } => Action::Attend,
        Command::Decline => Action::Decline,
        Command::Start | Command::KeepWaiting | Command::MoveCall { .. } => Action::Conduct,
        Command::Cancel | Command::MarkMissed | Command::End => Action::Finish,
    }
}

/// The user's role in the appointment, as far as their authentication reaches. Clinic staff have no role in a visit
/// unless they are participants.
fn role_in(principal: &Principal, appointment: &Appointment) -> Result<Role, Denial> {
    let role = appointment.participants.role_of(principal.user).ok_or(Denial::NotFound)?;
    match principal.scope {
        Scope::Account(_) => Ok(role),
        Scope::Invite(id, invited_as) if id == appointment.id && role == invited_as => Ok(role),
        Scope::Invite(..) | Scope::Token(_) => Err(Denial::NotFound),
    }
}

fn only(wanted: Role, role: Role) -> Result<Role, Denial> {
    if role == wanted { Ok(role) } else { Err(Denial::WrongRole { role }) }
}

/// Checks the join window. The provider may join at any time before it closes, because patients wait for the provider
/// to start.
fn open(appointment: &Appointment, role: Role, rules: &VisitRules, now: Timestamp) -> Result<Role, Denial> {
    if appointment.status == AppointmentStatus::Cancelled {
        return Err(Denial::Cancelled);
    }
    match (appointment.window(rules, now), role) {
        (JoinWindow::Open, _) | (JoinWindow::Early(_), Role::Provider) => Ok(role),
        (JoinWindow::Early(opens), Role::Patient | Role::Guest | Role::Interpreter | Role::Observer) => {
            Err(Denial::TooEarly { opens })
        }
        (JoinWindow::Closed, _) => Err(Denial::Closed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::{CallBackend, Companion, Participants, Person};

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const EVERY: [Action; 8] = [
        Action::View,
        Action::OpenPage(Role::Patient),
        Action::OpenPage(Role::Provider),
        Action::Join,
        Action::Attend,
        Action::Conduct,
        Action::Finish,
        Action::Decline,
    ];

    pub(super) fn user(n: u128) -> UserId {
        UserId::new(Uuid::from_u128(n))
    }

    pub(super) fn appointment() -> Appointment {
        let person = |n| Person { id: user(n), name: "N".into(), specialty: None, birth_date: None, avatar_url: None };
        Appointment {
            id: AppointmentId::new(Uuid::from_u128(50)),
            start: START,
            duration: Duration::from_secs(1800),
            kind: "Follow-up".to_owned(),
            reason: None,
            status: AppointmentStatus::Booked,
            participants: Participants {
                patient: person(1),
                provider: person(2),
                companions: vec![Companion { role: Role::Interpreter, person: person(4) }],
            },
            backend: CallBackend::Embedded,
            booked_by: Some(user(9)),
        }
    }

    fn ask(principal: Principal, action: Action, appointment: &Appointment, now: Timestamp) -> Result<Role, Denial> {
        decide(&principal, action, appointment, &VisitRules::default(), now)
    }

    fn account(n: u128) -> Principal {
        Principal { user: user(n), scope: Scope::Account(None) }
    }

    /// Every row is a principal, every column an action of `EVERY`, at the scheduled start.
    #[test]
    fn the_table() {
        let a = appointment();
        let elsewhere = AppointmentId::new(Uuid::from_u128(51));
        let link = |n, id, role| Principal { user: user(n), scope: Scope::Invite(id, role) };
        let of_clinic = |n, role| Principal { user: user(n), scope: Scope::Account(Some(role)) };
        let everything = Grants { read: true, write: true, people: true };
        let table = [
            (account(1), "yy.yy..y"),
            (account(2), "y.yyyyy."),
            (account(3), "........"),
            (account(4), "y..yy..."),
            (link(1, a.id, Role::Patient), "yy.yy..y"),
            (link(1, elsewhere, Role::Patient), "........"),
            (link(2, a.id, Role::Patient), "........"),
            (link(2, a.id, Role::Provider), "y.yyyyy."),
            (link(3, a.id, Role::Patient), "........"),
            (link(4, a.id, Role::Interpreter), "y..yy..."),
            (link(4, a.id, Role::Patient), "........"),
            (of_clinic(3, ClinicRole::Staff), "........"),
            (of_clinic(3, ClinicRole::Admin), "........"),
            (of_clinic(1, ClinicRole::Admin), "yy.yy..y"),
            (Principal { user: user(9), scope: Scope::Token(everything) }, "........"),
            (Principal { user: user(2), scope: Scope::Token(everything) }, "........"),
        ];
        for (principal, row) in table {
            for (action, cell) in EVERY.into_iter().zip(row.chars()) {
                let decision = ask(principal, action, &a, START);
                assert_eq!(decision.is_ok(), cell == 'y', "{principal:?} {action:?}: {decision:?}");
            }
        }
    }

    #[test]
    fn foreign_is_answered_as_missing_whatever_is_asked() {
        let mut a = appointment();
        a.status = AppointmentStatus::Cancelled;
        for action in EVERY {
            assert_eq!(ask(account(3), action, &a, START), Err(Denial::NotFound));
        }
    }

    #[test]
    fn the_door_opens_and_closes() {
        let a = appointment();
        let hour = Duration::from_secs(3600);
        let opens = START - hour;
        let before = opens - Duration::from_millis(1);
        assert_eq!(ask(account(1), Action::Join, &a, before), Err(Denial::TooEarly { opens }));
        assert_eq!(ask(account(2), Action::Conduct, &a, before), Ok(Role::Provider));
        assert_eq!(ask(account(1), Action::Join, &a, opens), Ok(Role::Patient));
        let closes = a.closes(&VisitRules::default());
        for n in [1, 2] {
            assert_eq!(ask(account(n), Action::Join, &a, closes), Err(Denial::Closed));
            assert!(ask(account(n), Action::Attend, &a, closes).is_ok(), "those inside may leave");
        }
        assert!(ask(account(2), Action::Finish, &a, closes).is_ok());
    }

    #[test]
    fn a_cancelled_appointment_lets_nobody_in() {
        let a = Appointment { status: AppointmentStatus::Cancelled, ..appointment() };
        assert_eq!(ask(account(1), Action::Join, &a, START), Err(Denial::Cancelled));
        assert_eq!(ask(account(2), Action::Conduct, &a, START), Err(Denial::Cancelled));
        assert_eq!(ask(account(1), Action::View, &a, START), Ok(Role::Patient));
    }
}
