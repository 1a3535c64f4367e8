//! Enabling and disabling two-factor authentication (TOTP).

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_store::{Account, AuditEntry, SealedSecret};
use bedside_visit::{AuditAction, EmailAddress, UserId};
use secrecy::SecretString;
use serde::Deserialize;

use crate::app::App;
use crate::auth::{Identities, Offered};
use crate::config::SecondFactor;
use crate::http::error::Error;
use crate::http::form::Form;
use crate::mail::{Change, tell};
use crate::pages::qr::qr_picture;
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "second_step.html")]
struct OfferPage<'a> {
    layout: Layout,
    typed: &'a str,
    /// Where to continue after signing in, if the user enrols during sign-in. In that case they have already passed
    /// the first factor, and the server keeps the secret.
    next: Option<String>,
    /// The encrypted secret, for the form of a signed-in user.
    sealed: String,
    /// The QR code, as a `data:` URL.
    picture: String,
    wrong: bool,
}

/// Returns whether this user must have two-factor authentication or a passkey.
pub(in crate::pages) fn is_required(app: &App, account: &Account) -> bool {
    match app.config.sign_in.second_factor {
        SecondFactor::Offered => false,
        SecondFactor::Required => account.works_here,
    }
}

/// `GET /account/second-step`: offers a new secret for an authenticator app. It is not saved until it is confirmed.
pub(crate) async fn offer(State(app): State<App>, identities: Identities) -> Result<Response, Error> {
    let user = identities.signed_in()?.principal.user;
    let account = app.store.get_account_of(user).await?.ok_or(Error::NotSignedIn)?;
    let offered = app.second_step.offer(user, address_of(&account), &app.config.clinic.name)?;
    offer_page(&app, &account, &offered, None, false)
}

pub(in crate::pages) fn offer_page(
    app: &App,
    account: &Account,
    offered: &Offered,
    next: Option<String>,
    wrong: bool,
) -> Result<Response, Error> {
    let layout = Layout::new(app);
    let page = OfferPage {
        layout: if next.is_none() { layout.signed_in(account.name.reveal()) } else { layout },
        picture: qr_picture(&offered.address)?,
        typed: &offered.typed,
        next,
        sealed: URL_SAFE_NO_PAD.encode(&offered.sealed.0),
        wrong,
    };
    Ok(render(&page)?.into_response())
}

pub(in crate::pages) fn address_of(account: &Account) -> &str {
    account.email.as_ref().map_or("", EmailAddress::reveal)
}

const START_AGAIN: &str = "Open your account again, and start two-factor authentication from there.";

#[derive(Deserialize)]
pub(crate) struct AddForm {
    sealed: String,
    code: String,
    current: SecretString,
}

/// `POST /account/second-step`. The code proves that the app has the secret, and the password proves the user's
/// identity.
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
        return offer_page(&app, &account, &again.ok_or(Error::BadRequest(START_AGAIN))?, None, true);
    };
    let mut transaction = app.store.begin().await?;
    transaction.update_second_step(user, Some(&secret)).await?;
    transaction.use_second_step(user, step).await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::SecondStepAdded).by(user).about(user)).await?;
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::SecondStepAdded).await?;
    transaction.commit().await?;
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
    if is_required(&app, &account) {
        return Err(Error::SecondStepRequired);
    }
    let mut transaction = app.store.begin().await?;
    transaction.update_second_step(user, None).await?;
    transaction
        .append_audit(&AuditEntry::new(app.clock.now(), AuditAction::SecondStepRemoved).by(user).about(user))
        .await?;
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::SecondStepRemoved).await?;
    transaction.commit().await?;
    Ok(Redirect::to("/account?done=second-step-removed").into_response())
}

/// Asks for the password again before sign-in methods are changed.
pub(in crate::pages) async fn confirm(app: &App, user: UserId, password: SecretString) -> Result<Account, Error> {
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
