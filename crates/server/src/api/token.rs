//! Access tokens for API clients (RFC 6749, section 4.4).

use std::net::IpAddr;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::{Actor, AuditEntry, ClientKey, ClientKeyHash};
use bedside_visit::permission::Grants;
use bedside_visit::{AuditAction, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{ACCESS_TOKEN_LIFETIME, SecretToken};
use crate::http::edge::ClientIp;
use crate::http::error::{Error, Problem, TokenFault, TokenProblem};
use crate::telemetry::metrics::{Entry, Way};

/// Access token request.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// `client_credentials`, the only supported grant type.
    #[schema(value_type = GrantType)]
    grant_type: Option<String>,
    /// Scopes, separated by spaces. Defaults to all scopes of the client key.
    #[schema(nullable = false, pattern = "^((appointments:read|appointments:write|people:write)( |$))*$")]
    scope: Option<String>,
    /// User ID of the person on whose behalf the client acts, if any. It is recorded in the audit log as stated by the
    /// client. It grants no permission and is not checked, so as not to disclose whether the user exists.
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    on_behalf_of: Option<UserId>,
    /// Client ID, for clients that do not use HTTP Basic (RFC 6749, section 2.3.1).
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// Client secret, for clients that do not use HTTP Basic.
    #[schema(value_type = Option<String>, nullable = false)]
    client_secret: Option<SecretString>,
}

/// Grant type (RFC 6749, section 4.4.2).
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "used only in the OpenAPI description")]
enum GrantType {
    ClientCredentials,
}

/// Access token response (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// Access token for the header `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Lifetime in seconds.
    expires_in: u64,
    /// Granted scopes: at most those requested and those of the client key.
    scope: String,
}

/// Issues an access token to an API client.
///
/// The client authenticates with its client ID and secret, by HTTP Basic or in the form. Errors are those of RFC 6749,
/// section 5.2.
#[utoipa::path(
    post,
    path = "/api/token",
    request_body(content = inline(TokenRequest), content_type = "application/x-www-form-urlencoded"),
    security(("client" = [])),
    responses(
        (status = 200, body = inline(TokenAnswer), description = "Access token"),
        (status = 400, body = TokenProblem, description = "`invalid_request`, `unsupported_grant_type` or `invalid_scope`"),
        (status = 401, body = TokenProblem, description = "`invalid_client`: wrong client ID or secret"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many attempts"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    asked: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Response, Error> {
    let asked = asked.ok().map(|Form(asked)| asked);
    let (id, secret) = credentials(&headers, asked.as_ref())?;
    let key = client(&app, (id, address), &secret).await?;
    let Some(asked) = asked else {
        let detail = "Send a form with grant_type=client_credentials, and each field only once.";
        return Err(Error::Token(TokenFault::Request(detail)));
    };
    match asked.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(Error::Token(TokenFault::GrantType)),
        None => return Err(Error::Token(TokenFault::Request("grant_type is missing. Use client_credentials."))),
    }
    let wanted: Grants = match asked.scope.as_deref() {
        Some(scope) => scope.parse().map_err(|_| Error::Token(TokenFault::Scope))?,
        None => key.grants,
    };
    let granted = wanted.and(key.grants);
    let now = app.clock.now();
    let on_behalf_of = asked.on_behalf_of;
    let access_token = app.access_tokens.mint(&key, granted, on_behalf_of, now)?;
    let actor = Actor { client: Some(key.id), on_behalf_of, ..Actor::from(key.user) };
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::TokenIssued).by(actor).about(key.user)).await?;
    transaction.commit().await?;
    app.metrics.sign_in(Way::Program, Entry::In);
    let expires_in = ACCESS_TOKEN_LIFETIME.as_secs();
    let answer = TokenAnswer { access_token, token_type: "Bearer", expires_in, scope: granted.to_string() };
    // RFC 6749, section 5.1, forbids caching.
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(answer)).into_response())
}

/// Returns client ID and secret from either the header or the form. Both together are invalid (RFC 6749, section 2.3).
fn credentials(headers: &HeaderMap, asked: Option<&TokenRequest>) -> Result<(Uuid, SecretString), Error> {
    let in_form = asked.and_then(|asked| asked.client_secret.clone());
    let found = if headers.contains_key(header::AUTHORIZATION) {
        if in_form.is_some() {
            let detail = "Send the client ID and secret by HTTP Basic or in the form, not both.";
            return Err(Error::Token(TokenFault::Request(detail)));
        }
        basic(headers)
    } else {
        let id = asked.and_then(|asked| asked.client_id.as_deref()?.parse().ok());
        id.zip(in_form)
    };
    found.ok_or(Error::Token(TokenFault::Client))
}

/// Returns the client key that the request authenticates with. Malformed credentials are rejected before the database
/// is queried.
async fn client(app: &App, (id, address): (Uuid, IpAddr), secret: &SecretString) -> Result<ClientKey, Error> {
    app.throttle.ask_token(id, address).inspect_err(|_| app.metrics.sign_in(Way::Program, Entry::Delayed))?;
    let secret = SecretToken::parse(secret.expose_secret()).map(|secret| ClientKeyHash::new(secret.hash()));
    let known = app.store.get_client_key(id).await?;
    let whose = known.as_ref().map(|key| key.user);
    let right = |key: &ClientKey| {
        secret.as_ref().is_some_and(|secret| secret.as_bytes().ct_eq(key.secret_hash.as_bytes()).into())
    };
    if let Some(key) = known.filter(right) {
        return Ok(key);
    }
    let entry = AuditEntry::new(app.clock.now(), AuditAction::TokenRefused);
    app.metrics.sign_in(Way::Program, Entry::Refused);
    app.refusals.append(&*app.store, whose.map_or(entry, |user| entry.about(user))).await?;
    Err(Error::Token(TokenFault::Client))
}

/// Parses HTTP Basic credentials (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(Uuid, SecretString)> {
    let (scheme, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.parse().ok()?, secret.to_owned().into()))
}
