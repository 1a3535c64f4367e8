//! From cookies to principals.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{SessionHash, SessionRecord, StoreError};
use bedside_visit::Timestamp;
use bedside_visit::permission::{Principal, Scope};

use super::CookieKind;
use crate::app::App;
use crate::error::Error;

/// How often use of a session is noted down.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// Somebody with a live session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) session: SessionHash,
}

impl Identity {
    /// Whether this is a sign-in, not a patient link.
    pub(crate) const fn is_account(&self) -> bool {
        matches!(self.principal.scope, Scope::Account)
    }
}

/// Everyone that a request proves to be: from a sign-in, from a patient link, or both.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Identities {
    pub(crate) account: Option<Identity>,
    pub(crate) invite: Option<Identity>,
}

impl Identities {
    /// From the cookies of a request.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Self, Error> {
        let jar = CookieJar::from_headers(headers);
        let mut found = Self::default();
        for (kind, place) in [(CookieKind::Account, &mut found.account), (CookieKind::Invite, &mut found.invite)] {
            if let Some(token) = app.cookies.read(&jar, kind) {
                let identity = live_identity(app, &token.hash().into()).await?;
                // A cookie of one kind is no session of the other.
                *place = identity.filter(|i| i.is_account() == (kind == CookieKind::Account));
            }
        }
        Ok(found)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Identity> {
        self.account.into_iter().chain(self.invite)
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// [`Error::NotSignedIn`].
    pub(crate) fn signed_in(&self) -> Result<Identity, Error> {
        self.account.ok_or(Error::NotSignedIn)
    }
}

impl FromRequestParts<App> for Identities {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Self::of(app, &parts.headers).await
    }
}

/// Whose session this is, if it is one and has not ended; notes that it is used.
pub(crate) async fn live_identity(app: &App, hash: &SessionHash) -> Result<Option<Identity>, StoreError> {
    let now = app.clock.now();
    let Some(session) = app.store.get_session(hash).await? else { return Ok(None) };
    if now >= ends(&session, app.config.sign_in.idle()) {
        return Ok(None);
    }
    if now.since(session.last_seen_at) >= NOTED_EVERY {
        let mut transaction = app.store.begin().await?;
        transaction.update_session_seen(hash, now).await?;
        transaction.commit().await?;
    }
    let scope = session.appointment.map_or(Scope::Account, Scope::Invite);
    Ok(Some(Identity { principal: Principal { user: session.user, scope }, session: session.token_hash }))
}

/// A sign-in ends when it is left unused; a patient link's session lives as long as the visit's door
/// is open.
fn ends(session: &SessionRecord, idle: Duration) -> Timestamp {
    match session.appointment {
        None => session.expires_at.min(session.last_seen_at + idle),
        Some(_) => session.expires_at,
    }
}
