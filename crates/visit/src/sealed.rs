//! What belongs to patients, under seal: whoever loads it cannot look at it before the gate has let somebody in.

use std::fmt;

use crate::permission::{Action, Arrangement, Denial, Principal, arrange, decide};
use crate::{Appointment, AppointmentId, AppointmentStatus, Role, Timestamp, VisitRules};

/// Something that was loaded and that nobody has been let see yet.
///
/// ```compile_fail
/// # fn show(appointment: bedside_visit::Sealed<bedside_visit::Appointment>) {
/// println!("{}", appointment.reason.unwrap().reveal());
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T>(T);

/// What the program does by itself, for nobody's eyes. Every place that breaks a seal without asking the gate
/// names one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnWork {
    /// Visits under way go on after a restart.
    ContinueVisits,
    /// A visit's outcome is written down at its appointment.
    RecordVisit,
    /// The operator's commands, at the machine itself.
    Operator,
}

impl<T> Sealed<T> {
    /// Puts it under seal.
    pub const fn new(inner: T) -> Self {
        Self(inner)
    }

    /// Breaks the seal for the program's own work.
    pub fn unseal_for(self, _work: OwnWork) -> T {
        self.0
    }
}

impl Sealed<Appointment> {
    /// Where the booking stands, which tells nothing of anybody: for changes that depend on it.
    #[must_use]
    pub const fn status(&self) -> AppointmentStatus {
        self.0.status
    }

    /// Whether it goes on after a moment, which tells nothing of anybody either.
    #[must_use]
    pub fn lasts_beyond(&self, moment: Timestamp) -> bool {
        self.0.end() > moment
    }

    /// Whether `principal` may, without a look at it.
    ///
    /// # Errors
    /// As [`decide`].
    pub fn ask(
        &self,
        principal: &Principal,
        action: Action,
        rules: &VisitRules,
        now: Timestamp,
    ) -> Result<Role, Denial> {
        decide(principal, action, &self.0, rules, now)
    }

    /// Opens it for somebody who may, with what they are in it.
    ///
    /// # Errors
    /// As [`decide`].
    pub fn open(
        self,
        principal: &Principal,
        action: Action,
        rules: &VisitRules,
        now: Timestamp,
    ) -> Result<(Appointment, Role), Denial> {
        let role = self.ask(principal, action, rules, now)?;
        Ok((self.0, role))
    }

    /// Opens it for somebody who may do something about it from outside of the visit.
    ///
    /// # Errors
    /// As [`arrange`].
    pub fn open_to(self, principal: &Principal, arrangement: Arrangement) -> Result<Appointment, Denial> {
        arrange(principal, arrangement, &self.0)?;
        Ok(self.0)
    }

    /// Opens it for whoever holds a link, before they have used it: the link is the proof.
    ///
    /// # Errors
    /// [`Denial::NotFound`] if the link is for another one.
    pub fn open_by_link(self, link_is_for: AppointmentId) -> Result<Appointment, Denial> {
        if self.0.id == link_is_for { Ok(self.0) } else { Err(Denial::NotFound) }
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}
