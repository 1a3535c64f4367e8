//! The table `backend_reports`.

use bedside_visit::UserId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{BackendReport, Receipt, ReportedVisit, StoreError};

const TABLE: &str = "backend_reports";

/// Stores a report unless it is a duplicate.
pub(super) async fn insert(connection: &mut SqliteConnection, report: &BackendReport) -> Result<Receipt, StoreError> {
    let about = find(connection, report).await?;
    let done = sqlx::query(
        "INSERT INTO backend_reports (key, at, event, call_session, appointment_id, visit_id)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    )
    .bind(report.key.as_slice())
    .bind(report.at.as_millis())
    .bind(report.event)
    .bind(report.call_session.as_deref())
    .bind(about.map(|about| about.appointment.to_string()))
    .bind(about.map(|about| about.visit.to_string()))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(if done.rows_affected() == 1 { Receipt::New(about) } else { Receipt::Known })
}

/// Finds the visit of an earlier report of the same call, or else the last visit that the two users began.
async fn find(connection: &mut SqliteConnection, report: &BackendReport) -> Result<Option<ReportedVisit>, StoreError> {
    if let Some(session) = &report.call_session {
        let row = sqlx::query(
            "SELECT appointment_id, visit_id FROM backend_reports
             WHERE call_session = ? AND appointment_id IS NOT NULL AND visit_id IS NOT NULL LIMIT 1",
        )
        .bind(session)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
        if let Some(row) = row {
            return about(&row).map(Some);
        }
    }
    let Some(between) = report.between else { return Ok(None) };
    let [one, other] = between.map(|user: UserId| user.to_string());
    let row = sqlx::query(
        "SELECT v.appointment_id AS appointment_id, v.id AS visit_id
         FROM visits v JOIN appointments a ON a.id = v.appointment_id
         WHERE ((a.patient_id = ?1 AND a.provider_id = ?2) OR (a.patient_id = ?2 AND a.provider_id = ?1))
         ORDER BY v.sequence DESC LIMIT 1",
    )
    .bind(one)
    .bind(other)
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(about).transpose()
}

fn about(row: &SqliteRow) -> Result<ReportedVisit, StoreError> {
    let columns = Columns::of(TABLE, row);
    Ok(ReportedVisit { appointment: columns.parsed("appointment_id")?, visit: columns.parsed("visit_id")? })
}
