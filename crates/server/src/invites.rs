//! Making links into visits.

use bedside_store::{AuditEntry, Invite, Transaction};
use bedside_visit::{Appointment, AuditAction, Timestamp, UserId};

use crate::auth::SecretToken;
use crate::error::Error;

/// Makes a link for one of an appointment's people, in place of their unused ones.
///
/// # Errors
/// [`Error::NotFound`] if they have no part in it.
pub(crate) async fn add_invite(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    user: UserId,
    expires: Timestamp,
    actor: Option<UserId>,
    now: Timestamp,
) -> Result<SecretToken, Error> {
    let role = appointment.participants.role_of(user).ok_or(Error::NotFound)?;
    let token = SecretToken::draw()?;
    transaction.delete_unused_invites(appointment.id, user).await?;
    transaction.insert_invite(&Invite::new(token.hash().into(), appointment.id, (user, role), now, expires)).await?;
    let entry =
        AuditEntry::new(now, AuditAction::InviteCreated).of_appointment(appointment.id).with_detail(role.as_str());
    transaction.append_audit(&actor.map_or(entry, |actor| entry.by(actor))).await?;
    Ok(token)
}

/// The address behind a link's secret.
pub(crate) fn invite_url(public_url: &str, token: &SecretToken) -> String {
    format!("{public_url}/v/{}", token.reveal())
}
