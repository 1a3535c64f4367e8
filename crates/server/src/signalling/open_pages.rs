//! Index of open pages by user and session.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_store::SessionHash;
use bedside_visit::{AppointmentId, UserId};
use tokio::sync::Notify;

/// All open pages. Clones share the index.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenPages(Arc<Mutex<HashMap<UserId, Vec<Entry>>>>);

#[derive(Debug)]
struct Entry {
    session: SessionHash,
    appointment: AppointmentId,
    doubt: Arc<Notify>,
}

/// The registration of one open page. Dropping it removes the entry.
#[derive(Debug)]
pub(super) struct OpenPage {
    pages: OpenPages,
    user: UserId,
    doubt: Arc<Notify>,
}

impl OpenPages {
    pub(super) fn open(&self, user: UserId, session: SessionHash, appointment: AppointmentId) -> OpenPage {
        self.open_with(user, session, appointment, Arc::default())
    }

    /// Registers a page with a `doubt` that several users of one visit share.
    pub(super) fn open_with(
        &self,
        user: UserId,
        session: SessionHash,
        appointment: AppointmentId,
        doubt: Arc<Notify>,
    ) -> OpenPage {
        let entry = Entry { session, appointment, doubt: Arc::clone(&doubt) };
        self.lock().entry(user).or_default().push(entry);
        OpenPage { pages: self.clone(), user, doubt }
    }

    /// Asks the pages of `users`, or all pages if `None`, to recheck their permissions.
    pub(super) fn doubt(&self, users: Option<&[UserId]>) {
        let pages = self.lock();
        match users {
            Some(users) => users.iter().filter_map(|user| pages.get(user)).flatten().for_each(Entry::doubt),
            None => pages.values().flatten().for_each(Entry::doubt),
        }
    }

    /// Returns the appointments that have pages open by `session`.
    pub(super) fn appointments_of(&self, session: SessionHash) -> HashSet<AppointmentId> {
        let pages = self.lock();
        pages.values().flatten().filter(|entry| entry.session == session).map(|entry| entry.appointment).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Asks the page to recheck its permissions. `notify_one` stores the notification if the page is busy.
    fn doubt(&self) {
        self.doubt.notify_one();
    }
}

impl OpenPage {
    /// Waits until the page has to recheck its permissions.
    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let mut pages = self.pages.lock();
        if let Some(entries) = pages.get_mut(&self.user) {
            entries.retain(|entry| !Arc::ptr_eq(&entry.doubt, &self.doubt));
            if entries.is_empty() {
                pages.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn appointment(number: u128) -> AppointmentId {
        AppointmentId::new(Uuid::from_u128(number))
    }

    async fn is_doubted(page: &OpenPage) -> bool {
        tokio::select! {
            biased;
            () = page.doubted() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn only_those_whose_right_may_have_gone_prove_it_anew() {
        let pages = OpenPages::default();
        let session = |number: u8| SessionHash::new([number; 32]);
        let one = pages.open(user(1), session(1), appointment(1));
        let again = pages.open(user(1), session(2), appointment(2));
        let other = pages.open(user(2), session(3), appointment(1));
        pages.doubt(Some(&[user(1), user(9)]));
        assert!(is_doubted(&one).await && is_doubted(&again).await && !is_doubted(&other).await);
        assert!(!is_doubted(&one).await, "once is enough");
        pages.doubt(None);
        assert!(is_doubted(&one).await && is_doubted(&other).await);

        assert_eq!(pages.appointments_of(session(2)), HashSet::from([appointment(2)]));
        drop(again);
        assert_eq!(pages.appointments_of(session(2)), HashSet::new());
        assert_eq!(pages.appointments_of(session(1)), HashSet::from([appointment(1)]));
        drop((one, other));
        assert!(pages.lock().is_empty(), "nothing is left behind");
    }
}
