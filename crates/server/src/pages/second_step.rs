//! The second step of signing in, and giving it to oneself.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_store::{Account, AuditEntry, SealedSecret};
use bedside_visit::{AuditAction, EmailAddress, UserId};
use secrecy::SecretString;
use serde::Deserialize;

use super::picture::qr_picture;
use super::sign_in::{How, own_path, sign_in};
use super::{Layout, render};
use crate::app::App;
use crate::auth::{CookieKind, Identities, Offered};
use crate::error::Error;
use crate::mail::{Change, tell};
use crate::metrics::{Entry, Way};
use crate::text::percent_encode;

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    layout: Layout,
    next: String,
    wrong: bool,
}

#[derive(Template)]
#[template(path = "second_step.html")]
struct OfferPage<'a> {
    layout: Layout,
    typed: &'a str,
    sealed: String,
    /// An image, as a `data:` address.
    picture: String,
    wrong: bool,
}

#[derive(Deserialize)]
pub(crate) struct Back {
    next: Option<String>,
}

/// Where the second step is asked for.
pub(super) fn address(next: &str) -> String {
    if next == "/" { "/sign-in/code".to_owned() } else { format!("/sign-in/code?next={}", percent_encode(next, b"/")) }
}

/// `GET /sign-in/code`.
pub(crate) async fn show(State(app): State<App>, Query(back): Query<Back>, jar: CookieJar) -> Result<Response, Error> {
    let next = own_path(back.next.as_deref());
    let waits = app.cookies.read(&jar, CookieKind::Waiting);
    if waits.and_then(|token| app.second_step.who_waits(&token, app.clock.now())).is_none() {
        return Ok(Redirect::to("/sign-in").into_response());
    }
    Ok(render(&CodePage { layout: Layout::new(&app), next, wrong: false })?.into_response())
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    code: String,
    next: Option<String>,
}

/// `POST /sign-in/code`. A code is good once (RFC 6238, section 5.2).
pub(crate) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Form(form): Form<CodeForm>,
) -> Result<Response, Error> {
    let next = own_path(form.next.as_deref());
    let now = app.clock.now();
    let token = app.cookies.read(&jar, CookieKind::Waiting);
    let Some((token, user)) = token.and_then(|token| Some((token.clone(), app.second_step.who_waits(&token, now)?)))
    else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    app.second_step.tries(&token);
    let account = app.store.get_account_of(user).await?.filter(|account| account.disabled_at.is_none());
    let Some(account) = account else { return Ok(Redirect::to("/sign-in").into_response()) };
    if !uses_code(&app, &account, &form.code).await? {
        app.metrics.sign_in(Way::SecondStep, Entry::Refused);
        return Ok(render(&CodePage { layout: Layout::new(&app), next, wrong: true })?.into_response());
    }
    app.second_step.forget(&token);
    app.metrics.sign_in(Way::SecondStep, Entry::In);
    if let Some(email) = &account.email {
        app.throttle.succeeded(email);
    }
    let jar = app.cookies.remove(jar, CookieKind::Waiting);
    let jar = sign_in(&app, jar, user, &identities, &headers, How::Password).await?;
    Ok((jar, Redirect::to(&next)).into_response())
}

/// Whether a code is right and was not used before; it is from now on.
async fn uses_code(app: &App, account: &Account, code: &str) -> Result<bool, Error> {
    let now = app.clock.now();
    let secret = account.second_step.as_ref();
    let step = secret.and_then(|secret| app.second_step.check(account.user, secret, code, now));
    let mut transaction = app.store.begin().await?;
    let used = match step {
        Some(step) => transaction.use_second_step(account.user, step).await?,
        None => false,
    };
    if !used {
        transaction.append_audit(&AuditEntry::new(now, AuditAction::SecondStepFailed).about(account.user)).await?;
    }
    transaction.commit().await?;
    Ok(used)
}

/// `GET /account/second-step`: a fresh secret to put into an app. It is nobody's until it is confirmed.
pub(crate) async fn offer(State(app): State<App>, identities: Identities) -> Result<Response, Error> {
    let user = identities.signed_in()?.principal.user;
    let account = app.store.get_account_of(user).await?.ok_or(Error::NotSignedIn)?;
    let offered = app.second_step.offer(user, address_of(&account), &app.config.clinic.name)?;
    offer_page(&app, &account, &offered, false)
}

fn offer_page(app: &App, account: &Account, offered: &Offered, wrong: bool) -> Result<Response, Error> {
    let page = OfferPage {
        layout: Layout::new(app).signed_in(account.name.reveal()),
        picture: qr_picture(&offered.address)?,
        typed: &offered.typed,
        sealed: URL_SAFE_NO_PAD.encode(&offered.sealed.0),
        wrong,
    };
    Ok(render(&page)?.into_response())
}

fn address_of(account: &Account) -> &str {
    account.email.as_ref().map_or("", EmailAddress::reveal)
}

const START_AGAIN: &str = "Open your account again, and take the second step from there.";

#[derive(Deserialize)]
pub(crate) struct AddForm {
    sealed: String,
    code: String,
    current: SecretString,
}

/// `POST /account/second-step`: a code shows that the app has the secret, the password that it is the person.
pub(crate) async fn add(
    State(app): State<App>,
    identities: Identities,
    Form(form): Form<AddForm>,
) -> Result<Response, Error> {
    let user = identities.signed_in()?.principal.user;
    let account = confirm(&app, user, form.current).await?;
    let secret = URL_SAFE_NO_PAD.decode(&form.sealed).map(SealedSecret).ok();
    let secret = secret.ok_or(Error::BadRequest(START_AGAIN))?;
    let now = app.clock.now();
    let Some(step) = app.second_step.check(user, &secret, &form.code, now) else {
        let again = app.second_step.offer_again(user, secret, address_of(&account), &app.config.clinic.name);
        return offer_page(&app, &account, &again.ok_or(Error::BadRequest(START_AGAIN))?, true);
    };
    let mut transaction = app.store.begin().await?;
    transaction.update_second_step(user, Some(&secret)).await?;
    transaction.use_second_step(user, step).await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::SecondStepAdded).by(user).about(user)).await?;
    transaction.commit().await?;
    tell(&app, account.email.as_ref(), Change::SecondStepAdded);
    Ok(Redirect::to("/account?done=second-step").into_response())
}

#[derive(Deserialize)]
pub(crate) struct RemoveForm {
    current: SecretString,
}

/// `POST /account/second-step/remove`.
pub(crate) async fn remove(
    State(app): State<App>,
    identities: Identities,
    Form(form): Form<RemoveForm>,
) -> Result<Response, Error> {
    let user = identities.signed_in()?.principal.user;
    let account = confirm(&app, user, form.current).await?;
    let mut transaction = app.store.begin().await?;
    transaction.update_second_step(user, None).await?;
    transaction
        .append_audit(&AuditEntry::new(app.clock.now(), AuditAction::SecondStepRemoved).by(user).about(user))
        .await?;
    transaction.commit().await?;
    tell(&app, account.email.as_ref(), Change::SecondStepRemoved);
    Ok(Redirect::to("/account?done=second-step-removed").into_response())
}

/// The password once more, before what keeps others out is changed.
pub(super) async fn confirm(app: &App, user: UserId, password: SecretString) -> Result<Account, Error> {
    app.throttle.confirm(user)?;
    let account = app.store.get_account_of(user).await?.ok_or(Error::NotSignedIn)?;
    let hash = account.password_hash.as_ref().map(|hash| hash.reveal().to_owned());
    if app.passwords.verify(password, hash).await? {
        return Ok(account);
    }
    let entry = AuditEntry::new(app.clock.now(), AuditAction::ConfirmationFailed).by(user).about(user);
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&entry).await?;
    transaction.commit().await?;
    Err(Error::WrongPassword)
}
