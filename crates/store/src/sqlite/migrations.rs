//! Bringing the database up to date. Migrations are only ever added.

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use crate::StoreError;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

/// Applies what is missing, unless the database is newer; each migration in a transaction of its own.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pending(connection).await?;
    // Also when nothing is missing: it finds applied migrations that were altered since.
    MIGRATOR.run_direct(None, connection, false).await.map_err(|error| StoreError::Migration(Box::new(error)))
}

/// How many migrations are missing.
pub(super) async fn pending(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let database = version(connection).await?;
    let program = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    if database > program {
        return Err(StoreError::Newer { database, program });
    }
    Ok(MIGRATOR.iter().filter(|migration| migration.version > database).count())
}

/// The last migration in the database; 0 if it is empty.
async fn version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let migrated: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if !migrated {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT COALESCE(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(failed)
}
