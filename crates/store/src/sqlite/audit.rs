//! The table `audit`, which the database lets nobody change.

use bedside_visit::{AuditAction, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{AuditEntry, AuditHash, AuditRow, StoreError};

/// How many lines are read at once where all are.
const BATCH: u32 = 1_000;

pub(super) async fn append(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    let (last, hash) = end(connection).await?;
    insert(connection, &AuditRow::of(last + 1, entry), hash).await
}

pub(super) async fn append_restored(
    connection: &mut SqliteConnection,
    at: Timestamp,
    through: i64,
) -> Result<(), StoreError> {
    let (last, hash) = end(connection).await?;
    let line = AuditRow::of(last + 1, &AuditEntry::new(at, AuditAction::DatabaseRestored));
    insert(connection, &AuditRow { detail: Some(format!("through_{through}")), ..line }, hash).await
}

async fn insert(connection: &mut SqliteConnection, line: &AuditRow, hash: AuditHash) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (sequence, at, actor, client, on_behalf_of, link_made_by, action, subject, appointment_id,
                            visit_id, detail, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(line.sequence)
    .bind(line.at.as_millis())
    .bind(line.actor.map(|id| id.to_string()))
    .bind(line.client.map(|id| id.to_string()))
    .bind(line.on_behalf_of.map(|id| id.to_string()))
    .bind(line.link_made_by.map(|id| id.to_string()))
    .bind(&line.action)
    .bind(line.subject.map(|id| id.to_string()))
    .bind(line.appointment.map(|id| id.to_string()))
    .bind(line.visit.map(|id| id.to_string()))
    .bind(&line.detail)
    .bind(hash.then(line).as_bytes().as_slice())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// The last number given out, and the hash of all lines. Where lines were cut off at the end, their numbers are not
/// given out again: what follows shows that they are missing.
async fn end(connection: &mut SqliteConnection) -> Result<(i64, AuditHash), StoreError> {
    let row = sqlx::query(
        "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0) AS last,
                (SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1) AS hash",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let columns = Columns::of("audit", &row);
    let last = columns.value("last")?;
    match columns.hash_optional("hash")? {
        Some(hash) => Ok((last, AuditHash::new(hash))),
        None => Ok((last, of_all(connection).await?)),
    }
}

/// The last line that is there, if it has a hash.
pub(super) async fn get_end(connection: &mut SqliteConnection) -> Result<Option<(i64, AuditHash)>, StoreError> {
    let row = sqlx::query("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns::of("audit", &row);
    let sequence = columns.value("sequence")?;
    Ok(columns.hash_optional("hash")?.map(|hash| (sequence, AuditHash::new(hash))))
}

/// The hash of lines that are older than the chain.
async fn of_all(connection: &mut SqliteConnection) -> Result<AuditHash, StoreError> {
    let (mut hash, mut after) = (AuditHash::NONE, 0);
    loop {
        let lines = list(connection, after, BATCH).await?;
        let Some(last) = lines.last() else { return Ok(hash) };
        after = last.sequence;
        hash = lines.iter().fold(hash, AuditHash::then);
    }
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    after: i64,
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT sequence, at, actor, client, on_behalf_of, link_made_by, action, subject, appointment_id, visit_id, detail,
                hash
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
        client: columns.parsed_optional("client")?,
        on_behalf_of: columns.parsed_optional("on_behalf_of")?,
        link_made_by: columns.parsed_optional("link_made_by")?,
        action: columns.value("action")?,
        subject: columns.parsed_optional("subject")?,
        appointment: columns.parsed_optional("appointment_id")?,
        visit: columns.parsed_optional("visit_id")?,
        detail: columns.optional("detail")?,
        hash: columns.hash_optional("hash")?.map(AuditHash::new),
    })
}
