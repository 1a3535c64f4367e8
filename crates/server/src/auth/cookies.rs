//! Session cookies: one for a sign-in, and one for each link into a visit, so that all of them can be open in one
//! browser; and ones for what is half done.

use std::fmt::Write as _;
use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use bedside_store::InviteHash;

use super::SecretToken;

/// Which session a cookie carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieKind {
    /// Of a sign-in.
    Account,
    /// Of a right password that waits for its second step.
    Waiting,
    /// Of a link to set a new password that was opened.
    Reset,
    /// Of whoever went to an OpenID provider.
    Provider,
    /// Of a question that a passkey is to answer.
    Passkey,
}

/// How many links a browser keeps at a time. A person with more visits in one day opens the oldest link again.
pub(crate) const MOST_LINKS: usize = 16;

/// Names and attributes of our cookies. Over `https` they carry the `__Host-` prefix (RFC 6265bis,
/// section 4.1.3.2): this host only, every path, never in clear text. Plain `http` is for localhost
/// alone, where browsers differ on `Secure`.
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
            (CookieKind::Provider, true) => "__Host-bedside-provider",
            (CookieKind::Provider, false) => "bedside-provider",
            (CookieKind::Passkey, true) => "__Host-bedside-passkey",
            (CookieKind::Passkey, false) => "bedside-passkey",
        }
    }

    pub(crate) fn read(self, jar: &CookieJar, kind: CookieKind) -> Option<SecretToken> {
        SecretToken::parse(jar.get(self.name(kind))?.value())
    }

    /// Ends with the browser, which may be a shared one; how long the session lives is the server's to say.
    pub(crate) fn set(self, jar: CookieJar, kind: CookieKind, token: &SecretToken) -> CookieJar {
        jar.add(self.cookie(kind, token.reveal().to_owned()))
    }

    pub(crate) fn remove(self, jar: CookieJar, kind: CookieKind) -> CookieJar {
        jar.remove(self.cookie(kind, String::new()))
    }

    /// Marks the browser: a user signed out in it, and the next user may be another person.
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

    /// What this browser proves itself with for one link.
    pub(crate) fn read_link(self, jar: &CookieJar, link: &InviteHash) -> Option<SecretToken> {
        SecretToken::parse(jar.get(&self.link_name(link))?.value())
    }

    /// Gives the browser what it proves itself with for one link. It is kept for `lasts`, also when the browser is closed
    /// in between: phones close browsers without asking.
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

    /// What this browser proves itself with for any link, as many as are looked at.
    pub(crate) fn read_links(self, jar: &CookieJar) -> Vec<SecretToken> {
        let values = self.link_names(jar).filter_map(|name| SecretToken::parse(jar.get(&name)?.value()));
        values.take(MOST_LINKS).collect()
    }

    /// Takes all of them away.
    pub(crate) fn remove_links(self, jar: CookieJar) -> CookieJar {
        let names: Vec<String> = self.link_names(&jar).collect();
        names.into_iter().fold(jar, |jar, name| jar.remove(self.of_name(name, String::new())))
    }

    const fn links_begin(self) -> &'static str {
        if self.secure { "__Host-bedside-visit" } else { "bedside-visit" }
    }

    /// The name says which link, and nothing of its secret.
    fn link_name(self, link: &InviteHash) -> String {
        let begin = format!("{}-", self.links_begin());
        link.as_bytes().iter().take(8).fold(begin, |mut name, byte| {
            // Writing to a text cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    fn link_names(self, jar: &CookieJar) -> impl Iterator<Item = String> {
        let begin = self.links_begin();
        jar.iter().map(|cookie| cookie.name().to_owned()).filter(move |name| {
            // The bare name is from before there was one for each link.
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
