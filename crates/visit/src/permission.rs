//! Who may do what. Pure functions decide, for HTTP, pages, signalling and media alike: [`decide`] what people do in
//! their visits, [`arrange`] what is done about an appointment from outside, [`administer`] what concerns the clinic.

mod desk;

use crate::signalling::Command;
use crate::{Appointment, AppointmentId, AppointmentStatus, JoinWindow, Role, Timestamp, UserId, VisitRules};

pub use desk::{Arrangement, ClinicAction, ClinicRole, Grants, UnknownClinicRole, UnknownGrant, administer, arrange};

/// Somebody who proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// How far their proof reaches.
    pub scope: Scope,
}

/// How far a proof of identity reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A sign-in: all that is theirs, and what their place in the clinic adds.
    Account(Option<ClinicRole>),
    /// A link: one appointment, in one role, and nothing else.
    Invite(AppointmentId, Role),
    /// An access token of another program's, and what it was asked for.
    Token(Grants),
}

/// What somebody wants in a visit of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See its data.
    View,
    /// Open the page of a role.
    OpenPage(Role),
    /// Hold a seat: the signalling and media connections.
    Join,
    /// Do what a person in a visit may always do: leave, mute, report their device. Also after the
    /// door has closed, for those still inside.
    Attend,
    /// Start, go on waiting, or move the call to another backend.
    Conduct,
    /// Stop calling, mark as missed, end. Also after the door has closed.
    Finish,
    /// Decline a call.
    Decline,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Not theirs. To be answered exactly as if it did not exist.
    NotFound,
    /// Theirs, but this is for the other role.
    WrongRole {
        /// What they are here.
        role: Role,
    },
    /// The door opens at that time.
    TooEarly {
        /// When.
        opens: Timestamp,
    },
    /// The door has closed.
    Closed,
    /// The appointment was called off.
    Cancelled,
    /// It is for the front desk, an administrator, or a token with more scopes.
    NotAllowed,
}

impl Denial {
    /// The stable code in the audit log.
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

/// Decides. The role that comes back is the one in which the person acts.
///
/// # Errors
/// A [`Denial`], which names the first reason in this order: not theirs, wrong role, cancelled,
/// too early, closed.
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

/// What a command needs.
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

/// What they are in it, as far as their proof reaches. Who is of the clinic has no part in a visit for that.
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

/// A provider may come as early as they like: they open the door.
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

    /// The whole table at the appointment's time: who (row) may do what (column of `EVERY`).
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
