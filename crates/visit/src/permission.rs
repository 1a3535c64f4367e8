//! Who may do what. One pure function decides, for HTTP, pages, signalling and media alike.

use crate::signalling::Command;
use crate::{Appointment, AppointmentId, AppointmentStatus, JoinWindow, Role, Timestamp, UserId, VisitRules};

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
    /// A sign-in: all that is theirs.
    Account,
    /// A patient link: one appointment, as its patient, and nothing else.
    Invite(AppointmentId),
}

/// What somebody wants with an appointment.
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
    /// Start, or go on waiting.
    Conduct,
    /// Stop calling, mark as missed, end. Also after the door has closed.
    Finish,
    /// Decline a call.
    Decline,
    /// Make a link for the patient.
    Invite,
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
    let role = appointment.participants.role_of(principal.user).ok_or(Denial::NotFound)?;
    match principal.scope {
        Scope::Account => {}
        Scope::Invite(id) if id == appointment.id && role == Role::Patient => {}
        Scope::Invite(_) => return Err(Denial::NotFound),
    }
    match action {
        Action::View => Ok(role),
        Action::OpenPage(wanted) => only(wanted, role),
        Action::Invite => only(Role::Provider, role),
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
        Command::Leave | Command::SetMedia { .. } | Command::ReportCheck { .. } => Action::Attend,
        Command::Decline => Action::Decline,
        Command::Start | Command::KeepWaiting => Action::Conduct,
        Command::Cancel | Command::MarkMissed | Command::End => Action::Finish,
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
        (JoinWindow::Early(opens), Role::Patient) => Err(Denial::TooEarly { opens }),
        (JoinWindow::Closed, _) => Err(Denial::Closed),
    }
}
