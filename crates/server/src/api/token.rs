//! Access tokens for other programs (RFC 6749, section 4.4).

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
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
use crate::error::{Error, Problem};
use crate::metrics::{Entry, Way};

/// What is asked for.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// How the caller proves who it is: there is this one way.
    #[expect(dead_code, reason = "read to refuse all others")]
    grant_type: GrantType,
    /// Words with a space between two; all that the key may ask for, if it is not given.
    #[schema(nullable = false, pattern = "^((appointments:read|appointments:write|people:write)( |$))*$")]
    scope: Option<String>,
    /// The person for whom the program is going to act, if it acts for one: the audit log says so. It gives no right.
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    on_behalf_of: Option<UserId>,
}

/// RFC 6749, section 4.4.2.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum GrantType {
    ClientCredentials,
}

/// What is given (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// For the header `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds that it is good for.
    expires_in: u64,
    /// What it grants: not more than was asked for, nor than the key may ask for.
    scope: String,
}

/// An access token for a program, which proves itself with its client id and secret by HTTP Basic.
#[utoipa::path(
    post,
    path = "/api/token",
    request_body(content = inline(TokenRequest), content_type = "application/x-www-form-urlencoded"),
    security(("client" = [])),
    responses(
        (status = 200, body = inline(TokenAnswer), description = "The token"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Another grant type, or a scope that there is not"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Wrong client id or secret"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not a form"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many tries"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Json<TokenAnswer>, Error> {
    let key = client(&app, &headers).await?;
    let Ok(Form(asked)) = asked else {
        return Err(Error::BadRequest("Send a form with grant_type=client_credentials."));
    };
    let wanted: Grants = match asked.scope.as_deref() {
        Some(scope) => scope
            .parse()
            .map_err(|_| Error::BadRequest("Scopes are appointments:read, appointments:write and people:write."))?,
        None => key.grants,
    };
    let granted = wanted.and(key.grants);
    let now = app.clock.now();
    let on_behalf_of = asked.on_behalf_of;
    if let Some(person) = on_behalf_of
        && app.store.get_person(person).await?.is_none()
    {
        return Err(Error::BadRequest("`on_behalf_of` is the id of a person, and there is nobody of that id."));
    }
    let access_token = app.access_tokens.mint(&key, granted, on_behalf_of, now)?;
    let actor = Actor { user: key.user, client: Some(key.id), on_behalf_of };
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::TokenIssued).by(actor).about(key.user)).await?;
    transaction.commit().await?;
    app.metrics.sign_in(Way::Program, Entry::In);
    let expires_in = ACCESS_TOKEN_LIFETIME.as_secs();
    Ok(Json(TokenAnswer { access_token, token_type: "Bearer", expires_in, scope: granted.to_string() }))
}

/// The key that a request proves to have.
async fn client(app: &App, headers: &HeaderMap) -> Result<ClientKey, Error> {
    let (id, secret) = basic(headers).ok_or(Error::ClientRefused)?;
    app.throttle.ask_token(id).inspect_err(|_| app.metrics.sign_in(Way::Program, Entry::Delayed))?;
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
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&whose.map_or(entry, |user| entry.about(user))).await?;
    transaction.commit().await?;
    Err(Error::ClientRefused)
}

/// Name and password of HTTP Basic (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(Uuid, SecretString)> {
    let (scheme, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.parse().ok()?, secret.to_owned().into()))
}
