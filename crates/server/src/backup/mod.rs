//! Backup and restore: a copy of the database with what belongs to it, and the way back.

mod files;
mod make;
mod manifest;
mod restore;

use std::io;
use std::path::PathBuf;

use bedside_store::StoreError;

use crate::audit::AuditFault;
use crate::claim::ClaimError;
use crate::keys::KeyError;

pub use make::{Made, back_up};
pub use restore::{Restored, restore};
pub(crate) use restore::{finish_interrupted, is_interrupted};

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder for the backup is there already.
    #[error("{} exists already: name a new folder", .0.display())]
    Exists(PathBuf),
    /// The folder has no backup in it.
    #[error("{} is not a complete backup: {fault}", folder.display())]
    NotABackup {
        /// Which.
        folder: PathBuf,
        /// Why not.
        fault: String,
    },
    /// A file of the backup was changed, or is damaged.
    #[error("{} is not as it was when the backup was made", .0.display())]
    Changed(PathBuf),
    /// The copy cannot be opened or is damaged.
    #[error("the copy of the database cannot be used")]
    Copy(#[source] StoreError),
    /// The keys do not open it, or there are none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The audit log in the backup is not what was written.
    #[error("the audit log of the backup does not verify")]
    Audit(#[source] AuditFault),
    /// A program uses the database.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error that names its file.
fn at<T>(path: impl Into<PathBuf>, result: io::Result<T>) -> Result<T, BackupError> {
    result.map_err(|source| BackupError::File { path: path.into(), source })
}
