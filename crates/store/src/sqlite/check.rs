//! Health checks and backups of the database.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use crate::{StorageFault, StoreError};

/// Commits a write that has no other effect: a number in the file header that nothing else uses.
pub(super) async fn write(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let before: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
    let statement = if before == 1 { "PRAGMA user_version = 2" } else { "PRAGMA user_version = 1" };
    sqlx::query(statement).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Reads every page and checks every foreign key.
pub(super) async fn contents(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let damaged = |what: String| StoreError::Unavailable { fault: StorageFault::Damaged, source: what.into() };
    let said: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_all(&mut *connection).await.map_err(failed)?;
    if said.first().is_none_or(|said| said != "ok") {
        // SQLite's messages name pages and indexes, and contain no stored values.
        return Err(damaged(said.into_iter().next().unwrap_or_default()));
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_optional(connection).await.map_err(failed)?;
    if dangling.is_some() { Err(damaged("a row violates a foreign key".to_owned())) } else { Ok(()) }
}

/// Writes a copy of the database's current state into a new file.
pub(super) async fn copy(connection: &mut SqliteConnection, file: &Path) -> Result<(), StoreError> {
    let name = file
        .to_str()
        .ok_or_else(|| StoreError::Open { path: file.to_owned(), reason: "the path is not valid UTF-8".to_owned() })?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(connection).await.map_err(failed)?;
    Ok(())
}
