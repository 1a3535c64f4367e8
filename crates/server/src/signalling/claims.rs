//! Tracks the session by which each participant takes part in a visit, even when none of their pages is connected:
//! media can continue without a page.

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
    /// Notified when the permission of one of these users may have been revoked.
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

    /// Records the session of a page that connected. Replaces the user's earlier session.
    pub(super) fn hold(&mut self, user: UserId, session: SessionHash) {
        // Remove the earlier entry first: entries are identified by `doubt`, which all entries of this visit share.
        self.held.remove(&user);
        let entry = self.pages.open_with(user, session, self.appointment, Arc::clone(&self.doubt));
        self.held.insert(user, Claim { session, _entry: entry });
    }

    /// Removes the claim of a user who was removed from the visit.
    pub(super) fn release(&mut self, user: UserId) {
        self.held.remove(&user);
    }

    /// Returns the users who take part by `session`.
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
