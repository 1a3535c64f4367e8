//! Errors of the store.

use std::path::PathBuf;

use crate::{CannotSeal, RootId};

/// An error of the store. Its text never contains a stored value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened or created.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason, for an operator.
        reason: String,
    },
    /// The database was migrated by a newer version of Bedside and cannot be used with this one.
    #[error(
        "the database has version {database}, but this program knows only up to version {program}: \
         run the version of Bedside that last opened it, or a newer one"
    )]
    Newer {
        /// The last migration in the database.
        database: i64,
        /// The last migration in this version.
        program: i64,
    },
    /// Migration failed and was rolled back.
    #[error("cannot bring the database up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was locked for too long. Retrying may help.
    #[error("the database is busy")]
    Busy,
    /// The database failed because of the operating system or the file.
    #[error("database error: {fault}")]
    Unavailable {
        /// The kind of failure.
        fault: StorageFault,
        /// The error reported by the database library.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The change conflicts with stored data.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A value violates a constraint.
    #[error("a value violates the constraint {rule}")]
    Invalid {
        /// The name of the constraint, as in the migrations.
        rule: String,
    },
    /// Data is encrypted under a root key that is not loaded.
    #[error(
        "{table} is sealed with the root key {needs}, but Bedside has {has}: restore the key file that \
         this database was used with (database.key), or, if the key was replaced, also set the previous key file \
         (database.old_key)"
    )]
    OtherKey {
        /// The table.
        table: &'static str,
        /// The ID of the missing root key.
        needs: RootId,
        /// The ID of the root key that is loaded.
        has: RootId,
    },
    /// The loaded root key has been replaced, so nothing new may be encrypted under it.
    #[error("the root key {has} was replaced: restart Bedside with the new root key (database.key)")]
    ReplacedKey {
        /// The ID of the root key that is loaded.
        has: RootId,
    },
    /// Encrypted data was to be read or written, but no root key was given.
    #[error("personal data is encrypted, but no root key was given (database.key)")]
    NoKey,
    /// A stored value is not one that this version can have written.
    #[error("the database holds an unreadable value in {table}.{column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl StoreError {
    pub(crate) fn unsealable(error: CannotSeal) -> Self {
        Self::Unavailable { fault: StorageFault::Other, source: Box::new(error) }
    }
}

/// The kind of storage failure, as far as an operator needs to distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageFault {
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// A read or write failed in the operating system.
    #[error("I/O error: the disk cannot be read or written")]
    Io,
    /// The file's contents are inconsistent.
    #[error("the database file is damaged")]
    Damaged,
    /// The file or its file system is read-only.
    #[error("the database file is read-only")]
    ReadOnly,
    /// A file cannot be opened because of permissions or the limit on open files.
    #[error("a database file cannot be opened")]
    CannotOpen,
    /// Out of memory.
    #[error("out of memory")]
    OutOfMemory,
    /// The file is not a database.
    #[error("the file is not a database")]
    NotADatabase,
    /// Any other error.
    #[error("unexpected database error")]
    Other,
}

impl StorageFault {
    /// All kinds, for metrics.
    pub const ALL: [Self; 8] = [
        Self::DiskFull,
        Self::Io,
        Self::Damaged,
        Self::ReadOnly,
        Self::CannotOpen,
        Self::OutOfMemory,
        Self::NotADatabase,
        Self::Other,
    ];

    /// Returns a stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Io => "io",
            Self::Damaged => "damaged",
            Self::ReadOnly => "read_only",
            Self::CannotOpen => "cannot_open",
            Self::OutOfMemory => "out_of_memory",
            Self::NotADatabase => "not_a_database",
            Self::Other => "other",
        }
    }
}

/// How a change conflicts with stored data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another user signs in with this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The appointment already has a visit that has not ended.
    #[error("the appointment already has an open visit")]
    VisitOpen,
    /// The ID already exists.
    #[error("the ID already exists")]
    AlreadyExists,
    /// The change refers to a user, appointment or visit that does not exist.
    #[error("a referenced row does not exist")]
    MissingReference,
}
