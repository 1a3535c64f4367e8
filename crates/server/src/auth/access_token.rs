//! Access tokens for API clients: requested with client credentials (RFC 6749, section 4.4), issued as signed JWTs (RFC
//! 9068), and valid for ten minutes.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bedside_store::ClientKey;
use bedside_visit::permission::Grants;
use bedside_visit::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::clock::fresh_id;
use crate::http::error::Error;
use crate::keys::{KeyError, RootKey};

/// Lifetime of an access token.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// JWT `typ` header (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";

/// Signs and verifies access tokens.
pub(crate) struct AccessTokens {
    signs: EncodingKey,
    checks: DecodingKey,
    /// Both issuer and audience of the tokens: the public URL of this server.
    issuer: String,
}

/// JWT claims (RFC 9068, section 2.2). Times are in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: Uuid,
    scope: String,
    iat: u64,
    exp: u64,
    jti: Uuid,
    /// Private claim: the ID of the user on whose behalf the client acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<UserId>,
}

/// Content of a verified token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Client key that the token was issued for. The caller must check that the key still exists.
    pub(crate) client: Uuid,
    pub(crate) grants: Grants,
    /// User on whose behalf the client says that it acts. It grants no permission.
    pub(crate) on_behalf_of: Option<UserId>,
}

impl AccessTokens {
    /// Derives the signing key from the root key.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn new(root: &RootKey, public_url: &str) -> Result<Self, KeyError> {
        let pair: Ed25519KeyPair = root.token_signer()?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unmade)?;
        Ok(Self {
            signs: EncodingKey::from_ed_der(pkcs8.as_ref()),
            checks: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            issuer: public_url.to_owned(),
        })
    }

    /// Issues a token for the client that owns `key`.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be signed.
    pub(crate) fn mint(
        &self,
        key: &ClientKey,
        grants: Grants,
        on_behalf_of: Option<UserId>,
        now: Timestamp,
    ) -> Result<String, Error> {
        let iat = seconds(now);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: key.user.to_string(),
            client_id: key.id,
            scope: grants.to_string(),
            iat,
            exp: iat + LIFETIME.as_secs(),
            jti: fresh_id(),
            on_behalf_of,
        };
        let header = Header { typ: Some(TYPE.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims, &self.signs).map_err(|error| {
            tracing::error!(%error, "cannot sign access token");
            Error::Internal
        })
    }

    /// Verifies a token and returns its content. `None` if the signature is invalid or the token has expired.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Option<Granted> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The expiry is checked below against the application clock.
        validation.validate_exp = false;
        let token = decode::<Claims>(token, &self.checks, &validation).ok()?;
        let good = token.header.typ.as_deref() == Some(TYPE) && seconds(now) < token.claims.exp;
        let Claims { client_id: client, on_behalf_of, scope, .. } = token.claims;
        let grants = scope.parse().ok()?;
        good.then_some(Granted { client, grants, on_behalf_of })
    }
}

/// Converts a timestamp to seconds since 1970 (`NumericDate`; RFC 7519, section 2).
pub(super) fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis() / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use bedside_store::ClientKeyHash;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const READ: Grants = Grants { read: true, write: false, people: false };

    fn tokens(folder: &tempfile::TempDir, name: &str, url: &str) -> AccessTokens {
        let root = RootKey::open(&folder.path().join(name)).expect("a key");
        AccessTokens::new(&root, url).expect("a signer")
    }

    fn key() -> ClientKey {
        ClientKey {
            id: Uuid::from_u128(7),
            user: UserId::new(Uuid::from_u128(8)),
            secret_hash: ClientKeyHash::new([0; 32]),
            grants: READ,
            created_at: NOW,
        }
    }

    #[test]
    fn a_token_is_good_for_ten_minutes_and_here_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = tokens(&folder, "ours", "https://visits.example.org");
        let patient = UserId::new(Uuid::from_u128(9));
        let token = ours.mint(&key(), READ, Some(patient), NOW).expect("a token");
        let granted = Granted { client: Uuid::from_u128(7), grants: READ, on_behalf_of: Some(patient) };
        let last = NOW + (LIFETIME - Duration::from_millis(1));
        assert_eq!(ours.check(&token, NOW), Some(granted));
        assert_eq!(ours.check(&token, last), Some(granted));
        assert_eq!(ours.check(&token, NOW + LIFETIME), None);
        assert_eq!(tokens(&folder, "ours", "https://other.example.org").check(&token, NOW), None, "another's address");
        assert_eq!(tokens(&folder, "theirs", "https://visits.example.org").check(&token, NOW), None, "another's key");
    }

    #[test]
    fn what_was_altered_is_no_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = tokens(&folder, "ours", "https://visits.example.org");
        let token = ours.mint(&key(), READ, None, NOW).expect("a token");
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("text");
        let more = URL_SAFE_NO_PAD.encode(text(claims).replace("appointments:read", "appointments:write"));
        let none = URL_SAFE_NO_PAD.encode(text(header).replace("EdDSA", "none"));
        let symmetric = URL_SAFE_NO_PAD.encode(text(header).replace("EdDSA", "HS256"));
        let plain = URL_SAFE_NO_PAD.encode(text(header).replace("at+jwt", "JWT"));
        for forged in [
            format!("{header}.{more}.{signature}"),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{symmetric}.{claims}.{signature}"),
            format!("{plain}.{claims}.{signature}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            String::new(),
        ] {
            assert_eq!(ours.check(&forged, NOW), None, "{forged}");
        }
    }
}
