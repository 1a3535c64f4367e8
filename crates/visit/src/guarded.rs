//! Patient data that was loaded but not yet authorized. Code that loads it cannot read it before a permission check.

use std::fmt;

use crate::permission::{Action, Arrangement, Denial, Principal, arrange, decide};
use crate::{Appointment, AppointmentId, AppointmentStatus, Role, Timestamp, VisitRules};

/// A loaded value that is not readable until access to it has been authorized.
///
/// ```compile_fail
/// # fn show(appointment: bedside_visit::Guarded<bedside_visit::Appointment>) {
/// println!("{}", appointment.reason.unwrap().reveal());
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Guarded<T>(T);

/// A reason for reading patient data without a user. Every place that bypasses the permission check names one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnWork {
    /// Live visits resume after a restart.
    ContinueVisits,
    /// The outcome of a visit is saved to its appointment.
    RecordVisit,
    /// A command that the operator runs on the server itself.
    Operator,
}

impl<T> Guarded<T> {
    /// Wraps a value.
    pub const fn new(inner: T) -> Self {
        Self(inner)
    }

    /// Unwraps the value for work the server does on its own behalf.
    pub fn unseal_for(self, _work: OwnWork) -> T {
        self.0
    }
}

impl Guarded<Appointment> {
    /// Returns the appointment's status, which is not personal data, for changes that depend on it.
    #[must_use]
    pub const fn status(&self) -> AppointmentStatus {
        self.0.status
    }

    /// Returns whether the appointment ends after `moment`, which is not personal data either.
    #[must_use]
    pub fn lasts_beyond(&self, moment: Timestamp) -> bool {
        self.0.end() > moment
    }

    /// Checks whether `principal` may perform `action`, without giving access to the data.
    ///
    /// # Errors
    /// See [`decide`].
    pub fn ask(
        &self,
        principal: &Principal,
        action: Action,
        rules: &VisitRules,
        now: Timestamp,
    ) -> Result<Role, Denial> {
        decide(principal, action, &self.0, rules, now)
    }

    /// Unwraps the appointment if `principal` may perform `action`, and returns the principal's role in it.
    ///
    /// # Errors
    /// See [`decide`].
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

    /// Unwraps the appointment if `principal` may manage it from outside the visit.
    ///
    /// # Errors
    /// See [`arrange`].
    pub fn open_to(self, principal: &Principal, arrangement: Arrangement) -> Result<Appointment, Denial> {
        arrange(principal, arrangement, &self.0)?;
        Ok(self.0)
    }

    /// Unwraps the appointment for the holder of an unused patient link. The link itself is the authorization.
    ///
    /// # Errors
    /// [`Denial::NotFound`] if the link is for another appointment.
    pub fn open_by_link(self, link_is_for: AppointmentId) -> Result<Appointment, Denial> {
        if self.0.id == link_is_for { Ok(self.0) } else { Err(Denial::NotFound) }
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(guarded)")
    }
}
