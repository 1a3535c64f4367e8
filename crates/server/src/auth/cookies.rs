//! Session cookies: one for a sign-in, one for a patient link, so that both can be open in one
//! browser; and ones for what is half done.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use super::SecretToken;

/// Which session a cookie carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieKind {
    /// Of a sign-in.
    Account,
    /// Of a patient link.
    Invite,
    /// Of a right password that waits for its second step.
    Waiting,
    /// Of a link to set a new password that was opened.
    Reset,
    /// Of whoever went to an OpenID provider.
    Provider,
    /// Of a question that a passkey is to answer.
    Passkey,
}

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
            (CookieKind::Invite, true) => "__Host-bedside-visit",
            (CookieKind::Invite, false) => "bedside-visit",
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

    /// Ends with the browser; how long the session lives is the server's to say.
    pub(crate) fn set(self, jar: CookieJar, kind: CookieKind, token: &SecretToken) -> CookieJar {
        jar.add(self.cookie(kind, token.reveal().to_owned()))
    }

    pub(crate) fn remove(self, jar: CookieJar, kind: CookieKind) -> CookieJar {
        jar.remove(self.cookie(kind, String::new()))
    }

    /// Notes that somebody signed out in this browser: others may use it.
    pub(crate) fn note_signed_out(self, jar: CookieJar) -> CookieJar {
        jar.add(self.built(self.signed_out(), "1".to_owned()))
    }

    pub(crate) fn forget_signed_out(self, jar: CookieJar) -> CookieJar {
        if self.has_signed_out(&jar) { jar.remove(self.built(self.signed_out(), String::new())) } else { jar }
    }

    pub(crate) fn has_signed_out(self, jar: &CookieJar) -> bool {
        jar.get(self.signed_out()).is_some()
    }

    const fn signed_out(self) -> &'static str {
        if self.secure { "__Host-bedside-signed-out" } else { "bedside-signed-out" }
    }

    fn cookie(self, kind: CookieKind, value: String) -> Cookie<'static> {
        self.built(self.name(kind), value)
    }

    fn built(self, name: &'static str, value: String) -> Cookie<'static> {
        Cookie::build((name, value)).path("/").http_only(true).secure(self.secure).same_site(SameSite::Lax).build()
    }
}
