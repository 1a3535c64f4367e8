//! Creates the session of a user who has signed in.

use axum::http::HeaderMap;
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{AuditEntry, SessionRecord};
use bedside_visit::{AuditAction, UserId};

use crate::app::App;
use crate::auth::{CookieKind, Identities, SecretToken, device_of};
use crate::http::error::Error;
use crate::telemetry::metrics::{Entry, Way};

/// How a user authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// With a password, and a second factor if the account has one. Also used for a provider sign-in that was
    /// completed with a TOTP code.
    Password,
    /// With an OpenID provider.
    IdentityProvider,
    /// With a passkey.
    Passkey,
    /// With the demo link.
    Demo,
}

impl How {
    /// Returns the detail of the audit entry.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Password => None,
            Self::IdentityProvider => Some("provider"),
            Self::Passkey => Some("passkey"),
            Self::Demo => Some("demo"),
        }
    }

    const fn way(self) -> Way {
        match self {
            Self::Password => Way::Password,
            Self::IdentityProvider => Way::IdentityProvider,
            Self::Passkey => Way::Passkey,
            Self::Demo => Way::Demo,
        }
    }
}

/// Creates a session for `user` and ends the browser's previous one.
pub(crate) async fn sign_in(
    app: &App,
    jar: CookieJar,
    user: UserId,
    identities: &Identities,
    headers: &HeaderMap,
    how: How,
) -> Result<CookieJar, Error> {
    let now = app.clock.now();
    let token = SecretToken::draw()?;
    let mut transaction = app.store.begin().await?;
    if let Some(old) = identities.account {
        transaction.delete_session(&old.session).await?;
    }
    let session = SessionRecord {
        token_hash: token.hash().into(),
        user,
        clinic_role: None,
        invite: None,
        vouched_by: None,
        link_made_by: None,
        device: device_of(headers),
        created_at: now,
        last_seen_at: now,
        expires_at: now + app.config.sign_in.absolute(),
    };
    transaction.insert_session(&session).await?;
    let entry = AuditEntry::new(now, AuditAction::SignedIn).by(user).about(user);
    transaction.append_audit(&how.code().map_or(entry, |code| entry.with_detail(code))).await?;
    transaction.commit().await?;
    app.metrics.sign_in(how.way(), Entry::In);
    if let Some(old) = identities.account {
        app.hub.end_session(old.session).await;
    }
    Ok(app.cookies.set(app.cookies.forget_signed_out(jar), CookieKind::Account, &token))
}

/// Returns `next` if it is a path on this server, otherwise `/`. Prevents open redirects.
pub(in crate::pages) fn own_path(next: Option<&str>) -> String {
    let plain = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
            && path.len() <= 500
    };
    next.filter(plain).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn the_way_back_stays_here() {
        assert_eq!(own_path(Some("/appointment/1?a=b")), "/appointment/1?a=b");
        for foreign in ["https://x.org", "//x.org", "/\\x.org", "\\x", "javascript:1", "", "/\n/x", "/\t/x"] {
            assert_eq!(own_path(Some(foreign)), "/", "{foreign}");
        }
    }
}
