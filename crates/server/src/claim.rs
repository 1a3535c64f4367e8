//! One program for each database: a lock that the operating system gives back when the program ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// As much of what the other program wrote into the file is shown.
const SHOWN: u64 = 200;

/// That this program alone serves a database. Held until it is dropped.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

/// Why a database cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another program has it.
    #[error(
        "another Bedside uses this database: {holder}. Stop it first; two programs on one database lose messages and keep \
         the people of a visit apart"
    )]
    Taken {
        /// What the other one says of itself.
        holder: String,
    },
    /// Locks do not work there.
    #[error(
        "files in {} cannot be locked: {source}. Put the database on a local disk, not on a network file system",
        folder.display()
    )]
    NoLocks {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock file cannot be made.
    #[error("cannot make the lock file {}: {source}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Claim {
    /// Claims a database for a program that says this of itself.
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
                let holder = if holder.trim().is_empty() { "it is just starting" } else { holder.trim() };
                return Err(ClaimError::Taken { holder: holder.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                let folder = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
                return Err(ClaimError::NoLocks { folder, source });
            }
        }
        // For people: the lock is the system's, not what is written here.
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| writeln!(file, "{myself}"));
        written.map_err(fault)?;
        Ok(Self { _file: file })
    }
}

/// Beside the database. It stays when the program ends.
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
