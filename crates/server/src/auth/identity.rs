//! Resolves the cookies and tokens of a request to principals.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Actor, SessionHash, SessionRecord, Store, StoreError};
use bedside_visit::permission::{Principal, Scope};
use bedside_visit::{Clock, Timestamp, UserId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{CookieKind, Seen};
use crate::app::App;
use crate::http::error::Error;

/// Minimum interval between recorded uses of a session.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Header of automatic requests, such as page refreshes. They do not count as use of a session.
const AUTOMATIC: &str = "bedside-automatic";

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
    /// Returns whether this is a signed-in account (not a patient link).
    pub(crate) const fn is_account(&self) -> bool {
        matches!(self.principal.scope, Scope::Account(_))
    }

    /// Returns the actor for the audit log.
    pub(crate) fn actor(&self) -> Actor {
        let (client, on_behalf_of) = self.token.map_or((None, None), |(client, person)| (Some(client), person));
        Actor { user: self.principal.user, client, on_behalf_of, link_made_by: self.link_made_by }
    }
}

/// All identities that a request proves: a sign-in, links, or both; or the API client of an access token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identities {
    pub(crate) account: Option<Identity>,
    /// One for each link used in this browser.
    pub(crate) links: Vec<Identity>,
    pub(crate) program: Option<Identity>,
}

impl Identities {
    /// Resolves the cookies of a request. Cookies are ignored if the request has an access token, so such a request
    /// needs no origin check.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn of(app: &App, headers: &HeaderMap) -> Result<Self, Error> {
        if bearer(headers).is_some() {
            return Ok(Self::default());
        }
        let jar = CookieJar::from_headers(headers);
        let used = !headers.contains_key(AUTOMATIC);
        let mut found = Self::default();
        // A cookie of one kind is not valid as another kind.
        if let Some(token) = app.cookies.read(&jar, CookieKind::Account) {
            let identity = live_identity(app, &token.hash().into(), used).await?;
            found.account = identity.filter(Identity::is_account);
        }
        for token in app.cookies.read_links(&jar) {
            let identity = live_identity(app, &token.hash().into(), used).await?;
            found.links.extend(identity.filter(|identity| !identity.is_account()));
        }
        Ok(found)
    }

    /// Returns the identities of people.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Identity> {
        self.account.into_iter().chain(self.links.iter().copied())
    }

    /// Returns the identities of people and of the API client.
    pub(crate) fn all(&self) -> impl Iterator<Item = Identity> {
        self.iter().chain(self.program)
    }

    /// Returns the signed-in identity.
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
        // Bearer tokens (RFC 6750, section 2.1) are accepted by the API only, not by pages.
        match bearer(&parts.headers) {
            Some(token) if parts.uri.path().starts_with("/api/") => {
                Ok(Self { program: program(app, token).await?, ..Self::default() })
            }
            Some(_) | None => Self::of(app, &parts.headers).await,
        }
    }
}

/// Returns the bearer token of the `Authorization` header, if any.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

/// Resolves an access token to its API client. The scope is limited to what the client key currently allows.
async fn program(app: &App, token: &str) -> Result<Option<Identity>, Error> {
    let Some(granted) = app.access_tokens.check(token, app.clock.now()) else { return Ok(None) };
    let Some(key) = app.store.get_client_key(granted.client).await? else { return Ok(None) };
    let scope = Scope::Token(granted.grants.and(key.grants));
    let session = SessionHash::new(Sha256::digest(token.as_bytes()).into());
    let token = Some((key.id, granted.on_behalf_of));
    Ok(Some(Identity { principal: Principal { user: key.user, scope }, session, token, link_made_by: None }))
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

    async fn find_record(&self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError> {
        let Some(mut session) = self.store.get_session(hash).await? else { return Ok(None) };
        session.last_seen_at = self.seen.noted(hash).map_or(session.last_seen_at, |at| at.max(session.last_seen_at));
        Ok((self.clock.now() < ends(&session, self.idle)).then_some(session))
    }
}

/// Returns the identity of a session, or `None` if it does not exist or has ended. `used` states whether the request
/// counts as use of the session.
pub(crate) async fn live_identity(app: &App, hash: &SessionHash, used: bool) -> Result<Option<Identity>, StoreError> {
    let Some(session) = app.sessions.find_record(hash).await? else { return Ok(None) };
    let now = app.clock.now();
    // A shorter idle timeout needs a finer resolution.
    let noted_every = NOTED_EVERY.min(app.sessions.idle / 60);
    if used && now.since(session.last_seen_at) >= noted_every {
        app.sessions.seen.note(*hash, now);
    }
    Ok(Some(identity_of(&session)))
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
