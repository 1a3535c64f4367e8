//! The table `audit`, which the database lets nobody change.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{AuditEntry, AuditRow, StoreError};

pub(super) async fn append(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, actor, action, appointment_id, visit_id, detail) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(entry.at.as_millis())
        .bind(entry.actor.map(|id| id.to_string()))
        .bind(entry.action.as_str())
        .bind(entry.appointment.map(|id| id.to_string()))
        .bind(entry.visit.map(|id| id.to_string()))
        .bind(entry.detail)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    after: i64,
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT sequence, at, actor, action, appointment_id, visit_id, detail
         FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(audit_row).collect()
}

fn audit_row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let columns = Columns::of("audit", row);
    Ok(AuditRow {
        sequence: columns.value("sequence")?,
        at: columns.time("at")?,
        actor: columns.parsed_optional("actor")?,
        action: columns.value("action")?,
        appointment: columns.parsed_optional("appointment_id")?,
        visit: columns.parsed_optional("visit_id")?,
        detail: columns.optional("detail")?,
    })
}
