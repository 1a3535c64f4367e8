//! When sessions were used last. Ten thousand open pages would keep the one writer busy with nothing else: what has been
//! noted is written down together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_store::{SessionHash, Store, StoreError};
use bedside_visit::Timestamp;

/// What is not written down yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<SessionHash, Timestamp>>>);

impl Seen {
    pub(super) fn note(&self, session: SessionHash, at: Timestamp) {
        self.lock().insert(session, at);
    }

    /// When it was used, if that is not written down yet.
    pub(super) fn noted(&self, session: &SessionHash) -> Option<Timestamp> {
        self.lock().get(session).copied()
    }

    /// Writes all of it down. What cannot be is kept for the next time.
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
