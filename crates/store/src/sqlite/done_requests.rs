//! The table `done_requests`.

use bedside_visit::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::{DoneRequest, RequestHash, StoreError};

const TABLE: &str = "done_requests";

pub(super) async fn get(
    connection: &mut SqliteConnection,
    key: &RequestHash,
) -> Result<Option<DoneRequest>, StoreError> {
    let row = sqlx::query("SELECT key, request, made, at FROM done_requests WHERE key = ?")
        .bind(key.as_bytes().as_slice())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns::of(TABLE, &row);
    Ok(Some(DoneRequest {
        key: RequestHash::new(columns.hash("key")?),
        request: RequestHash::new(columns.hash("request")?),
        made: columns.parsed("made")?,
        at: columns.time("at")?,
    }))
}

pub(super) async fn insert(connection: &mut SqliteConnection, done: &DoneRequest) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO done_requests (key, request, made, at) VALUES (?, ?, ?, ?)")
        .bind(done.key.as_bytes().as_slice())
        .bind(done.request.as_bytes().as_slice())
        .bind(done.made.to_string())
        .bind(done.at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn delete_old(connection: &mut SqliteConnection, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM done_requests WHERE at < ?")
        .bind(before.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}
