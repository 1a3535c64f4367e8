//! Which accesses were recorded recently, and which are still to be written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, SessionHash, Store, StoreError};
use bedside_visit::{AppointmentId, Timestamp};

/// Interval in which repeated access by the same session is recorded only once.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// Recently recorded accesses, and entries waiting to be written.
#[derive(Debug, Default)]
pub(crate) struct RecentReads {
    noted: Mutex<HashMap<(SessionHash, Seen), Timestamp>>,
    due: Mutex<Vec<AuditEntry>>,
}

/// What was viewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Seen {
    Appointment(AppointmentId),
    Everyone,
}

impl RecentReads {
    pub(super) fn is_noted(&self, session: SessionHash, seen: Seen, now: Timestamp) -> bool {
        self.lock().get(&(session, seen)).is_some_and(|at| now.since(*at) < NOTED_EVERY)
    }

    pub(super) fn note(&self, session: SessionHash, seen: impl Iterator<Item = Seen>, now: Timestamp) {
        self.lock().extend(seen.map(|seen| ((session, seen), now)));
    }

    /// Queues an entry for [`RecentReads::write_down`].
    pub(super) fn queue(&self, entry: AuditEntry) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Removes accesses whose interval has passed.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, at| now.since(*at) < NOTED_EVERY);
    }

    /// Writes the queued entries of WebSocket access in one transaction. Thousands of pages may reconnect at once
    /// after a restart, and visits wait for the same writer.
    ///
    /// # Errors
    /// If the database fails. The entries are kept for the next attempt.
    pub(crate) async fn write_down(&self, store: &dyn Store) -> Result<(), StoreError> {
        let due = std::mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner));
        if due.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = store.begin().await?;
            for entry in &due {
                transaction.append_audit(entry).await?;
            }
            transaction.commit().await
        };
        let written = written.await;
        if written.is_err() {
            self.due.lock().unwrap_or_else(PoisonError::into_inner).splice(0..0, due);
        }
        written
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionHash, Seen), Timestamp>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
