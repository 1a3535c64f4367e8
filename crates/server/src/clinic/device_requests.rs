//! Device requests. A link that was used cannot be used on another device. A user who opens it there can request
//! access, and the provider or the front desk, who can see or hear the person, decides.

use axum::http::HeaderMap;
use bedside_store::{Actor, AdmissionRecord, AuditEntry, Conflict, Invite, SessionHash, SessionRecord, StoreError};
use bedside_visit::{AdmissionId, Appointment, AppointmentId, AuditAction};

use crate::app::App;
use crate::app::clock::fresh_id;
pub(crate) use crate::auth::DEVICE_REQUEST_EXPIRES;
use crate::auth::device_of;
use crate::http::error::Error;

/// Maximum number of pending requests for one link, so that a leaked link cannot cause a flood.
const MOST: usize = 3;

/// Requests access for another device with a used link. `session` is the session token hash of the new device.
///
/// # Errors
/// [`Error::LinkUsed`] if the link has expired, [`Error::TooManyAttempts`] if too many requests are pending.
pub(crate) async fn ask(app: &App, invite: &Invite, session: SessionHash, headers: &HeaderMap) -> Result<(), Error> {
    let now = app.clock.now();
    if invite.expires_at <= now {
        return Err(Error::LinkUsed);
    }
    let waiting = app.store.list_admissions(now - DEVICE_REQUEST_EXPIRES).await?;
    if waiting.iter().filter(|asked| asked.invite == invite.token_hash).count() >= MOST {
        return Err(Error::TooManyAttempts { retry_after: DEVICE_REQUEST_EXPIRES.as_secs() });
    }
    let asked = AdmissionRecord {
        id: AdmissionId::new(fresh_id()),
        invite: invite.token_hash,
        appointment: invite.appointment,
        user: invite.user,
        role: invite.role,
        session,
        device: device_of(headers),
        asked_at: now,
        answered: None,
    };
    let mut transaction = app.store.begin().await?;
    match transaction.insert_admission(&asked).await {
        // The same browser has already requested access, for example by a double click.
        Err(StoreError::Conflict(Conflict::AlreadyExists)) => return Ok(()),
        inserted => inserted?,
    }
    let entry = AuditEntry::new(now, AuditAction::AdmissionAsked).about(invite.user).of_appointment(invite.appointment);
    transaction.append_audit(&entry).await?;
    transaction.commit().await?;
    app.hub.tell_admissions(invite.appointment).await;
    Ok(())
}

/// Returns the pending device requests of an appointment.
///
/// # Errors
/// If the store fails.
pub(crate) async fn waiting(app: &App, appointment: AppointmentId) -> Result<Vec<AdmissionRecord>, Error> {
    let mut waiting = app.store.list_admissions(app.clock.now() - DEVICE_REQUEST_EXPIRES).await?;
    waiting.retain(|asked| asked.appointment == appointment);
    Ok(waiting)
}

/// Admits a device and disconnects the previous one, or rejects it.
///
/// # Errors
/// [`Error::NotFound`] if the request is no longer pending.
pub(crate) async fn answer(
    app: &App,
    appointment: &Appointment,
    id: AdmissionId,
    admit: bool,
    actor: Actor,
) -> Result<(), Error> {
    let now = app.clock.now();
    let asked = waiting(app, appointment.id).await?.into_iter().find(|asked| asked.id == id).ok_or(Error::NotFound)?;
    let mut transaction = app.store.begin().await?;
    if !transaction.answer_admission(id, admit, now).await? {
        return Err(Error::NotFound);
    }
    let mut before = None;
    if admit {
        let mut vouched_by = None;
        let invite = transaction.get_invite(&asked.invite).await?;
        before = invite.as_ref().and_then(|invite| invite.used);
        if !transaction.rebind_invite(&asked.invite, &asked.session, now).await? {
            return Err(Error::NotFound);
        }
        if let Some((_, session)) = before {
            vouched_by = transaction.delete_session(&session).await?.and_then(|session| session.vouched_by);
        }
        let session = SessionRecord {
            token_hash: asked.session,
            user: asked.user,
            clinic_role: None,
            invite: Some((appointment.id, asked.role)),
            vouched_by,
            link_made_by: vouched_by.or(invite.and_then(|invite| invite.made_by)),
            device: asked.device,
            created_at: now,
            last_seen_at: now,
            expires_at: appointment.closes(&app.rules),
        };
        transaction.insert_session(&session).await?;
    }
    let action = if admit { AuditAction::AdmissionGiven } else { AuditAction::AdmissionRefused };
    let entry = AuditEntry::new(now, action).by(actor).about(asked.user).of_appointment(appointment.id);
    transaction.append_audit(&entry).await?;
    transaction.commit().await?;
    if let Some((_, session)) = before {
        app.hub.end_session(session).await;
    }
    app.hub.tell_admissions(appointment.id).await;
    Ok(())
}
