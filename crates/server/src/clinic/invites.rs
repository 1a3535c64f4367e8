//! Creates and revokes links into a visit, and adds companions.

use bedside_store::{Actor, AuditEntry, Invite, NewUser, Transaction};
use bedside_visit::{Appointment, AuditAction, Companion, MAX_PARTICIPANTS, Role, Timestamp, UserId};

use crate::auth::SecretToken;
use crate::calls::cometchat::revoke_later;
use crate::clinic::people;
use crate::http::error::Error;
use crate::http::idempotency::Once;

/// Creates a link for a participant and replaces their unused ones.
///
/// # Errors
/// [`Error::NotFound`] if the user is not a participant.
pub(crate) async fn add_invite(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    user: UserId,
    expires: Timestamp,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<SecretToken, Error> {
    let role = appointment.participants.role_of(user).ok_or(Error::NotFound)?;
    let token = SecretToken::draw()?;
    transaction.delete_unused_invites(appointment.id, user).await?;
    let invite = Invite::new(token.hash().into(), appointment.id, (user, role), now, expires);
    transaction.insert_invite(&invite.made_by(actor.map(|actor| actor.user))).await?;
    let entry = AuditEntry::new(now, AuditAction::InviteCreated).about(user).of_appointment(appointment.id);
    let entry = entry.with_detail(role.as_str());
    transaction.append_audit(&actor.map_or(entry, |actor| entry.by(actor))).await?;
    Ok(token)
}

/// Returns the URL of a link.
pub(crate) fn invite_url(public_url: &str, token: &SecretToken) -> String {
    format!("{public_url}/v/{}", token.reveal())
}

/// Adds a companion without an account, and returns the updated appointment.
///
/// # Errors
/// [`Error::BadRequest`] for another role, or if the maximum number of participants is reached.
pub(crate) async fn add_companion(
    transaction: &mut dyn Transaction,
    mut appointment: Appointment,
    companion: Companion,
    actor: Actor,
    now: Timestamp,
) -> Result<(Appointment, UserId), Error> {
    if matches!(companion.role, Role::Patient | Role::Provider) {
        return Err(Error::BadRequest("The role must be guest, interpreter or observer."));
    }
    if appointment.participants.iter().count() >= MAX_PARTICIPANTS {
        return Err(Error::BadRequest("This visit already has eight people, the maximum."));
    }
    let user = companion.person.id;
    let new = NewUser { person: companion.person.clone(), email: None, password_hash: None };
    people::add(transaction, &new, Some(actor), now).await?;
    transaction.insert_companion(appointment.id, user, companion.role, now).await?;
    let entry = AuditEntry::new(now, AuditAction::CompanionAdded).by(actor).about(user).of_appointment(appointment.id);
    transaction.append_audit(&entry.with_detail(companion.role.as_str())).await?;
    appointment.participants.companions.push(companion);
    Ok((appointment, user))
}

/// Like [`add_companion`], but idempotent: a repeated request adds the companion only once.
///
/// # Errors
/// As [`add_companion`], and [`Error::KeyReused`].
pub(crate) async fn add_companion_once(
    transaction: &mut dyn Transaction,
    mut appointment: Appointment,
    mut companion: Companion,
    once: Option<&Once>,
    actor: Actor,
    now: Timestamp,
) -> Result<(Appointment, UserId), Error> {
    let Some(once) = once else { return add_companion(transaction, appointment, companion, actor, now).await };
    if let Some(made) = once.made(transaction).await? {
        let user = UserId::new(made);
        if appointment.participants.role_of(user).is_none() {
            // The same request added the companion after the appointment was read.
            companion.person.id = user;
            appointment.participants.companions.push(companion);
        }
        return Ok((appointment, user));
    }
    let (appointment, user) = add_companion(transaction, appointment, companion, actor, now).await?;
    once.keep(transaction, user.uuid(), now).await?;
    Ok((appointment, user))
}

/// Revokes a participant's links, whether used or not. Anyone who joined with one is disconnected within a second. A
/// companion is removed from the appointment.
///
/// # Errors
/// [`Error::NotFound`] if the user is not a participant.
pub(crate) async fn revoke(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    user: UserId,
    actor: Actor,
    now: Timestamp,
) -> Result<(), Error> {
    appointment.participants.role_of(user).ok_or(Error::NotFound)?;
    let note = |action| AuditEntry::new(now, action).by(actor).about(user).of_appointment(appointment.id);
    transaction.revoke_invites(appointment.id, user).await?;
    revoke_later(transaction, user, now).await?;
    transaction.append_audit(&note(AuditAction::InviteRevoked)).await?;
    if transaction.delete_companion(appointment.id, user).await? {
        transaction.append_audit(&note(AuditAction::CompanionRemoved)).await?;
    }
    Ok(())
}
