//! JSON endpoints for passkeys, used by page scripts: registering, removing and signing in.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{AuditEntry, PasskeyRecord, StoreError};
use bedside_visit::text::label;
use bedside_visit::{AuditAction, EmailAddress, Private, UserId};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use crate::app::App;
use crate::auth::{CookieKind, Identities, Kind, Passkeys};
use crate::http::edge::ClientIp;
use crate::http::error::Error;
use crate::mail::{Change, tell};
use crate::pages::account::two_factor::confirm;
use crate::pages::sign_in::{How, own_path, sign_in};
use crate::telemetry::metrics::{Entry, Way};

/// Maximum number of passkeys per user.
const MOST: usize = 20;

fn passkeys(app: &App) -> Result<&Passkeys, Error> {
    app.passkeys.as_ref().ok_or(Error::NotFound)
}

#[derive(Deserialize)]
pub(crate) struct ConfirmForm {
    current: SecretString,
}

/// `POST /account/passkeys/options`: returns registration options. Requires the password, like every change of
/// sign-in methods.
pub(crate) async fn offer(
    State(app): State<App>,
    jar: CookieJar,
    identities: Identities,
    Json(form): Json<ConfirmForm>,
) -> Result<Response, Error> {
    let passkeys = passkeys(&app)?;
    let user = identities.signed_in()?.principal.user;
    let account = confirm(&app, user, form.current).await?;
    let known = app.store.list_passkeys(user).await?;
    if known.len() >= MOST {
        return Err(Error::BadRequest("You have many passkeys already. Remove one first."));
    }
    let known: Vec<_> = known.into_iter().map(|passkey| passkey.credential_id).collect();
    let email = account.email.as_ref().map_or("", EmailAddress::reveal);
    let (asked, token) = passkeys.begin_adding(user, email, account.name.reveal(), &known, app.clock.now())?;
    Ok((app.cookies.set(jar, CookieKind::Passkey, &token), Json(asked)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct NewPasskey {
    name: String,
    credential: RegisterPublicKeyCredential,
}

/// `POST /account/passkeys`: registers the new credential.
pub(crate) async fn add(
    State(app): State<App>,
    jar: CookieJar,
    identities: Identities,
    Json(new): Json<NewPasskey>,
) -> Result<Response, Error> {
    let passkeys = passkeys(&app)?;
    let user = identities.signed_in()?.principal.user;
    let name = label(&new.name, 60);
    let name = name.map_err(|_| Error::BadRequest("Give the passkey a name of up to 60 characters."))?;
    let now = app.clock.now();
    let token = app.cookies.read(&jar, CookieKind::Passkey).ok_or(Error::PasskeyRefused)?;
    let (credential_id, credential) =
        passkeys.finish_adding(&token, user, &new.credential, now).ok_or(Error::PasskeyRefused)?;
    let name = Private::new(name);
    let record = PasskeyRecord { credential_id, user, name, credential, created_at: now, used_at: None };
    let mut transaction = app.store.begin().await?;
    match transaction.insert_passkey(&record).await {
        Ok(()) => {}
        Err(StoreError::Conflict(_) | StoreError::Invalid { .. }) => return Err(Error::PasskeyRefused),
        Err(error) => return Err(error.into()),
    }
    transaction.append_audit(&AuditEntry::new(now, AuditAction::PasskeyAdded).by(user).about(user)).await?;
    let email = app.store.get_account_of(user).await?.and_then(|account| account.email);
    tell(&app, &mut *transaction, (user, email.as_ref()), Change::PasskeyAdded).await?;
    transaction.commit().await?;
    let jar = app.cookies.remove(jar, CookieKind::Passkey);
    Ok((jar, Json(json!({ "next": "/account?done=passkey" }))).into_response())
}

#[derive(Deserialize)]
pub(crate) struct RemoveForm {
    /// The handle of a passkey.
    which: String,
    current: SecretString,
}

/// `POST /account/passkeys/remove`. Also ends the user's other sessions, because the device may be lost or stolen.
pub(crate) async fn remove(
    State(app): State<App>,
    identities: Identities,
    Form(form): Form<RemoveForm>,
) -> Result<Response, Error> {
    let identity = identities.signed_in()?;
    let user = identity.principal.user;
    let account = confirm(&app, user, form.current).await?;
    let known = app.store.list_passkeys(user).await?;
    let passkey = known.into_iter().find(|one| handle(&one.credential_id) == form.which).ok_or(Error::NotFound)?;
    let now = app.clock.now();
    let mut ended = app.store.list_sign_ins(user, now).await?;
    ended.retain(|one| one.token_hash != identity.session);
    let mut transaction = app.store.begin().await?;
    transaction.delete_passkey(user, &passkey.credential_id).await?;
    for one in &ended {
        transaction.delete_session(&one.token_hash).await?;
    }
    transaction.append_audit(&AuditEntry::new(now, AuditAction::PasskeyRemoved).by(user).about(user)).await?;
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::PasskeyRemoved).await?;
    transaction.commit().await?;
    app.hub.end_sessions(ended.iter()).await;
    Ok(Redirect::to("/account?done=passkey-removed").into_response())
}

/// `POST /sign-in/passkey/options`.
pub(crate) async fn ask(State(app): State<App>, ClientIp(from): ClientIp, jar: CookieJar) -> Result<Response, Error> {
    let passkeys = passkeys(&app)?;
    app.throttle.come(Kind::Passkey, from).inspect_err(|_| app.metrics.sign_in(Way::Passkey, Entry::Delayed))?;
    let (asked, token) = passkeys.begin_sign_in(app.cookies.read(&jar, CookieKind::Passkey), app.clock.now())?;
    Ok((app.cookies.set(jar, CookieKind::Passkey, &token), Json(asked)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct SignInAnswer {
    credential: PublicKeyCredential,
    next: Option<String>,
}

/// `POST /sign-in/passkey`. No second factor is required, because the device has verified the user.
pub(crate) async fn enter(
    State(app): State<App>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Json(answer): Json<SignInAnswer>,
) -> Result<Response, Error> {
    let passkeys = passkeys(&app)?;
    let now = app.clock.now();
    let token = app.cookies.read(&jar, CookieKind::Passkey).ok_or(Error::PasskeyRefused)?;
    let asked = passkeys.asked(&token, &answer.credential, now).ok_or(Error::PasskeyRefused)?;
    let credential_id = answer.credential.raw_id.clone();
    let Some(record) = app.store.get_passkey(&credential_id).await? else {
        return refuse(&app, None, "unknown").await;
    };
    let user = record.user;
    if passkeys.named(&answer.credential) != Some(user) {
        return refuse(&app, Some(user), "user").await;
    }
    let answered = match passkeys.check(asked, &answer.credential, &record.credential) {
        Ok(answered) => answered,
        Err(fault) => return refuse(&app, Some(user), fault.code()).await,
    };
    let account = app.store.get_account_of(user).await?;
    let Some(account) = account.filter(|account| account.disabled_at.is_none()) else {
        return refuse(&app, Some(user), "account").await;
    };
    let mut transaction = app.store.begin().await?;
    transaction.update_passkey_used(&credential_id, &answered.credential, now).await?;
    transaction.commit().await?;
    if let Some(email) = &account.email {
        app.throttle.succeeded(email);
    }
    let jar = sign_in(&app, jar, user, &identities, &headers, How::Passkey).await?;
    Ok((jar, Json(json!({ "next": own_path(answer.next.as_deref()) }))).into_response())
}

async fn refuse(app: &App, user: Option<UserId>, code: &'static str) -> Result<Response, Error> {
    app.metrics.sign_in(Way::Passkey, Entry::Refused);
    let entry = AuditEntry::new(app.clock.now(), AuditAction::PasskeyRefused).with_detail(code);
    app.refusals.append(&*app.store, user.map_or(entry, |user| entry.about(user))).await?;
    Err(Error::PasskeyRefused)
}

/// Returns the handle that identifies a passkey in a form.
pub(in crate::pages) fn handle(credential_id: &[u8]) -> String {
    Sha256::digest(credential_id).iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
