//! Booking appointments and calling them off, for the operator, the front desk and other programs alike.

use std::time::Duration;

use bedside_store::{Actor, AuditEntry, StoreError, Transaction};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, AuditAction, CallBackend, Participants, Person, Private, Timestamp,
    UserId, VisitRules,
};

use crate::clock::fresh_id;

/// What is to be booked.
#[derive(Debug)]
pub(crate) struct NewBooking {
    pub(crate) patient: Person,
    pub(crate) provider: Person,
    pub(crate) start: Timestamp,
    /// 5 to 1440.
    pub(crate) minutes: u32,
    /// 1 to 100 characters.
    pub(crate) kind: String,
    /// At most 2000 characters.
    pub(crate) reason: Option<String>,
    pub(crate) backend: CallBackend,
}

/// Why something cannot be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookingFault {
    Minutes,
    Kind,
    Reason,
    OnePerson,
    Backend,
}

impl BookingFault {
    /// The sentence for a person.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Minutes => "An appointment takes 5 to 1440 minutes.",
            Self::Kind => "A type of visit has 1 to 100 characters.",
            Self::Reason => "A reason has at most 2000 characters.",
            Self::OnePerson => "Patient and provider are two people.",
            Self::Backend => "Calls cannot go over that backend here: it is not configured.",
        }
    }
}

impl NewBooking {
    /// The appointment, if it can be one.
    ///
    /// # Errors
    /// [`BookingFault`].
    pub(crate) fn check(self, rules: &VisitRules, booked_by: Option<UserId>) -> Result<Appointment, BookingFault> {
        let kind = self.kind.trim();
        let reason = self.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        if !(5..=1440).contains(&self.minutes) {
            return Err(BookingFault::Minutes);
        }
        if kind.is_empty() || kind.chars().count() > 100 {
            return Err(BookingFault::Kind);
        }
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > 2000) {
            return Err(BookingFault::Reason);
        }
        if self.patient.id == self.provider.id {
            return Err(BookingFault::OnePerson);
        }
        if !rules.offers(self.backend) {
            return Err(BookingFault::Backend);
        }
        Ok(Appointment {
            id: AppointmentId::new(fresh_id()),
            start: self.start,
            duration: Duration::from_secs(u64::from(self.minutes) * 60),
            kind: kind.to_owned(),
            reason: reason.map(Private::new),
            status: AppointmentStatus::Booked,
            participants: Participants::two(self.patient, self.provider),
            backend: self.backend,
            booked_by,
        })
    }
}

/// Writes a booking down.
///
/// # Errors
/// If the store fails.
pub(crate) async fn book(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_appointment(appointment, now).await?;
    let entry = AuditEntry::new(now, AuditAction::AppointmentAdded).about(appointment.participants.patient.id);
    let entry = entry.of_appointment(appointment.id);
    transaction.append_audit(&by(entry, actor)).await
}

/// Calls one off. Its links stay, and say so.
///
/// # Errors
/// If the store fails.
pub(crate) async fn call_off(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.update_appointment_status(appointment.id, AppointmentStatus::Cancelled).await?;
    let entry = AuditEntry::new(now, AuditAction::AppointmentCancelled).about(appointment.participants.patient.id);
    let entry = entry.of_appointment(appointment.id);
    transaction.append_audit(&by(entry, actor)).await
}

/// Without an actor it was the operator.
pub(crate) fn by(entry: AuditEntry, actor: Option<Actor>) -> AuditEntry {
    match actor {
        Some(actor) => entry.by(actor),
        None => entry.with_detail("operator"),
    }
}
