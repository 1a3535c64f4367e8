//! The table `sessions`.

use bedside_visit::{AppointmentId, Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{SessionHash, SessionRecord, StoreError};

pub(super) async fn insert(connection: &mut SqliteConnection, session: &SessionRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (token_hash, user_id, appointment_id, role, vouched_by, link_made_by, device, created_at,
                               last_seen_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(session.token_hash.as_bytes().as_slice())
    .bind(session.user.to_string())
    .bind(session.invite.map(|(id, _)| id.to_string()))
    .bind(session.invite.map(|(_, role)| role.as_str()))
    .bind(session.vouched_by.map(|program| program.to_string()))
    .bind(session.link_made_by.map(|user| user.to_string()))
    .bind(&session.device)
    .bind(session.created_at.as_millis())
    .bind(session.last_seen_at.as_millis())
    .bind(session.expires_at.as_millis())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    hash: &SessionHash,
) -> Result<Option<SessionRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT s.token_hash, s.user_id, s.appointment_id, s.role, s.vouched_by, s.link_made_by, s.device, s.created_at,
                s.last_seen_at, s.expires_at, u.clinic_role
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_hash = ? AND u.disabled_at IS NULL",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(session).transpose()
}

pub(super) async fn list_sign_ins(
    connection: &mut SqliteConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<SessionRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.token_hash, s.user_id, s.appointment_id, s.role, s.vouched_by, s.link_made_by, s.device, s.created_at,
                s.last_seen_at, s.expires_at, u.clinic_role
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.user_id = ? AND s.appointment_id IS NULL AND s.expires_at > ?
         ORDER BY s.last_seen_at DESC, s.created_at DESC",
    )
    .bind(user.to_string())
    .bind(now.as_millis())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(session).collect()
}

pub(super) async fn update_seen(
    connection: &mut SqliteConnection,
    hash: &SessionHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE sessions SET last_seen_at = max(last_seen_at, ?) WHERE token_hash = ?")
        .bind(now.as_millis())
        .bind(hash.as_bytes().as_slice())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    hash: &SessionHash,
) -> Result<Option<SessionRecord>, StoreError> {
    let row = sqlx::query(
        "DELETE FROM sessions WHERE token_hash = ?
         RETURNING token_hash, user_id, appointment_id, role, vouched_by, link_made_by, device, created_at,
                   last_seen_at, expires_at, (SELECT clinic_role FROM users WHERE id = user_id) AS clinic_role",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(session).transpose()
}

pub(super) async fn delete_of(connection: &mut SqliteConnection, user: UserId) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_id = ?")
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn delete_vouched_by(connection: &mut SqliteConnection, program: UserId) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE vouched_by = ?")
        .bind(program.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn delete_all(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions").execute(connection).await.map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn delete_of_links(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
    user: UserId,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_id = ? AND appointment_id = ?")
        .bind(user.to_string())
        .bind(appointment.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn delete_expired(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM sessions WHERE expires_at <= ?")
        .bind(now.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

fn session(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let columns = Columns::of("sessions", row);
    Ok(SessionRecord {
        token_hash: SessionHash::new(columns.hash("token_hash")?),
        user: columns.parsed("user_id")?,
        clinic_role: columns.parsed_optional("clinic_role")?,
        invite: columns.parsed_optional("appointment_id")?.zip(columns.parsed_optional("role")?),
        vouched_by: columns.parsed_optional("vouched_by")?,
        link_made_by: columns.parsed_optional("link_made_by")?,
        device: columns.optional("device")?,
        created_at: columns.time("created_at")?,
        last_seen_at: columns.time("last_seen_at")?,
        expires_at: columns.time("expires_at")?,
    })
}
