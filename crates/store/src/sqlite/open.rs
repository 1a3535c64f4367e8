//! Opens the database file and configures connections.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};

use super::errors::{code, failed};
use super::timing::Timing;
use crate::StoreError;

/// Maximum number of concurrent reads.
pub(super) const READERS: u32 = 4;

/// How long to wait for a lock held by another process, or for a pooled connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Larger than the number of statements in this crate.
const STATEMENTS: usize = 128;

/// Opens the writer and reader pools for the database at `path`.
pub(super) async fn pools(path: &Path, timing: &Arc<Timing>) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let unopened = |reason: String| StoreError::Open { path: path.to_owned(), reason };
    // Made absolute, so that SQLite does not treat the file name as a special one.
    let file = std::path::absolute(path).map_err(|error| unopened(in_words(&error)))?;
    create(&file).map_err(|error| unopened(in_words(&error)))?;

    let options = SqliteConnectOptions::new()
        .filename(&file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Overwrites deleted data with zeros.
        .pragma("secure_delete", "ON")
        .busy_timeout(PATIENCE)
        .statement_cache_capacity(STATEMENTS);
    let writer = pool(1, timing).connect_lazy_with(options.clone());
    let readers = pool(READERS, timing).connect_lazy_with(options.pragma("query_only", "ON"));

    // The writer first, because it enables WAL, which read-only connections cannot do.
    for pool in [&writer, &readers] {
        pool.acquire().await.map_err(|error| match code_in_words(&error) {
            Some(words) => unopened(words.into()),
            None => failed(error),
        })?;
    }
    Ok((writer, readers))
}

fn pool(connections: u32, timing: &Arc<Timing>) -> SqlitePoolOptions {
    let timing = Arc::clone(timing);
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(move |connection, _| {
            let timing = Arc::clone(&timing);
            Box::pin(async move {
                // Waits until a pending rollback has finished.
                connection.ping().await?;
                // When the disk is full, SQLite rolls back automatically and then rejects the ROLLBACK, so sqlx counts
                // the transaction as open forever. Such a connection is closed, and the next request opens a new one.
                let clean = !connection.is_in_transaction();
                if !clean {
                    timing.replaced();
                }
                Ok(clean)
            })
        })
}

/// Creates an empty file for SQLite if there is none. SQLite gives its companion files the same permissions.
fn create(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(file)?;
    #[cfg(unix)]
    make_private(&file)?;
    Ok(())
}

/// A file that was copied there manually may be readable by other users.
#[cfg(unix)]
fn make_private(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(permissions.mode() & 0o700))
}

fn in_words(error: &io::Error) -> String {
    const WORDS: [(io::ErrorKind, &str); 6] = [
        (io::ErrorKind::PermissionDenied, "permission denied"),
        (io::ErrorKind::NotFound, "its directory does not exist"),
        (io::ErrorKind::NotADirectory, "a part of the path is not a directory"),
        (io::ErrorKind::IsADirectory, "it is a directory"),
        (io::ErrorKind::ReadOnlyFilesystem, "the file system is read-only"),
        (io::ErrorKind::StorageFull, "the disk is full"),
    ];
    WORDS.iter().find(|(kind, _)| *kind == error.kind()).map_or_else(|| error.to_string(), |(_, words)| (*words).into())
}

/// Describes SQLite's error for an existing file: <https://www.sqlite.org/rescode.html>.
fn code_in_words(error: &sqlx::Error) -> Option<&'static str> {
    match code(error.as_database_error()?)? {
        8 => Some("it is read-only"),
        10 => Some("reading or writing it failed"),
        11 => Some("it is damaged: restore a backup with `bedside restore`"),
        13 => Some("the disk is full"),
        // The file itself can be opened at this point.
        14 => Some("its directory is not writable"),
        26 => Some("it is not a database"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_words() {
        assert_eq!(in_words(&io::Error::from(io::ErrorKind::PermissionDenied)), "permission denied");
        assert_eq!(in_words(&io::Error::other("odd")), "odd");
    }
}
