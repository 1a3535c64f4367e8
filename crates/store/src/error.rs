//! What can go wrong with remembering.

use std::path::PathBuf;

use crate::{CannotSeal, RootId};

/// Why the store did not do what it was asked. No text of it contains a stored value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened or created.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why, in words for an operator.
        reason: String,
    },
    /// The database was made by a newer version of this program, which alone understands it.
    #[error(
        "the database has version {database}, but this program knows only up to version {program}: \
         run the version of Bedside that last opened it, or a newer one"
    )]
    Newer {
        /// The last migration in the database.
        database: i64,
        /// The last migration in this program.
        program: i64,
    },
    /// The database cannot be brought up to date; what was begun was undone.
    #[error("cannot bring the database up to date")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else kept the database for too long. Trying again may help.
    #[error("the database is busy")]
    Busy,
    /// The database failed, and the cause is in the operating system or the file.
    #[error("the database failed: {fault}")]
    Unavailable {
        /// The kind of failure.
        fault: StorageFault,
        /// What the database library reported.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The change contradicts what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A value that may not be stored, whatever else is.
    #[error("a value breaks the rule {rule}")]
    Invalid {
        /// The name of the rule, as in the migrations.
        rule: String,
    },
    /// What is sealed was sealed with a root key that the program does not have.
    #[error(
        "{table} is sealed with the root key {needs}, but the program has {has}: put the key file back that this \
         database was used with (database.key), or, if it was replaced, give the one before it too (database.old_key)"
    )]
    OtherKey {
        /// In which table.
        table: &'static str,
        /// The name of the root key that is missing.
        needs: RootId,
        /// The name of the one that is there.
        has: RootId,
    },
    /// Nothing new is sealed with a root key that was replaced.
    #[error("the root key {has} was replaced: start the program again with the new one (database.key)")]
    ReplacedKey {
        /// The name of the one that is there.
        has: RootId,
    },
    /// Something sealed was to be read or written by a program that was given no key.
    #[error("what people wrote is sealed, and the program was given no key (database.key)")]
    NoKey,
    /// A stored value that this program cannot have written.
    #[error("the database holds an unreadable value in {table}.{column}")]
    Corrupt {
        /// In which table.
        table: &'static str,
        /// In which column.
        column: &'static str,
    },
}

impl StoreError {
    pub(crate) fn unsealable(error: CannotSeal) -> Self {
        Self::Unavailable { fault: StorageFault::Other, source: Box::new(error) }
    }
}

/// Why storage failed, as an operator has to tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageFault {
    /// No space is left.
    #[error("the disk is full")]
    DiskFull,
    /// The operating system could not read or write.
    #[error("I/O error: the disk cannot be read or written")]
    Io,
    /// The file's contents are inconsistent.
    #[error("the database file is damaged")]
    Damaged,
    /// The file or its file system cannot be written.
    #[error("the database file is read-only")]
    ReadOnly,
    /// A file cannot be opened: permissions, or no file descriptors are left.
    #[error("a database file cannot be opened")]
    CannotOpen,
    /// No memory is left.
    #[error("out of memory")]
    OutOfMemory,
    /// The file is something else.
    #[error("the file is not a database")]
    NotADatabase,
    /// Anything else.
    #[error("unexpected database error")]
    Other,
}

impl StorageFault {
    /// Every kind, for metrics.
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

    /// A stable name.
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

/// How a change contradicts what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another user signs in with this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The appointment already has a visit that has not ended.
    #[error("the appointment already has an open visit")]
    VisitOpen,
    /// Something with this identifier exists.
    #[error("the identifier is taken")]
    AlreadyExists,
    /// The change names a user, appointment or visit that does not exist.
    #[error("something that is referred to does not exist")]
    MissingReference,
}
