//! The table `invites`.

use bedside_visit::{AppointmentId, Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{Invite, InviteHash, SessionHash, StoreError};

pub(super) async fn insert(connection: &mut SqliteConnection, invite: &Invite) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO invites (token_hash, appointment_id, user_id, role, made_by, created_at, expires_at, used_at,
                              session_hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(invite.token_hash.as_bytes().as_slice())
    .bind(invite.appointment.to_string())
    .bind(invite.user.to_string())
    .bind(invite.role.as_str())
    .bind(invite.made_by.map(|user| user.to_string()))
    .bind(invite.created_at.as_millis())
    .bind(invite.expires_at.as_millis())
    .bind(invite.used.map(|(at, _)| at.as_millis()))
    .bind(invite.used.as_ref().map(|(_, session)| session.as_bytes().as_slice()))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(connection: &mut SqliteConnection, hash: &InviteHash) -> Result<Option<Invite>, StoreError> {
    let row = sqlx::query(
        "SELECT token_hash, appointment_id, user_id, role, made_by, created_at, expires_at, used_at, session_hash
         FROM invites WHERE token_hash = ?",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(invite).transpose()
}

/// The last one, should a session ever have used several.
pub(super) async fn get_of_session(
    connection: &mut SqliteConnection,
    session: &SessionHash,
) -> Result<Option<Invite>, StoreError> {
    let row = sqlx::query(
        "SELECT token_hash, appointment_id, user_id, role, made_by, created_at, expires_at, used_at, session_hash
         FROM invites WHERE session_hash = ? ORDER BY used_at DESC LIMIT 1",
    )
    .bind(session.as_bytes().as_slice())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(invite).transpose()
}

/// One statement, so that of two that use the same link at once only one succeeds.
pub(super) async fn use_for(
    connection: &mut SqliteConnection,
    hash: &InviteHash,
    session: &SessionHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE invites SET used_at = COALESCE(used_at, ?1), session_hash = ?2
         WHERE token_hash = ?3 AND (session_hash = ?2 OR (used_at IS NULL AND expires_at > ?1))",
    )
    .bind(now.as_millis())
    .bind(session.as_bytes().as_slice())
    .bind(hash.as_bytes().as_slice())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete_unused(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
    user: UserId,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM invites WHERE appointment_id = ? AND user_id = ? AND used_at IS NULL")
        .bind(appointment.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Gives a used link to another session, unless it was taken away or its time is over.
pub(super) async fn rebind(
    connection: &mut SqliteConnection,
    hash: &InviteHash,
    session: &SessionHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE invites SET session_hash = ?1, used_at = ?2
         WHERE token_hash = ?3 AND expires_at > ?2 AND used_at IS NOT NULL",
    )
    .bind(session.as_bytes().as_slice())
    .bind(now.as_millis())
    .bind(hash.as_bytes().as_slice())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

/// They stay known, so that a signed token that was used, and is one of them, is not used again.
pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
    user: UserId,
) -> Result<u64, StoreError> {
    let done = sqlx::query("UPDATE invites SET expires_at = 0 WHERE appointment_id = ? AND user_id = ?")
        .bind(appointment.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

fn invite(row: &SqliteRow) -> Result<Invite, StoreError> {
    let columns = Columns::of("invites", row);
    let used_at = columns.time_optional("used_at")?;
    let session = columns.hash_optional("session_hash")?.map(SessionHash::new);
    Ok(Invite {
        token_hash: InviteHash::new(columns.hash("token_hash")?),
        appointment: columns.parsed("appointment_id")?,
        user: columns.parsed("user_id")?,
        role: columns.parsed("role")?,
        made_by: columns.parsed_optional("made_by")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time("expires_at")?,
        used: used_at.zip(session),
    })
}
