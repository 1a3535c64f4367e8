//! Books and cancels appointments on behalf of the operator, the front desk and API clients.

use std::time::Duration;

use bedside_store::{Actor, AuditEntry, Store, StoreError, Transaction};
use bedside_visit::text::{label, note};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, AuditAction, CallBackend, Guarded, Participants, Person, Private,
    Timestamp, TransitionError, UserId, VisitPhase, VisitRules,
};

use crate::app::clock::fresh_id;

/// Maximum length of a visit type, in characters.
pub(crate) const LONGEST_KIND: usize = 100;
/// Maximum length of a reason, in characters.
pub(crate) const LONGEST_REASON: usize = 2000;
/// Maximum duration of an appointment.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How far in advance an appointment can be booked.
const FARTHEST: Duration = Duration::from_secs(2 * 366 * 24 * 3600);

/// Unvalidated booking request.
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

/// Reason that a booking is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookingFault {
    Minutes,
    Kind,
    Reason,
    OnePerson,
    Backend,
    /// The join window has already closed.
    Past,
    /// The start is more than two years ahead.
    FarAhead,
}

impl BookingFault {
    /// Returns the message shown to the user.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Minutes => "The duration must be 5 to 1440 minutes.",
            Self::Kind => "The visit type must have 1 to 100 characters, with at least one letter or digit.",
            Self::Reason => "The reason must have at most 2000 characters, all readable.",
            Self::OnePerson => "The patient and the provider must be different people.",
            Self::Backend => "This call backend is not configured.",
            Self::Past => "That time has passed. Choose a later time.",
            Self::FarAhead => "That is more than two years ahead. Check the year.",
        }
    }
}

impl NewBooking {
    /// Returns every fault found.
    pub(crate) fn faults(&self, rules: &VisitRules, now: Timestamp) -> Vec<BookingFault> {
        let over = self.start + Duration::from_secs(u64::from(self.minutes) * 60) + rules.late;
        let faults = [
            (!(5..=1440).contains(&self.minutes), BookingFault::Minutes),
            (label(&self.kind, LONGEST_KIND).is_err(), BookingFault::Kind),
            (note(self.reason.as_deref().unwrap_or_default(), LONGEST_REASON).is_err(), BookingFault::Reason),
            (self.patient.id == self.provider.id, BookingFault::OnePerson),
            (!rules.offers(self.backend), BookingFault::Backend),
            (over <= now, BookingFault::Past),
            (self.start > now + FARTHEST, BookingFault::FarAhead),
        ];
        faults.into_iter().filter_map(|(is_wrong, fault)| is_wrong.then_some(fault)).collect()
    }

    /// Validates the booking and converts it to an appointment.
    ///
    /// # Errors
    /// The first [`BookingFault`].
    pub(crate) fn check(
        self,
        rules: &VisitRules,
        booked_by: Option<UserId>,
        now: Timestamp,
    ) -> Result<Appointment, BookingFault> {
        if let Some(fault) = self.faults(rules, now).first() {
            return Err(*fault);
        }
        let kind = label(&self.kind, LONGEST_KIND).map_err(|_| BookingFault::Kind)?;
        let reason = self.reason.map(|reason| note(&reason, LONGEST_REASON)).transpose();
        let reason = reason.map_err(|_| BookingFault::Reason)?.flatten();
        Ok(Appointment {
            id: AppointmentId::new(fresh_id()),
            start: self.start,
            duration: Duration::from_secs(u64::from(self.minutes) * 60),
            kind,
            reason: reason.map(Private::new),
            status: AppointmentStatus::Booked,
            participants: Participants::two(self.patient, self.provider),
            backend: self.backend,
            booked_by,
        })
    }
}

/// Returns appointments of the patient or the provider that overlap the booking and are neither cancelled nor over.
///
/// # Errors
/// If the store fails.
pub(crate) async fn at_the_same_time(
    store: &dyn Store,
    booking: &NewBooking,
) -> Result<Vec<Guarded<Appointment>>, StoreError> {
    let end = booking.start + Duration::from_secs(u64::from(booking.minutes) * 60);
    let mut found = Vec::new();
    for person in [&booking.patient, &booking.provider] {
        let listed = store.list_appointments(person.id, booking.start - LONGEST, end).await?;
        found.extend(
            listed
                .into_iter()
                .filter(|guarded| guarded.status().cancel().is_ok() && guarded.lasts_beyond(booking.start)),
        );
    }
    Ok(found)
}

/// Inserts the appointment and its audit entry.
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

/// Reason that an appointment cannot be cancelled.
#[derive(Debug)]
pub(crate) enum CancelFault {
    /// The appointment does not exist.
    Missing,
    /// Its status does not allow it.
    Status(AppointmentStatus),
    /// Patient and provider are connected to the visit.
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
    /// Returns the message shown to the user.
    pub(crate) const fn words(&self) -> &'static str {
        match self {
            Self::Missing => "This appointment does not exist.",
            Self::Status(AppointmentStatus::Fulfilled) => "This visit took place, so it can't be cancelled.",
            Self::Status(AppointmentStatus::NoShow) => {
                "The patient was marked as missed, so there is nothing to cancel."
            }
            Self::Status(AppointmentStatus::Cancelled | AppointmentStatus::Booked | AppointmentStatus::Arrived) => {
                "This appointment is already cancelled."
            }
            Self::UnderWay => "This visit is under way, so it can't be cancelled. The provider can end it.",
            Self::Store(_) => "The database failed.",
        }
    }
}

/// Cancels an appointment. Its links stay valid and lead to a page that says that the appointment was cancelled.
///
/// # Errors
/// [`CancelFault`].
pub(crate) async fn cancel(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), CancelFault> {
    let id = appointment.id;
    let status = transaction.get_appointment(id).await?.ok_or(CancelFault::Missing)?.status();
    let cancelled = status.cancel().map_err(|TransitionError(status)| CancelFault::Status(status))?;
    let open = transaction.get_open_visit(id).await?;
    if open.is_some_and(|visit| matches!(visit.phase, VisitPhase::Started { .. }) && visit.connected.is_some()) {
        return Err(CancelFault::UnderWay);
    }
    transaction.update_appointment_status(id, cancelled).await?;
    let entry = AuditEntry::new(now, AuditAction::AppointmentCancelled).about(appointment.participants.patient.id);
    Ok(transaction.append_audit(&by(entry.of_appointment(id), actor)).await?)
}

/// Attributes an audit entry to `actor`, or to the operator if there is none.
pub(crate) fn by(entry: AuditEntry, actor: Option<Actor>) -> AuditEntry {
    match actor {
        Some(actor) => entry.by(actor),
        None => entry.with_detail("operator"),
    }
}
