//! Making patient links.

use bedside_store::{AuditEntry, Invite, Transaction};
use bedside_visit::{Appointment, AuditAction, Timestamp, UserId};

use crate::auth::SecretToken;
use crate::error::Error;

/// Makes a link in place of the unused ones.
pub(crate) async fn add_invite(
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    expires: Timestamp,
    actor: Option<UserId>,
    now: Timestamp,
) -> Result<SecretToken, Error> {
    let token = SecretToken::draw()?;
    transaction.delete_unused_invites(appointment.id).await?;
    transaction.insert_invite(&Invite::new(token.hash().into(), appointment.id, now, expires)).await?;
    let entry = AuditEntry::new(now, AuditAction::InviteCreated).of_appointment(appointment.id);
    transaction.append_audit(&actor.map_or(entry, |actor| entry.by(actor))).await?;
    Ok(token)
}

/// The address behind a link's secret.
pub(crate) fn invite_url(public_url: &str, token: &SecretToken) -> String {
    format!("{public_url}/v/{}", token.reveal())
}
