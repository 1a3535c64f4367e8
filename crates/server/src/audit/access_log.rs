//! Access log: records in the audit log who viewed which appointment and who viewed the list of people. Pages reload
//! often, so each access is recorded once per hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, Invite, Listed, SessionHash, Store, StoreError};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Timestamp};

use crate::app::App;
use crate::auth::Identity;
use crate::http::error::Error;

/// Interval in which repeated access by the same session is recorded only once.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// Recently recorded accesses, and entries waiting to be written.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    noted: Mutex<HashMap<(SessionHash, Seen), Timestamp>>,
    due: Mutex<Vec<AuditEntry>>,
}

/// What was viewed.
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

    /// Removes accesses whose interval has passed.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, at| now.since(*at) < NOTED_EVERY);
    }

    /// Writes the queued entries of WebSocket access in one transaction. Thousands of pages may reconnect at once
    /// after a restart, and visits wait for the same writer.
    ///
    /// # Errors
    /// If the database fails. The entries are kept for the next attempt.
    pub(crate) async fn write_down(&self, store: &dyn Store) -> Result<(), StoreError> {
        let due = std::mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner));
        if due.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = store.begin().await?;
            for entry in &due {
                transaction.append_audit(entry).await?;
            }
            transaction.commit().await
        };
        let written = written.await;
        if written.is_err() {
            self.due.lock().unwrap_or_else(PoisonError::into_inner).splice(0..0, due);
        }
        written
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionHash, Seen), Timestamp>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that a user is about to view appointments.
///
/// # Errors
/// If the entry cannot be written. The caller must not show the appointments then.
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

/// Records that an unauthenticated visitor is about to see the name and time of an appointment on the page of a link.
/// Recorded once per hour for each link.
///
/// # Errors
/// If the entry cannot be written. The caller must not show the page then.
pub(crate) async fn note_link_opened(app: &App, invite: &Invite, appointment: &Appointment) -> Result<(), Error> {
    let (now, seen) = (app.clock.now(), Seen::Appointment(appointment.id));
    let link = SessionHash::new(*invite.token_hash.as_bytes());
    if app.reads.is_noted(link, seen, now) {
        return Ok(());
    }
    let entry = AuditEntry::new(now, AuditAction::AppointmentViewed).with_detail("link");
    let entry = entry.about(appointment.participants.patient.id).of_appointment(appointment.id);
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&entry).await?;
    transaction.commit().await?;
    app.reads.note(link, std::iter::once(seen), now);
    Ok(())
}

/// Queues an entry for a user who is about to view an appointment over a WebSocket, unless the page has already
/// recorded it. The entry is written to the audit log within seconds.
pub(crate) fn note_read_soon(app: &App, identity: &Identity, appointment: &Appointment) {
    let (now, seen) = (app.clock.now(), Seen::Appointment(appointment.id));
    if app.reads.is_noted(identity.session, seen, now) {
        return;
    }
    let entry = AuditEntry::new(now, AuditAction::AppointmentViewed).by(identity.actor());
    let entry = entry.about(appointment.participants.patient.id).of_appointment(appointment.id);
    app.reads.due.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    app.reads.note(identity.session, std::iter::once(seen), now);
}

/// Returns the names and dates of birth of all people, after recording the access. The caller must have checked the
/// permission.
///
/// # Errors
/// If the entry cannot be written; then nothing is returned.
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
