//! Who has seen whose appointment. Pages ask again and again; it is written down once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, SessionHash};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Timestamp};

use crate::app::App;
use crate::auth::Identity;
use crate::error::Error;

/// How long a session that saw an appointment may see it again without another line in the audit log.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// What was written down lately.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<HashMap<(SessionHash, AppointmentId), Timestamp>>);

impl Reads {
    fn is_noted(&self, session: SessionHash, appointment: AppointmentId, now: Timestamp) -> bool {
        self.lock().get(&(session, appointment)).is_some_and(|at| now.since(*at) < NOTED_EVERY)
    }

    fn note(&self, session: SessionHash, appointments: &[&Appointment], now: Timestamp) {
        self.lock().extend(appointments.iter().map(|appointment| ((session, appointment.id), now)));
    }

    /// Forgets what is to be written down again anyway.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, at| now.since(*at) < NOTED_EVERY);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionHash, AppointmentId), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down that somebody is about to be shown appointments.
///
/// # Errors
/// If it cannot be written: then nothing is shown.
pub(crate) async fn note_reads<'a>(
    app: &App,
    identity: &Identity,
    appointments: impl IntoIterator<Item = &'a Appointment>,
) -> Result<(), Error> {
    let now = app.clock.now();
    let new = |appointment: &&Appointment| !app.reads.is_noted(identity.session, appointment.id, now);
    let appointments: Vec<&Appointment> = appointments.into_iter().filter(new).collect();
    if appointments.is_empty() {
        return Ok(());
    }
    let mut transaction = app.store.begin().await?;
    for appointment in &appointments {
        let entry = AuditEntry::new(now, AuditAction::AppointmentViewed).by(identity.principal.user);
        let entry = entry.about(appointment.participants.patient.id).of_appointment(appointment.id);
        transaction.append_audit(&entry).await?;
    }
    transaction.commit().await?;
    app.reads.note(identity.session, &appointments, now);
    Ok(())
}
