//! By which session each person of a visit is there, whether or not a page of theirs is connected: media may go on
//! without one.

use std::collections::HashMap;
use std::sync::Arc;

use bedside_store::SessionHash;
use bedside_visit::{AppointmentId, UserId};
use tokio::sync::Notify;

use super::open_pages::{OpenPage, OpenPages};

/// The claims of one visit.
pub(super) struct Claims {
    pages: OpenPages,
    appointment: AppointmentId,
    /// Notified when the right of one of these people may have gone.
    doubt: Arc<Notify>,
    held: HashMap<UserId, Claim>,
}

struct Claim {
    session: SessionHash,
    _entry: OpenPage,
}

impl Claims {
    pub(super) fn new(pages: OpenPages, appointment: AppointmentId) -> Self {
        Self { pages, appointment, doubt: Arc::default(), held: HashMap::new() }
    }

    /// A page of a person connected. Their earlier session counts no more.
    pub(super) fn hold(&mut self, user: UserId, session: SessionHash) {
        // The earlier entry is removed first: entries are told apart by `doubt`.
        self.held.remove(&user);
        let entry = self.pages.open_with(user, session, self.appointment, Arc::clone(&self.doubt));
        self.held.insert(user, Claim { session, _entry: entry });
    }

    /// The person was put out.
    pub(super) fn release(&mut self, user: UserId) {
        self.held.remove(&user);
    }

    /// Those who are there by `session`.
    pub(super) fn by_session(&self, session: SessionHash) -> Vec<UserId> {
        self.held.iter().filter(|(_, claim)| claim.session == session).map(|(user, _)| *user).collect()
    }

    pub(super) fn has(&self, user: UserId) -> bool {
        self.held.contains_key(&user)
    }

    pub(super) fn list(&self) -> Vec<(UserId, SessionHash)> {
        self.held.iter().map(|(user, claim)| (*user, claim.session)).collect()
    }

    pub(super) fn doubt(&self) -> Arc<Notify> {
        Arc::clone(&self.doubt)
    }
}
