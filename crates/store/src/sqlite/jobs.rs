//! The table `jobs`.

use bedside_visit::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use super::errors::failed;
use super::row::{self, Columns};
use crate::{Job, StoreError};

pub(super) async fn insert(connection: &mut SqliteConnection, job: &Job) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO jobs (id, user_id, kind, created_at, tries, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?4)")
        .bind(job.id.to_string())
        .bind(job.user.map(|user| user.to_string()))
        .bind(&job.kind)
        .bind(job.created_at.as_millis())
        .bind(job.tries)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn list_due(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, user_id, kind, created_at, tries FROM jobs WHERE due_at <= ? ORDER BY due_at, id LIMIT ?",
    )
    .bind(now.as_millis())
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(job).collect()
}

pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let counted = sqlx::query_scalar("SELECT count(*) FROM jobs").fetch_one(connection).await.map_err(failed)?;
    Ok(row::count(counted))
}

pub(super) async fn postpone(
    connection: &mut SqliteConnection,
    id: Uuid,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE jobs SET tries = tries + 1, due_at = ? WHERE id = ?")
        .bind(until.as_millis())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete(connection: &mut SqliteConnection, id: Uuid) -> Result<bool, StoreError> {
    let done =
        sqlx::query("DELETE FROM jobs WHERE id = ?").bind(id.to_string()).execute(connection).await.map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    let columns = Columns::of("jobs", row);
    Ok(Job {
        id: columns.parsed("id")?,
        user: columns.parsed_optional("user_id")?,
        kind: columns.value("kind")?,
        created_at: columns.time("created_at")?,
        tries: columns.value("tries")?,
    })
}
