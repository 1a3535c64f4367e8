//! Backup and restore of the database and the files that belong to it.

mod files;
mod make;
mod manifest;
mod restore;

use std::io;
use std::path::PathBuf;

use bedside_store::StoreError;

use crate::app::claim::ClaimError;
use crate::audit::AuditFault;
use crate::keys::KeyError;

pub use make::{Made, back_up};
pub use restore::{Restored, restore};
pub(crate) use restore::{finish_interrupted, is_interrupted};

/// Reason that a backup or restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder for the backup already exists.
    #[error("{} already exists: choose a new folder", .0.display())]
    Exists(PathBuf),
    /// The folder does not contain a complete backup.
    #[error("{} is not a complete backup: {fault}", folder.display())]
    NotABackup {
        /// The folder.
        folder: PathBuf,
        /// What is missing or invalid.
        fault: String,
    },
    /// A file of the backup was changed or is damaged.
    #[error("{} has changed since the backup was made", .0.display())]
    Changed(PathBuf),
    /// The copy of the database cannot be opened or is damaged.
    #[error("the copy of the database cannot be used")]
    Copy(#[source] StoreError),
    /// The keys do not open the database, or are missing.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The audit log in the backup does not verify.
    #[error("the audit log of the backup does not verify")]
    Audit(#[source] AuditFault),
    /// Another process is using the database.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds the path to an I/O error.
fn at<T>(path: impl Into<PathBuf>, result: io::Result<T>) -> Result<T, BackupError> {
    result.map_err(|source| BackupError::File { path: path.into(), source })
}
