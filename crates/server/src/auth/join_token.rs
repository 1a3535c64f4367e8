//! Join tokens: links that an integrator signs itself, without an API request for each. Bedside holds the integrator's
//! public keys (RFC 7517). A join token is valid only for appointments that the integrator booked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_store::{Invite, InviteHash};
use bedside_visit::permission::{Arrangement, Grants, Principal, Scope};
use bedside_visit::{Appointment, AppointmentId, Role, Timestamp, UserId};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use super::access_token::seconds;
use crate::app::App;
use crate::http::error::{Error, denied};

/// Maximum lifetime of a join token.
pub(crate) const LONGEST: Duration = Duration::from_secs(600);
/// Clock skew allowed for the integrator's clock, seconds.
const AHEAD: u64 = 60;
/// Maximum length of a join token, bytes.
const LONGEST_TEXT: usize = 4096;
/// Asymmetric algorithms only, so that the verification keys cannot sign tokens.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];

/// Claims of a join token (RFC 7519, section 4.1, and two private ones).
#[derive(Deserialize)]
struct Claims {
    /// User who joins.
    sub: UserId,
    /// Appointment to join.
    appointment: AppointmentId,
    /// Role in the appointment.
    role: Role,
    #[serde(deserialize_with = "numeric_date")]
    iat: u64,
    #[serde(deserialize_with = "numeric_date")]
    exp: u64,
    /// Not valid before this time.
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: u64,
    jti: String,
}

/// Deserializes a `NumericDate`: seconds since 1970, possibly with a fraction (RFC 7519, section 2).
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    // Saturates: negative values and NaN become 0, values out of range become the maximum.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    Ok(seconds.floor() as u64)
}

/// Issuer as claimed by the token. Untrusted until the signature is verified.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// Returns whether the secret in a link is a join token rather than a link issued by Bedside.
pub(crate) fn is_join_token(text: &str) -> bool {
    text.contains('.')
}

/// Verifies a join token and returns the equivalent invite, its appointment, and the integrator that signed the token.
///
/// # Errors
/// [`Error::NotFound`] for every fault. The integrator can diagnose its own token, and the error discloses nothing to
/// others.
pub(crate) async fn read_join_token(app: &App, text: &str) -> Result<(Invite, Appointment, UserId), Error> {
    let now = app.clock.now();
    let (header, claimed) = parse(text).ok_or(Error::NotFound)?;
    let issuer = app.store.get_issuer(&claimed.iss).await?.ok_or(Error::NotFound)?;
    let claims = check(&header, text, &issuer.issuer, &issuer.jwks, &app.config.server.public_url, now);
    let Some(claims) = claims else {
        refused(app, &issuer.issuer, "invalid signature, key, audience or times");
        return Err(Error::NotFound);
    };
    let grants = Grants { write: true, ..Grants::default() };
    let principal = Principal { user: issuer.user, scope: Scope::Token(grants) };
    let sealed = app.store.get_appointment(claims.appointment).await?.ok_or(Error::NotFound)?;
    let appointment =
        sealed.open_to(&principal, Arrangement::Link).map_err(|denial| denied(denial, claims.appointment))?;
    if claims.role == Role::Provider && !issuer.vouches_for_providers {
        refused(app, &issuer.issuer, "issuer is not trusted for providers");
        return Err(Error::NotFound);
    }
    if appointment.participants.role_of(claims.sub) != Some(claims.role) {
        refused(app, &issuer.issuer, "user does not have this role in the appointment");
        return Err(Error::NotFound);
    }
    let hash = name_of(&issuer.issuer, &claims.jti);
    if let Some(known) = app.store.get_invite(&hash).await? {
        return Ok((known, appointment, issuer.user));
    }
    let expires = Timestamp::from_millis(i64::try_from(claims.exp).unwrap_or(0).saturating_mul(1000));
    let invite = Invite::new(hash, appointment.id, (claims.sub, claims.role), now, expires);
    Ok((invite, appointment, issuer.user))
}

/// Logs why a token of a known issuer was refused. The response does not disclose the reason.
fn refused(app: &App, issuer: &str, reason: &'static str) {
    if app.throttle.may_log() {
        tracing::warn!(issuer, reason, "join token refused");
    }
}

fn parse(text: &str) -> Option<(Header, Claimed)> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let claims = text.split('.').nth(1)?;
    let claimed = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some((decode_header(text).ok()?, claimed))
}

fn check(header: &Header, text: &str, issuer: &str, jwks: &str, audience: &str, now: Timestamp) -> Option<Claims> {
    let keys: JwkSet = serde_json::from_str(jwks).ok()?;
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_deref()?)?).ok()?;
    let algorithm = ALGORITHMS.into_iter().find(|algorithm| *algorithm == header.alg)?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // The expiry is checked below against the application clock.
    validation.validate_exp = false;
    let claims = decode::<Claims>(text, &key, &validation).ok()?.claims;
    let now = seconds(now);
    let short = claims.exp.checked_sub(claims.iat)? <= LONGEST.as_secs();
    let good = claims.iat <= now + AHEAD && claims.nbf <= now + AHEAD && now < claims.exp;
    (short && good && (1..=200).contains(&claims.jti.len())).then_some(claims)
}

/// Derives the invite hash from issuer and `jti` rather than from the token's text, because one signature can be
/// encoded in several ways.
fn name_of(issuer: &str, jti: &str) -> InviteHash {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(jti);
    InviteHash::new(hash.finalize().into())
}

/// Validates an integrator's JWK Set and returns it without unknown members.
///
/// # Errors
/// The fault, as a message for the operator.
pub(crate) fn check_keys(jwks: &str) -> Result<String, String> {
    let keys: JwkSet = serde_json::from_str(jwks).map_err(|error| format!("not a JWK Set (RFC 7517): {error}"))?;
    if keys.keys.is_empty() {
        return Err("the JWK Set contains no keys".to_owned());
    }
    for key in &keys.keys {
        check_key(key)?;
    }
    // Serializes only what was understood: no private keys, no unknown members.
    serde_json::to_string(&keys).map_err(|error| error.to_string())
}

fn check_key(key: &Jwk) -> Result<(), String> {
    let name = key.common.key_id.as_deref().ok_or("a key has no key ID (kid)")?;
    match &key.algorithm {
        AlgorithmParameters::OctetKey(_) => return Err(format!("key {name} is a shared secret: use a public key")),
        // A 2048-bit modulus is 342 base64url characters.
        AlgorithmParameters::RSA(rsa) if rsa.n.len() < 342 => {
            return Err(format!("key {name} is shorter than 2048 bits"));
        }
        AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => {}
        AlgorithmParameters::Other(_) | _ => return Err(format!("key {name} has an unsupported type")),
    }
    DecodingKey::from_jwk(key).map(|_| ()).map_err(|error| format!("key {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_prove_nothing_are_refused() {
        let good =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        assert!(check_keys(good).is_ok());
        let private = good.replace("\"kid\"", "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"kid\"");
        assert!(!check_keys(&private).expect("the public half").contains("nWGxne"));
        for bad in [
            "",
            "{}",
            r#"{"keys":[]}"#,
            &good.replace("\"kid\":\"1\",", ""),
            r#"{"keys":[{"kty":"oct","kid":"1","k":"c2VjcmV0c2VjcmV0c2VjcmV0"}]}"#,
            r#"{"keys":[{"kty":"RSA","kid":"1","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4","e":"AQAB"}]}"#,
        ] {
            assert!(check_keys(bad).is_err(), "{bad}");
        }
    }
}
