//! Who may come to a visit beside patient and provider, and making links into it.

use bedside_store::{Actor, AuditEntry, Invite, NewUser, Transaction};
use bedside_visit::{Appointment, AuditAction, Companion, MAX_PARTICIPANTS, Role, Timestamp, UserId};

use crate::auth::SecretToken;
use crate::error::Error;
use crate::once::Once;
use crate::people;

/// Makes a link for one of an appointment's people, in place of their unused ones.
///
/// # Errors
/// [`Error::NotFound`] if they have no part in it.
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

/// The address behind a link's secret.
pub(crate) fn invite_url(public_url: &str, token: &SecretToken) -> String {
    format!("{public_url}/v/{}", token.reveal())
}

/// Writes down that somebody else may come, who has no account, and gives the appointment with them.
///
/// # Errors
/// [`Error::BadRequest`] for another role, or if there are as many as can be in a visit.
pub(crate) async fn add_companion(
    transaction: &mut dyn Transaction,
    mut appointment: Appointment,
    companion: Companion,
    actor: Actor,
    now: Timestamp,
) -> Result<(Appointment, UserId), Error> {
    if matches!(companion.role, Role::Patient | Role::Provider) {
        return Err(Error::BadRequest("Others come as guest, interpreter or observer."));
    }
    if appointment.participants.iter().count() >= MAX_PARTICIPANTS {
        return Err(Error::BadRequest("Eight people can be in a visit, and there are eight."));
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

/// The same, for a request that adds one person however often it comes.
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
            // Added since it was read, by the same request.
            companion.person.id = user;
            appointment.participants.companions.push(companion);
        }
        return Ok((appointment, user));
    }
    let (appointment, user) = add_companion(transaction, appointment, companion, actor, now).await?;
    once.keep(transaction, user.uuid(), now).await?;
    Ok((appointment, user))
}

/// Takes somebody's links away, used or not: whoever came by them is out within a second. A companion may not come any
/// more.
///
/// # Errors
/// [`Error::NotFound`] if they have no part in it.
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
    transaction.append_audit(&note(AuditAction::InviteRevoked)).await?;
    if transaction.delete_companion(appointment.id, user).await? {
        transaction.append_audit(&note(AuditAction::CompanionRemoved)).await?;
    }
    Ok(())
}
