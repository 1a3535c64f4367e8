//! Who has seen whose appointment, and who has looked at the list of people. Pages ask again and again; it is written
//! down once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, Invite, Listed, SessionHash, Store, StoreError};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Timestamp};

use crate::app::App;
use crate::auth::Identity;
use crate::error::Error;

/// How long a session that saw an appointment may see it again without another line in the audit log.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// What was written down lately, and what is about to be.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    noted: Mutex<HashMap<(SessionHash, Seen), Timestamp>>,
    due: Mutex<Vec<AuditEntry>>,
}

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

    /// Writes down together what sockets showed in the last moments: after a restart thousands of pages come back at once,
    /// and visits wait for the same writer.
    ///
    /// # Errors
    /// If the store fails. Nothing is lost then.
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

/// Writes down that a link's page is about to show the name and the time of an appointment, to a reader who is not signed
/// in: once an hour for each link.
///
/// # Errors
/// If it cannot be written: then nothing is shown.
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

/// Notes that somebody is about to be shown an appointment over a WebSocket, if its page did not note it: the line is in the
/// audit log within seconds.
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
