//! Who has seen whose appointment, and who has looked at the list of people. Pages ask again and again; it is written
//! down once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, Listed, SessionHash};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Timestamp};

use crate::app::App;
use crate::auth::Identity;
use crate::error::Error;

/// How long a session that saw an appointment may see it again without another line in the audit log.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// What was written down lately.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<HashMap<(SessionHash, Seen), Timestamp>>);

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Seen {
    Appointment(AppointmentId),
    Everyone,
}

impl Reads {
    fn is_noted(&self, session: SessionHash, seen: Seen, now: Timestamp) -> bool {
        self.lock().get(&(session, seen)).is_some_and(|at| now.since(*at) < NOTED_EVERY)
    }

    fn note(&self, session: SessionHash, seen: impl Iterator<Item = Seen>, now: Timestamp) {
        self.lock().extend(seen.map(|seen| ((session, seen), now)));
    }

    /// Forgets what is to be written down again anyway.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, at| now.since(*at) < NOTED_EVERY);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionHash, Seen), Timestamp>> {
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
    let new =
        |appointment: &&Appointment| !app.reads.is_noted(identity.session, Seen::Appointment(appointment.id), now);
    let appointments: Vec<&Appointment> = appointments.into_iter().filter(new).collect();
    if appointments.is_empty() {
        return Ok(());
    }
    let mut transaction = app.store.begin().await?;
    for appointment in &appointments {
        let entry = AuditEntry::new(now, AuditAction::AppointmentViewed).by(identity.actor());
        let entry = entry.about(appointment.participants.patient.id).of_appointment(appointment.id);
        transaction.append_audit(&entry).await?;
    }
    transaction.commit().await?;
    app.reads.note(identity.session, appointments.iter().map(|appointment| Seen::Appointment(appointment.id)), now);
    Ok(())
}

/// Everyone's names and dates of birth, for somebody who may see them; that they did is written down first.
///
/// # Errors
/// If it cannot be written: then nothing is shown.
pub(crate) async fn everyone(app: &App, identity: &Identity) -> Result<Vec<Listed>, Error> {
    let now = app.clock.now();
    if !app.reads.is_noted(identity.session, Seen::Everyone, now) {
        let mut transaction = app.store.begin().await?;
        transaction.append_audit(&AuditEntry::new(now, AuditAction::PeopleViewed).by(identity.actor())).await?;
        transaction.commit().await?;
        app.reads.note(identity.session, std::iter::once(Seen::Everyone), now);
    }
    Ok(app.store.list_people().await?)
}
