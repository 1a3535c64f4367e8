//! The second factor at sign-in: entering a TOTP code, or setting up TOTP.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Account, AuditEntry, SealedSecret};
use bedside_visit::AuditAction;
use serde::Deserialize;

use crate::app::App;
use crate::auth::{CookieKind, Followed, Identities, Waits};
use crate::http::error::Error;
use crate::http::form::Form;
use crate::mail::{Change, tell};
use crate::pages::account::two_factor::{address_of, is_required, offer_page};
use crate::pages::sign_in::session::{How, own_path, sign_in};
use crate::pages::{Layout, render};
use crate::telemetry::metrics::{Entry, Way};
use crate::text::percent_encode;

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    layout: Layout,
    next: String,
    wrong: bool,
}

/// What is required in addition to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) enum Asked {
    /// A TOTP code.
    Code,
    /// Setting up two-factor authentication, for users who have no second factor yet.
    SetUp,
    /// Signing in with a passkey instead.
    Passkey,
}

/// Returns what is required after a password, or after a sign-in at an OpenID provider that did not include a second
/// factor. `None` if nothing more is required.
pub(in crate::pages) async fn asked(app: &App, account: &Account) -> Result<Option<Asked>, Error> {
    if account.second_step.is_some() {
        return Ok(Some(Asked::Code));
    }
    if !is_required(app, account) {
        return Ok(None);
    }
    // Otherwise an attacker with only the first factor could enrol their own second factor next to the user's
    // passkey.
    let has_passkey = app.passkeys.is_some() && !app.store.list_passkeys(account.user).await?.is_empty();
    Ok(Some(if has_passkey { Asked::Passkey } else { Asked::SetUp }))
}

/// Redirects to the required second factor. The user is unauthenticated until it is verified.
pub(in crate::pages) fn lead(
    app: &App,
    jar: CookieJar,
    account: &Account,
    asked: Asked,
    next: &str,
) -> Result<Response, Error> {
    let (user, now) = (account.user, app.clock.now());
    let next = percent_encode(next, b"/");
    let token = match asked {
        Asked::Code => app.second_step.wait_for(user, now)?,
        Asked::SetUp => app.second_step.wait_to_set_up(user, now)?,
        Asked::Passkey => {
            return Ok((jar, Redirect::to(&format!("/sign-in?done=use-passkey&next={next}"))).into_response());
        }
    };
    let jar = app.cookies.set(jar, CookieKind::Waiting, &token);
    let address = if next == "/" { "/sign-in/code".to_owned() } else { format!("/sign-in/code?next={next}") };
    Ok((jar, Redirect::to(&address)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Back {
    next: Option<String>,
}

/// `GET /sign-in/code`.
pub(crate) async fn show(State(app): State<App>, Query(back): Query<Back>, jar: CookieJar) -> Result<Response, Error> {
    let token = app.cookies.read(&jar, CookieKind::Waiting);
    let Some(waits) = token.and_then(|token| app.second_step.who_waits(&token, app.clock.now())) else {
        return Ok(from_the_beginning());
    };
    match account_of(&app, &waits).await? {
        Some(account) => page(&app, &account, waits.offered, own_path(back.next.as_deref()), false),
        None => Ok(from_the_beginning()),
    }
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    code: String,
    next: Option<String>,
}

/// `POST /sign-in/code`. Each code can be used only once (RFC 6238, section 5.2).
pub(crate) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Form(form): Form<CodeForm>,
) -> Result<Response, Error> {
    let next = own_path(form.next.as_deref());
    let now = app.clock.now();
    let Some(token) = app.cookies.read(&jar, CookieKind::Waiting) else { return Ok(from_the_beginning()) };
    let _turn = app.repeats.turn(&token).await;
    if let Some(followed) = app.repeats.find(&token, &form.code, now) {
        return Ok(follow(&app, jar, followed));
    }
    let Some(waits) = app.second_step.who_waits(&token, now) else { return Ok(from_the_beginning()) };
    let Some(account) = account_of(&app, &waits).await? else { return Ok(from_the_beginning()) };
    if let Err(error) = app.throttle.try_code(account.user, now) {
        app.metrics.sign_in(Way::SecondStep, Entry::Delayed);
        return Err(error);
    }
    app.second_step.tries(&token);
    let right = match &waits.offered {
        None => uses_code(&app, &account, &form.code).await?,
        Some(secret) => sets_up(&app, &account, secret, &form.code).await?,
    };
    if !right {
        app.metrics.sign_in(Way::SecondStep, Entry::Refused);
        if app.throttle.has_just_been_slowed_down(account.user) {
            let mut transaction = app.store.begin().await?;
            tell(&app, &mut *transaction, (account.user, account.email.as_ref()), Change::WrongCodes).await?;
            transaction.commit().await?;
        }
        return page(&app, &account, waits.offered, next, true);
    }
    app.second_step.forget(&token);
    app.throttle.forget_codes(account.user);
    app.metrics.sign_in(Way::SecondStep, Entry::In);
    if let Some(email) = &account.email {
        app.throttle.succeeded(email);
    }
    let jar = sign_in(&app, jar, account.user, &identities, &headers, How::Password).await?;
    let followed = Followed { session: app.cookies.read(&jar, CookieKind::Account), next };
    app.repeats.keep(&token, &form.code, followed.clone(), now);
    Ok(follow(&app, jar, followed))
}

/// Completes sign-in with the session that a correct code started: sets its cookie and redirects.
fn follow(app: &App, jar: CookieJar, followed: Followed) -> Response {
    let jar = app.cookies.remove(jar, CookieKind::Waiting);
    let jar = match &followed.session {
        Some(session) => app.cookies.set(jar, CookieKind::Account, session),
        None => jar,
    };
    (jar, Redirect::to(&followed.next)).into_response()
}

fn from_the_beginning() -> Response {
    Redirect::to("/sign-in").into_response()
}

/// Returns the account that waits for a second factor. `None` if it has been disabled, or if its TOTP enrolment has
/// changed since the first factor was checked.
async fn account_of(app: &App, waits: &Waits) -> Result<Option<Account>, Error> {
    let account = app.store.get_account_of(waits.user).await?;
    let to_set_up = waits.offered.is_some();
    Ok(account.filter(|account| account.disabled_at.is_none() && account.second_step.is_none() == to_set_up))
}

fn page(
    app: &App,
    account: &Account,
    offered: Option<SealedSecret>,
    next: String,
    wrong: bool,
) -> Result<Response, Error> {
    let Some(secret) = offered else {
        return Ok(render(&CodePage { layout: Layout::new(app), next, wrong })?.into_response());
    };
    let offered = app.second_step.offer_again(account.user, secret, address_of(account), &app.config.clinic.name);
    offer_page(app, account, &offered.ok_or(Error::Internal)?, Some(next), wrong)
}

/// Checks a code, and marks it as used if it is correct and was not used before.
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

/// Enrols the secret if the code shows that the authenticator app has it and the user has not enrolled another one in
/// the meantime.
async fn sets_up(app: &App, account: &Account, secret: &SealedSecret, code: &str) -> Result<bool, Error> {
    let (user, now) = (account.user, app.clock.now());
    let mut transaction = app.store.begin().await?;
    let added = match app.second_step.check(user, secret, code, now) {
        Some(step) => {
            transaction.insert_second_step(user, secret).await? && transaction.use_second_step(user, step).await?
        }
        None => false,
    };
    let entry = if added {
        AuditEntry::new(now, AuditAction::SecondStepAdded).by(user).about(user)
    } else {
        AuditEntry::new(now, AuditAction::SecondStepFailed).about(user)
    };
    transaction.append_audit(&entry).await?;
    if added {
        tell(app, &mut *transaction, (user, account.email.as_ref()), Change::SecondStepAdded).await?;
    }
    transaction.commit().await?;
    Ok(added)
}
