//! The table `admissions`.

use bedside_visit::{AdmissionId, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{AdmissionRecord, InviteHash, SessionHash, StoreError};

/// Selects admissions joined with their links, with a given condition.
macro_rules! select_admissions {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.invite_hash, a.session_hash, a.device, a.asked_at, a.answered_at, a.admitted,
                    i.appointment_id, i.user_id, i.role
             FROM admissions a JOIN invites i ON i.token_hash = a.invite_hash ",
            $rest
        )
    };
}

pub(super) async fn insert(connection: &mut SqliteConnection, asked: &AdmissionRecord) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO admissions (id, invite_hash, session_hash, device, asked_at) VALUES (?, ?, ?, ?, ?)")
        .bind(asked.id.to_string())
        .bind(asked.invite.as_bytes().as_slice())
        .bind(asked.session.as_bytes().as_slice())
        .bind(&asked.device)
        .bind(asked.asked_at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn get_of_session(
    connection: &mut SqliteConnection,
    session: &SessionHash,
) -> Result<Option<AdmissionRecord>, StoreError> {
    let row = sqlx::query(select_admissions!("WHERE a.session_hash = ?"))
        .bind(session.as_bytes().as_slice())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(admission).transpose()
}

pub(super) async fn list_waiting(
    connection: &mut SqliteConnection,
    since: Timestamp,
) -> Result<Vec<AdmissionRecord>, StoreError> {
    let rows =
        sqlx::query(select_admissions!("WHERE a.answered_at IS NULL AND a.asked_at > ? ORDER BY a.asked_at, a.id"))
            .bind(since.as_millis())
            .fetch_all(connection)
            .await
            .map_err(failed)?;
    rows.iter().map(admission).collect()
}

/// A single statement, so that only one of two concurrent answers takes effect.
pub(super) async fn answer(
    connection: &mut SqliteConnection,
    id: AdmissionId,
    admitted: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE admissions SET answered_at = ?, admitted = ? WHERE id = ? AND answered_at IS NULL")
        .bind(at.as_millis())
        .bind(admitted)
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete_old(connection: &mut SqliteConnection, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM admissions WHERE asked_at < ?")
        .bind(before.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

fn admission(row: &SqliteRow) -> Result<AdmissionRecord, StoreError> {
    let columns = Columns::of("admissions", row);
    let admitted: Option<bool> = columns.optional("admitted")?;
    Ok(AdmissionRecord {
        id: columns.parsed("id")?,
        invite: InviteHash::new(columns.hash("invite_hash")?),
        appointment: columns.parsed("appointment_id")?,
        user: columns.parsed("user_id")?,
        role: columns.parsed("role")?,
        session: SessionHash::new(columns.hash("session_hash")?),
        device: columns.optional("device")?,
        asked_at: columns.time("asked_at")?,
        answered: columns.time_optional("answered_at")?.zip(admitted),
    })
}
