//! Booking appointments and cancelling them, for the operator, the front desk and other programs alike.

use std::time::Duration;

use bedside_store::{Actor, AuditEntry, StoreError, Transaction};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, AuditAction, CallBackend, OwnWork, Participants, Person, Private,
    Timestamp, UserId, VisitPhase, VisitRules,
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

/// Why an appointment cannot be cancelled.
#[derive(Debug)]
pub(crate) enum CancelFault {
    /// There is no such appointment.
    Missing,
    /// It is cancelled already.
    Already,
    /// The visit took place.
    TookPlace,
    /// The patient was marked as not having come.
    Missed,
    /// Patient and provider are in the visit.
    UnderWay,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for CancelFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl CancelFault {
    /// The sentence for a person.
    pub(crate) const fn words(&self) -> &'static str {
        match self {
            Self::Missing => "There is no such appointment.",
            Self::Already => "This appointment is cancelled already.",
            Self::TookPlace => "This visit took place, so it can't be cancelled.",
            Self::Missed => "The patient was marked as missed, so there is nothing to cancel.",
            Self::UnderWay => "This visit is under way, so it can't be cancelled. The provider can end it.",
            Self::Store(_) => "The database failed.",
        }
    }
}

/// Cancels an appointment, as it stands now. Its links stay, and say so.
///
/// # Errors
/// [`CancelFault`].
pub(crate) async fn cancel(
    transaction: &mut dyn Transaction,
    id: AppointmentId,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), CancelFault> {
    let sealed = transaction.get_appointment(id).await?.ok_or(CancelFault::Missing)?;
    let appointment = sealed.unseal_for(OwnWork::RecordVisit);
    match appointment.status {
        AppointmentStatus::Booked | AppointmentStatus::Arrived => {}
        AppointmentStatus::Cancelled => return Err(CancelFault::Already),
        AppointmentStatus::Fulfilled => return Err(CancelFault::TookPlace),
        AppointmentStatus::NoShow => return Err(CancelFault::Missed),
    }
    let open = transaction.get_open_visit(id).await?;
    if open.is_some_and(|visit| matches!(visit.phase, VisitPhase::Started { .. }) && visit.connected.is_some()) {
        return Err(CancelFault::UnderWay);
    }
    transaction.update_appointment_status(id, AppointmentStatus::Cancelled).await?;
    let entry = AuditEntry::new(now, AuditAction::AppointmentCancelled).about(appointment.participants.patient.id);
    Ok(transaction.append_audit(&by(entry.of_appointment(id), actor)).await?)
}

/// Without an actor it was the operator.
pub(crate) fn by(entry: AuditEntry, actor: Option<Actor>) -> AuditEntry {
    match actor {
        Some(actor) => entry.by(actor),
        None => entry.with_detail("operator"),
    }
}
