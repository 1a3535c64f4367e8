//! Data retention: deletes the free text and chat messages of old appointments.

use bedside_visit::{AppointmentId, Timestamp};
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::keys;
use super::row::{self, Columns};
use crate::{Expired, Keyring, StoreError};

/// Returns appointments before `before` with no visit under way.
pub(super) async fn list(connection: &mut SqliteConnection, before: Timestamp) -> Result<Vec<Expired>, StoreError> {
    let rows = sqlx::query(
        "SELECT a.id, a.patient_id, a.start_at, a.reason IS NOT NULL AS reason, a.held_at IS NOT NULL AS held,
                (SELECT count(*) FROM messages m JOIN visits v ON v.id = m.visit_id WHERE v.appointment_id = a.id)
                    AS messages
         FROM appointments a
         WHERE a.start_at < ? AND a.forgotten_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.appointment_id = a.id AND v.phase = 'started')
         ORDER BY a.start_at, a.id",
    )
    .bind(before.as_millis())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let expired = |row| {
        let columns = Columns::of("appointments", row);
        Ok(Expired {
            appointment: columns.parsed("id")?,
            patient: columns.parsed("patient_id")?,
            start: columns.time("start_at")?,
            messages: row::count(columns.value("messages")?),
            reason: columns.value("reason")?,
            held: columns.value("held")?,
        })
    };
    rows.iter().map(expired).collect()
}

/// Returns `false` if there is no such appointment, it is under legal hold, or this was done before.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    id: AppointmentId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE appointments SET reason = NULL, forgotten_at = ?
         WHERE id = ? AND held_at IS NULL AND forgotten_at IS NULL",
    )
    .bind(at.as_millis())
    .bind(id.to_string())
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM messages WHERE visit_id IN (SELECT id FROM visits WHERE appointment_id = ?)")
        .bind(id.to_string())
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    keys::destroy(connection, keyring, &id.to_string()).await?;
    Ok(true)
}

/// Returns `false` if there is no such appointment.
pub(super) async fn hold(
    connection: &mut SqliteConnection,
    id: AppointmentId,
    since: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE appointments SET held_at = ? WHERE id = ?")
        .bind(since.map(Timestamp::as_millis))
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}
