//! Buffers the last use of sessions and writes it in batches: a write for every request of thousands of open pages
//! would saturate the single database writer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_store::{SessionHash, Store, StoreError};
use bedside_visit::Timestamp;

/// Uses that are not written to the database yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<SessionHash, Timestamp>>>);

impl Seen {
    pub(super) fn note(&self, session: SessionHash, at: Timestamp) {
        self.lock().insert(session, at);
    }

    /// Returns the last use of a session that is not written yet.
    pub(super) fn noted(&self, session: &SessionHash) -> Option<Timestamp> {
        self.lock().get(session).copied()
    }

    /// Writes all buffered uses. Keeps those that fail for the next attempt.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn write_down(&self, store: &dyn Store) -> Result<(), StoreError> {
        let noted: Vec<(SessionHash, Timestamp)> = self.lock().iter().map(|(session, at)| (*session, *at)).collect();
        if noted.is_empty() {
            return Ok(());
        }
        let mut transaction = store.begin().await?;
        for (session, at) in &noted {
            transaction.update_session_seen(session, *at).await?;
        }
        transaction.commit().await?;
        let mut kept = self.lock();
        for (session, at) in &noted {
            if kept.get(session) == Some(at) {
                kept.remove(session);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionHash, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
