//! Maps SQLite errors.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::{Conflict, StorageFault, StoreError};

// See https://www.sqlite.org/rescode.html; these are the low bytes of extended codes.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;

/// Maps an error of a statement or connection.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return StoreError::Busy;
    }
    let meaning = error.as_database_error().and_then(refused);
    meaning.unwrap_or_else(|| StoreError::Unavailable { fault: fault(&error), source: Box::new(error) })
}

/// Returns the kind of storage failure: <https://www.sqlite.org/rescode.html>.
pub(super) fn fault(error: &sqlx::Error) -> StorageFault {
    match error.as_database_error().and_then(code) {
        Some(7) => StorageFault::OutOfMemory,
        Some(8) => StorageFault::ReadOnly,
        Some(10) => StorageFault::Io,
        Some(11) => StorageFault::Damaged,
        Some(13) => StorageFault::DiskFull,
        Some(14) => StorageFault::CannotOpen,
        Some(26) => StorageFault::NotADatabase,
        Some(_) | None => StorageFault::Other,
    }
}

/// Returns SQLite's primary result code, if the error is from SQLite.
pub(super) fn code(error: &dyn DatabaseError) -> Option<u32> {
    let extended: u32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

fn refused(error: &dyn DatabaseError) -> Option<StoreError> {
    let kind = error.kind();
    if matches!(kind, ErrorKind::UniqueViolation) {
        Some(taken(error.message()).into())
    } else if matches!(kind, ErrorKind::ForeignKeyViolation) {
        Some(Conflict::MissingReference.into())
    } else if matches!(kind, ErrorKind::CheckViolation | ErrorKind::NotNullViolation) {
        Some(StoreError::Invalid { rule: after_colon(error.message()).to_owned() })
    } else {
        matches!(code(error)?, SQLITE_BUSY | SQLITE_LOCKED).then_some(StoreError::Busy)
    }
}

fn taken(message: &str) -> Conflict {
    match after_colon(message) {
        "users.email" => Conflict::EmailTaken,
        // The index `open_visit_of_appointment`.
        "visits.appointment_id" => Conflict::VisitOpen,
        _ => Conflict::AlreadyExists,
    }
}

/// Returns the columns or constraint that SQLite names, without values: "UNIQUE constraint failed: users.email".
fn after_colon(message: &str) -> &str {
    message.rsplit_once(": ").map_or(message, |(_, name)| name)
}
