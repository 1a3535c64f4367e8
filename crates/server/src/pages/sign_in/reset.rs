//! Password reset by mail.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Account, AuditEntry, PasswordHash, ResetHash};
use bedside_visit::{AuditAction, EmailAddress};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::app::App;
use crate::auth::{CookieKind, Followed, SecretToken};
use crate::clinic::resets::GOOD_FOR;
use crate::http::edge::ClientIp;
use crate::http::error::Error;
use crate::http::form::Form;
use crate::mail::{Change, send_reset, tell};
use crate::pages::account::fault_of;
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "forgotten.html")]
struct ForgottenPage {
    layout: Layout,
    email: String,
    fault: bool,
    /// Whether a reset was requested. A mail is sent only if such an account exists.
    asked: bool,
    minutes: u64,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    layout: Layout,
    /// The e-mail address of the account. `None` if the link is invalid or has expired.
    email: Option<String>,
    by_mail: bool,
    fault: Option<&'static str>,
}

/// `GET /sign-in/forgotten`.
pub(crate) async fn forgotten(State(app): State<App>) -> Result<Response, Error> {
    forgotten_page(&app, String::new(), false, false)
}

#[derive(Deserialize)]
pub(crate) struct ForgottenForm {
    email: String,
}

/// `POST /sign-in/forgotten`. Response and timing are the same for every address: mails are sent afterwards, and a
/// job is queued even for unknown addresses.
pub(crate) async fn ask(
    State(app): State<App>,
    ClientIp(address): ClientIp,
    Form(form): Form<ForgottenForm>,
) -> Result<Response, Error> {
    let Ok(email) = form.email.parse::<EmailAddress>() else {
        return forgotten_page(&app, form.email, true, false);
    };
    let answer = forgotten_page(&app, email.reveal().to_owned(), false, true)?;
    app.throttle.reset(&email, address, app.clock.now())?;
    let now = app.clock.now();
    let account = app.store.get_account(&email).await?;
    let entry = AuditEntry::new(now, AuditAction::PasswordResetAsked);
    let entry = account.as_ref().map_or(entry, |account| entry.about(account.user));
    // Only accounts with a password get a link. Other users get their first password from the operator.
    let account = account.filter(|account| account.disabled_at.is_none() && account.password_hash.is_some());
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&entry).await?;
    send_reset(&mut *transaction, account.map(|account| account.user), now).await?;
    transaction.commit().await?;
    Ok(answer)
}

/// `GET /reset/{token}`. Does not use the link, because mail scanners open links too. Moves the secret from the URL
/// into a cookie, which keeps it out of the history and the `Referer` header.
pub(crate) async fn open(State(app): State<App>, jar: CookieJar, Path(token): Path<String>) -> Response {
    let jar = match SecretToken::parse(&token) {
        Some(token) => app.cookies.set(jar, CookieKind::Reset, &token),
        None => app.cookies.remove(jar, CookieKind::Reset),
    };
    (jar, Redirect::to("/reset")).into_response()
}

/// `GET /reset`.
pub(crate) async fn show(State(app): State<App>, jar: CookieJar) -> Result<Response, Error> {
    let open = behind(&app, &jar).await?;
    reset_page(&app, open.as_ref().map(|(_, account)| account), None)
}

#[derive(Deserialize)]
pub(crate) struct ResetForm {
    new: SecretString,
}

/// `POST /reset`. Ends all sessions of the user and pending sign-ins. Two-factor authentication stays enabled.
pub(crate) async fn submit(
    State(app): State<App>,
    jar: CookieJar,
    Form(form): Form<ResetForm>,
) -> Result<Response, Error> {
    let Some(token) = app.cookies.read(&jar, CookieKind::Reset) else { return reset_page(&app, None, None) };
    let _turn = app.repeats.turn(&token).await;
    if let Some(followed) = app.repeats.find(&token, form.new.expose_secret(), app.clock.now()) {
        return Ok((app.cookies.remove(jar, CookieKind::Reset), Redirect::to(&followed.next)).into_response());
    }
    let Some((hash, account)) = behind(&app, &jar).await? else { return reset_page(&app, None, None) };
    let sent = form.new.clone();
    let about = [
        account.name.reveal().as_str(),
        account.email.as_ref().map_or("", EmailAddress::reveal),
        app.config.clinic.name.as_str(),
    ];
    let password = match app.passwords.hash(form.new, &about).await {
        Ok(hash) => PasswordHash::new(hash),
        Err(error) => return reset_page(&app, Some(&account), Some(fault_of(error)?.detail)),
    };
    let now = app.clock.now();
    let user = account.user;
    let ended = app.store.list_sign_ins(user, now).await?;
    let mut transaction = app.store.begin().await?;
    if transaction.use_password_reset(&hash, now).await?.is_none() {
        return reset_page(&app, None, None);
    }
    transaction.update_password(user, &password).await?;
    transaction.delete_sessions_of(user).await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::PasswordReset).by(user).about(user)).await?;
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::Password).await?;
    transaction.commit().await?;
    app.second_step.forget_all_of(user);
    app.hub.end_sessions(ended.iter()).await;
    app.throttle.forget_codes(user);
    if let Some(email) = &account.email {
        app.throttle.succeeded(email);
    }
    let next = "/sign-in?done=password";
    app.repeats.keep(&token, sent.expose_secret(), Followed { session: None, next: next.to_owned() }, now);
    Ok((app.cookies.remove(jar, CookieKind::Reset), Redirect::to(next)).into_response())
}

/// Returns the reset that this browser has opened, if it is still valid, and its account.
async fn behind(app: &App, jar: &CookieJar) -> Result<Option<(ResetHash, Account)>, Error> {
    let Some(token) = app.cookies.read(jar, CookieKind::Reset) else { return Ok(None) };
    let reset = app.store.get_password_reset(&token.hash().into()).await?;
    let Some(reset) = reset.filter(|reset| app.clock.now() < reset.expires_at) else { return Ok(None) };
    Ok(app.store.get_account_of(reset.user).await?.map(|account| (reset.token_hash, account)))
}

fn forgotten_page(app: &App, email: String, fault: bool, asked: bool) -> Result<Response, Error> {
    if app.mailer.is_none() {
        return Err(Error::NotFound);
    }
    let minutes = GOOD_FOR.as_secs() / 60;
    Ok(render(&ForgottenPage { layout: Layout::new(app), email, fault, asked, minutes })?.into_response())
}

fn reset_page(app: &App, account: Option<&Account>, fault: Option<&'static str>) -> Result<Response, Error> {
    let email =
        account.map(|account| account.email.as_ref().map(|email| email.reveal().to_owned()).unwrap_or_default());
    let page = ResetPage { layout: Layout::new(app), email, by_mail: app.mailer.is_some(), fault };
    Ok(render(&page)?.into_response())
}
