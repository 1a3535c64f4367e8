//! Resolves the cookies and tokens of a request to principals.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::cookie::CookieJar;
use bedside_store::SessionHash;
use bedside_visit::permission::{Principal, Scope};
use sha2::{Digest as _, Sha256};

use super::bearer::bearer;
use super::cookies::CookieKind;
use super::sessions::Identity;
use crate::app::App;
use crate::http::error::Error;

/// Header of automatic requests, such as page refreshes. They do not count as use of a session.
const AUTOMATIC: &str = "bedside-automatic";

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
            let identity = app.sessions.find_and_note(&token.hash().into(), used).await?;
            found.account = identity.filter(Identity::is_account);
        }
        for token in app.cookies.read_links(&jar) {
            let identity = app.sessions.find_and_note(&token.hash().into(), used).await?;
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

/// Resolves an access token to its API client. The scope is limited to what the client key currently allows.
async fn program(app: &App, token: &str) -> Result<Option<Identity>, Error> {
    let Some(granted) = app.access_tokens.check(token, app.clock.now()) else { return Ok(None) };
    let Some(key) = app.store.get_client_key(granted.client).await? else { return Ok(None) };
    let scope = Scope::Token(granted.grants.and(key.grants));
    let session = SessionHash::new(Sha256::digest(token.as_bytes()).into());
    let token = (key.id, granted.on_behalf_of);
    Ok(Some(Identity::of_program(Principal { user: key.user, scope }, session, token)))
}
