//! Ensures that only one process serves a database, with a file lock that the operating system releases when the
//! process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Maximum number of bytes of the lock file's content that are shown.
const SHOWN: u64 = 200;

/// Exclusive claim on a database. It is released when dropped.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

/// Reason that a database cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process holds the claim.
    #[error(
        "another Bedside process uses this database: {holder}. Stop it first: two processes on one database lose \
         messages and split visits"
    )]
    Taken {
        /// How the other process describes itself in the lock file.
        holder: String,
    },
    /// The file system does not support locks.
    #[error(
        "files in {} cannot be locked: {source}. Put the database on a local disk, not on a network file system",
        folder.display()
    )]
    NoLocks {
        /// Folder of the lock file.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The lock file cannot be created or written.
    #[error("cannot create the lock file {}: {source}", file.display())]
    File {
        /// The lock file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Claim {
    /// Claims a database. `myself` describes this process in the lock file.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub fn take(database: &Path, myself: &str) -> Result<Self, ClaimError> {
        let path = lock_file(database);
        let fault = |source| ClaimError::File { file: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.take(SHOWN).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "it is still starting" } else { holder.trim() };
                return Err(ClaimError::Taken { holder: holder.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                let folder = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
                return Err(ClaimError::NoLocks { folder, source });
            }
        }
        // The content is informational only. The lock is held by the operating system.
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| writeln!(file, "{myself}"));
        written.map_err(fault)?;
        Ok(Self { _file: file })
    }
}

/// Returns the path of the lock file beside the database. The file remains when the process ends.
fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_claimed_once_and_the_holder_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("bedside.db");
        let first = Claim::take(&database, "process 1 on 127.0.0.1:8080").expect("free");
        let second = Claim::take(&database, "process 2").expect_err("taken").to_string();
        assert!(second.contains("process 1 on 127.0.0.1:8080"), "{second}");
        drop(first);
        Claim::take(&database, "process 3").expect("given back");
        let nowhere = Claim::take(&folder.path().join("no/folder/bedside.db"), "process 4").expect_err("no folder");
        assert!(matches!(nowhere, ClaimError::File { .. }));
    }
}
