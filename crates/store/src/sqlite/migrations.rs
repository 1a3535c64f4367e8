//! Bringing the database up to date. Migrations are only ever added.

use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, SqlStr};

use super::errors::failed;
use crate::StoreError;

/// Name and text of each file in `migrations/sqlite`, in the order of their names. Written by the build script.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

static MIGRATOR: LazyLock<Migrator> =
    LazyLock::new(|| Migrator::with_migrations(FILES.iter().map(|(name, sql)| migration(name, sql)).collect()));

/// Reads a file name as `sqlx::migrate!` does, such as `0004_audit_chain.sql`. Each migration runs in a transaction.
fn migration(name: &str, sql: &'static str) -> Migration {
    let (version, description) = name
        .strip_suffix(".sql")
        .and_then(|stem| stem.split_once('_'))
        .and_then(|(version, description)| Some((version.parse().ok()?, description.replace('_', " "))))
        .unwrap_or_else(|| panic!("{name} is not named NUMBER_DESCRIPTION.sql"));
    Migration::new(version, description.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
}

/// Applies what is missing, unless the database is newer: all of it in one transaction, whose lock makes a second program
/// that starts at the same time wait and then find nothing missing.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    pending(&mut transaction).await?;
    // Also when nothing is missing: it finds applied migrations that were altered since.
    let done = MIGRATOR.run_direct(None, &mut *transaction, false).await;
    done.map_err(|error| StoreError::Migration(Box::new(error)))?;
    transaction.commit().await.map_err(failed)
}

/// How many migrations are missing.
pub(super) async fn pending(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let applied = applied(connection).await?;
    let database = applied.iter().copied().max().unwrap_or(0);
    let program = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    if database > program {
        return Err(StoreError::Newer { database, program });
    }
    Ok(MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// The migrations in the database; none if it is empty.
async fn applied(connection: &mut SqliteConnection) -> Result<Vec<i64>, StoreError> {
    let migrated: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if !migrated {
        return Ok(vec![]);
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(connection).await.map_err(failed)
}
