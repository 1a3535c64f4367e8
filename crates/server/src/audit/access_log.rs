//! Access log: records in the audit log who viewed which appointment and who viewed the list of people. Pages reload
//! often, so each access is recorded once per hour.

use bedside_store::{AuditEntry, Invite, Listed, SessionHash};
use bedside_visit::{Appointment, AuditAction};

use super::reads::Seen;
use crate::app::App;
use crate::auth::Identity;
use crate::http::error::Error;

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
    app.reads.queue(entry);
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
