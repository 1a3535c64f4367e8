//! Live sessions, and the identities they stand for.

use std::sync::Arc;
use std::time::Duration;

use bedside_store::{Actor, SessionHash, SessionRecord, Store, StoreError};
use bedside_visit::permission::{ClinicRole, Principal, Scope};
use bedside_visit::{Clock, Timestamp, UserId};
use uuid::Uuid;

use super::Seen;

/// Minimum interval between recorded uses of a session.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// A principal with a live session or access token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) session: SessionHash,
    /// Client key and `on_behalf_of` of an access token. `None` for people.
    token: Option<(Uuid, Option<UserId>)>,
    /// User who created the link that the session began with, if it began with one.
    link_made_by: Option<UserId>,
}

impl Identity {
    /// Returns the identity of an API client with its client key and `on_behalf_of`.
    pub(super) const fn of_program(principal: Principal, session: SessionHash, token: (Uuid, Option<UserId>)) -> Self {
        Self { principal, session, token: Some(token), link_made_by: None }
    }

    /// Returns whether this is a signed-in account (not a patient link).
    pub(crate) const fn is_account(&self) -> bool {
        matches!(self.principal.scope, Scope::Account(_))
    }

    /// Returns whether this is a signed-in member of the front desk or an administrator.
    pub(crate) const fn is_clerk(&self) -> bool {
        matches!(self.principal.scope, Scope::Account(Some(ClinicRole::Staff | ClinicRole::Admin)))
    }

    /// Returns the actor for the audit log.
    pub(crate) fn actor(&self) -> Actor {
        let (client, on_behalf_of) = self.token.map_or((None, None), |(client, person)| (Some(client), person));
        Actor { user: self.principal.user, client, on_behalf_of, link_made_by: self.link_made_by }
    }
}

/// Looks up sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seen: Seen,
    /// Idle timeout of a signed-in session.
    pub(crate) idle: Duration,
}

impl Sessions {
    /// Returns the identity of a session, or `None` if it does not exist or has ended. Does not count as use of the
    /// session.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn find(&self, hash: &SessionHash) -> Result<Option<Identity>, StoreError> {
        Ok(self.find_record(hash).await?.map(|session| identity_of(&session)))
    }

    /// Returns the identity of a session, or `None` if it does not exist or has ended. `used` states whether the request
    /// counts as use of the session.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn find_and_note(&self, hash: &SessionHash, used: bool) -> Result<Option<Identity>, StoreError> {
        let Some(session) = self.find_record(hash).await? else { return Ok(None) };
        let now = self.clock.now();
        // A shorter idle timeout needs a finer resolution.
        let noted_every = NOTED_EVERY.min(self.idle / 60);
        if used && now.since(session.last_seen_at) >= noted_every {
            self.seen.note(*hash, now);
        }
        Ok(Some(identity_of(&session)))
    }

    async fn find_record(&self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError> {
        let Some(mut session) = self.store.get_session(hash).await? else { return Ok(None) };
        session.last_seen_at = self.seen.noted(hash).map_or(session.last_seen_at, |at| at.max(session.last_seen_at));
        Ok((self.clock.now() < ends(&session, self.idle)).then_some(session))
    }
}

fn identity_of(session: &SessionRecord) -> Identity {
    let scope = match session.invite {
        Some((appointment, role)) => Scope::Invite(appointment, role),
        None => Scope::Account(session.clinic_role),
    };
    let principal = Principal { user: session.user, scope };
    Identity { principal, session: session.token_hash, token: None, link_made_by: session.link_made_by }
}

/// Returns when a session ends: a signed-in session after its idle timeout, a link's session when the join window
/// closes.
fn ends(session: &SessionRecord, idle: Duration) -> Timestamp {
    match session.invite {
        None => session.expires_at.min(session.last_seen_at + idle),
        Some(_) => session.expires_at,
    }
}
