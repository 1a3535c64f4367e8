//! Session cookies. Sign-ins and links have separate cookies, one for each link, so that all can be open in one
//! browser. Multi-step flows have cookies of their own.

use std::fmt::Write as _;
use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use bedside_store::InviteHash;

use super::SecretToken;

/// Kind of session that a cookie carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieKind {
    /// A signed-in session.
    Account,
    /// A sign-in that awaits its second factor.
    Waiting,
    /// An opened password reset link.
    Reset,
    /// Binds an OpenID Connect sign-in in progress to this browser.
    IdentityProvider,
    /// Binds a passkey challenge to this browser.
    Passkey,
}

/// Maximum number of links kept in one browser. Beyond it, the user has to open the oldest link again.
pub(crate) const MOST_LINKS: usize = 16;

/// Names and attributes of the cookies. Over `https` they carry the `__Host-` prefix (RFC 6265bis, section 4.1.3.2):
/// this host only, every path, never in clear text. Plain `http` is for localhost only, where browsers differ on
/// `Secure`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    secure: bool,
}

impl Cookies {
    pub(crate) const fn new(secure: bool) -> Self {
        Self { secure }
    }

    const fn name(self, kind: CookieKind) -> &'static str {
        match (kind, self.secure) {
            (CookieKind::Account, true) => "__Host-bedside-session",
            (CookieKind::Account, false) => "bedside-session",
            (CookieKind::Waiting, true) => "__Host-bedside-waiting",
            (CookieKind::Waiting, false) => "bedside-waiting",
            (CookieKind::Reset, true) => "__Host-bedside-reset",
            (CookieKind::Reset, false) => "bedside-reset",
            (CookieKind::IdentityProvider, true) => "__Host-bedside-provider",
            (CookieKind::IdentityProvider, false) => "bedside-provider",
            (CookieKind::Passkey, true) => "__Host-bedside-passkey",
            (CookieKind::Passkey, false) => "bedside-passkey",
        }
    }

    pub(crate) fn read(self, jar: &CookieJar, kind: CookieKind) -> Option<SecretToken> {
        SecretToken::parse(jar.get(self.name(kind))?.value())
    }

    /// Sets a session cookie, which ends with the browser session because the browser may be shared. The server
    /// enforces the session lifetime.
    pub(crate) fn set(self, jar: CookieJar, kind: CookieKind, token: &SecretToken) -> CookieJar {
        jar.add(self.cookie(kind, token.reveal().to_owned()))
    }

    pub(crate) fn remove(self, jar: CookieJar, kind: CookieKind) -> CookieJar {
        jar.remove(self.cookie(kind, String::new()))
    }

    /// Marks the browser after a sign-out, because its next user may be another person.
    pub(crate) fn note_signed_out(self, jar: CookieJar) -> CookieJar {
        jar.add(self.of_name(self.signed_out().to_owned(), "1".to_owned()))
    }

    pub(crate) fn forget_signed_out(self, jar: CookieJar) -> CookieJar {
        if self.has_signed_out(&jar) {
            jar.remove(self.of_name(self.signed_out().to_owned(), String::new()))
        } else {
            jar
        }
    }

    pub(crate) fn has_signed_out(self, jar: &CookieJar) -> bool {
        jar.get(self.signed_out()).is_some()
    }

    const fn signed_out(self) -> &'static str {
        if self.secure { "__Host-bedside-signed-out" } else { "bedside-signed-out" }
    }

    /// Returns this browser's session token for one link.
    pub(crate) fn read_link(self, jar: &CookieJar, link: &InviteHash) -> Option<SecretToken> {
        SecretToken::parse(jar.get(&self.link_name(link))?.value())
    }

    /// Sets the session token of this browser for one link. The cookie persists for `lasts`, even if the browser is
    /// closed: phones close browsers without asking.
    pub(crate) fn set_link(self, jar: CookieJar, link: &InviteHash, token: &SecretToken, lasts: Duration) -> CookieJar {
        let name = self.link_name(link);
        let others: Vec<String> = self.link_names(&jar).filter(|other| *other != name).collect();
        let surplus = (others.len() + 1).saturating_sub(MOST_LINKS);
        let jar =
            others.into_iter().take(surplus).fold(jar, |jar, other| jar.remove(self.of_name(other, String::new())));
        let mut cookie = self.of_name(name, token.reveal().to_owned());
        cookie.set_max_age(Some(lasts.try_into().unwrap_or_default()));
        jar.add(cookie)
    }

    /// Returns the session tokens of this browser for all links, at most [`MOST_LINKS`].
    pub(crate) fn read_links(self, jar: &CookieJar) -> Vec<SecretToken> {
        let values = self.link_names(jar).filter_map(|name| SecretToken::parse(jar.get(&name)?.value()));
        values.take(MOST_LINKS).collect()
    }

    /// Removes the cookies of all links.
    pub(crate) fn remove_links(self, jar: CookieJar) -> CookieJar {
        let names: Vec<String> = self.link_names(&jar).collect();
        names.into_iter().fold(jar, |jar, name| jar.remove(self.of_name(name, String::new())))
    }

    const fn links_begin(self) -> &'static str {
        if self.secure { "__Host-bedside-visit" } else { "bedside-visit" }
    }

    /// Names the cookie of a link by the hash of the link's secret.
    fn link_name(self, link: &InviteHash) -> String {
        let begin = format!("{}-", self.links_begin());
        link.as_bytes().iter().take(8).fold(begin, |mut name, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    fn link_names(self, jar: &CookieJar) -> impl Iterator<Item = String> {
        let begin = self.links_begin();
        jar.iter().map(|cookie| cookie.name().to_owned()).filter(move |name| {
            // The bare name was used by versions before cookies for each link.
            name.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }

    fn cookie(self, kind: CookieKind, value: String) -> Cookie<'static> {
        self.of_name(self.name(kind).to_owned(), value)
    }

    fn of_name(self, name: String, value: String) -> Cookie<'static> {
        Cookie::build((name, value)).path("/").http_only(true).secure(self.secure).same_site(SameSite::Lax).build()
    }
}
