//! The account page: password, two-factor authentication, passkeys, OpenID link and signed-in devices.

pub(crate) mod passkeys;
pub(crate) mod two_factor;

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Account, AuditEntry, PasskeyRecord, PasswordHash, SessionHash};
use bedside_visit::{AuditAction, EmailAddress};
use secrecy::SecretString;
use serde::Deserialize;

use crate::app::App;
use crate::auth::{Identities, Identity, PasswordError};
use crate::http::error::Error;
use crate::http::form::Form;
use crate::mail::{Change, tell};
use crate::pages::sign_in::{How, sign_in};
use crate::pages::{Layout, render};
use crate::text::{day_and_time, rfc3339};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    sign_ins: Vec<SignIn>,
    second_step: bool,
    /// Whether two-factor authentication is mandatory for this user, so that they cannot turn it off.
    second_step_required: bool,
    /// Whether the user has a password to confirm changes to sign-in methods with.
    password: bool,
    /// The name of the OpenID provider, and whether the account is linked to it.
    provider: Option<(String, bool)>,
    /// `None` if this server does not support passkeys.
    passkeys: Option<Vec<Passkey>>,
    /// The suggested name for a passkey created in this browser.
    device: String,
    zone: String,
    done: Option<&'static str>,
    fault: Option<Fault>,
}

struct SignIn {
    /// Identifies the session in a form. Gives no access.
    handle: String,
    device: String,
    here: bool,
    used: String,
    used_time: String,
}

struct Passkey {
    /// Identifies the passkey in a form.
    handle: String,
    name: String,
    added: String,
    added_time: String,
    used: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) struct Fault {
    field: &'static str,
    pub(in crate::pages) detail: &'static str,
}

impl AccountPage {
    fn fault_of(&self, field: &str) -> Option<&'static str> {
        self.fault.filter(|fault| fault.field == field).map(|fault| fault.detail)
    }

    fn elsewhere(&self) -> bool {
        self.sign_ins.len() > 1
    }
}

#[derive(Deserialize)]
pub(crate) struct Said {
    done: Option<String>,
}

/// `GET /account`.
pub(crate) async fn show(
    State(app): State<App>,
    Query(said): Query<Said>,
    identities: Identities,
) -> Result<Response, Error> {
    let identity = identities.signed_in()?;
    let done = match said.done.as_deref() {
        Some("password") => Some("Your password has changed. You are signed out on all other devices."),
        Some("sign-ins") => Some("Done. That device is signed out."),
        Some("second-step") => {
            Some("Two-factor authentication is on. From now on you type a code after your password.")
        }
        Some("passkey") => Some("Your passkey is ready. Next time, you can sign in with it alone."),
        Some("passkey-removed") => Some("The passkey is removed. You are signed out on all other devices."),
        Some("provider") => Some("The two accounts are connected. You can sign in with either."),
        Some("provider-removed") => Some("The two accounts are no longer connected."),
        Some("second-step-removed") => Some("Two-factor authentication is off. You sign in with your password alone."),
        Some(_) | None => None,
    };
    page(&app, &identity, done, None).await
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    current: SecretString,
    new: SecretString,
}

/// `POST /account/password`. Ends all other sessions of the user and replaces the secret of this one.
pub(crate) async fn change_password(
    State(app): State<App>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Form(form): Form<PasswordForm>,
) -> Result<Response, Error> {
    let identity = identities.signed_in()?;
    let user = identity.principal.user;
    app.throttle.confirm(user)?;
    let account = app.store.get_account_of(user).await?.ok_or(Error::NotSignedIn)?;
    if !is_right(&app, &account, form.current).await? {
        let mut transaction = app.store.begin().await?;
        let entry = AuditEntry::new(app.clock.now(), AuditAction::PasswordChangeFailed).by(user).about(user);
        transaction.append_audit(&entry).await?;
        transaction.commit().await?;
        let fault = Fault { field: "current", detail: "This is not your password. Try again." };
        return page(&app, &identity, None, Some(fault)).await;
    }
    let about = [
        account.name.reveal().as_str(),
        account.email.as_ref().map_or("", EmailAddress::reveal),
        app.config.clinic.name.as_str(),
    ];
    let hash = match app.passwords.hash(form.new, &about).await {
        Ok(hash) => PasswordHash::new(hash),
        Err(error) => return page(&app, &identity, None, Some(fault_of(error)?)).await,
    };
    let now = app.clock.now();
    let ended = app.store.list_sign_ins(user, now).await?;
    let mut transaction = app.store.begin().await?;
    transaction.update_password(user, &hash).await?;
    transaction.delete_sessions_of(user).await?;
    transaction.delete_password_resets_of(user).await?;
    transaction.append_audit(&AuditEntry::new(now, AuditAction::PasswordChanged).by(user).about(user)).await?;
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::Password).await?;
    transaction.commit().await?;
    app.second_step.forget_all_of(user);
    app.hub.end_sessions(ended.iter().filter(|other| other.token_hash != identity.session)).await;
    let jar = sign_in(&app, jar, user, &identities, &headers, How::Password).await?;
    Ok((jar, Redirect::to("/account?done=password")).into_response())
}

#[derive(Deserialize)]
pub(crate) struct SignInsForm {
    /// The handle of a session, or `others` for all sessions except this one.
    which: String,
}

/// `POST /account/sign-ins`: ends sessions of the user and closes their open pages.
pub(crate) async fn end_sign_ins(
    State(app): State<App>,
    identities: Identities,
    Form(form): Form<SignInsForm>,
) -> Result<Response, Error> {
    let identity = identities.signed_in()?;
    let user = identity.principal.user;
    let now = app.clock.now();
    let mut ended = app.store.list_sign_ins(user, now).await?;
    ended.retain(|one| {
        one.token_hash != identity.session && (form.which == "others" || form.which == handle(&one.token_hash))
    });
    let mut transaction = app.store.begin().await?;
    for one in &ended {
        if transaction.delete_session(&one.token_hash).await?.is_some() {
            transaction.append_audit(&AuditEntry::new(now, AuditAction::SessionEnded).by(user).about(user)).await?;
        }
    }
    transaction.commit().await?;
    app.hub.end_sessions(ended.iter()).await;
    Ok(Redirect::to("/account?done=sign-ins").into_response())
}

async fn is_right(app: &App, account: &Account, password: SecretString) -> Result<bool, Error> {
    let hash = account.password_hash.as_ref().map(|hash| hash.reveal().to_owned());
    Ok(app.passwords.verify(password, hash).await?)
}

/// Returns the message for a rejected password, or the server error.
pub(in crate::pages) fn fault_of(error: PasswordError) -> Result<Fault, Error> {
    let detail = match error {
        PasswordError::TooShort => "Use at least 15 characters. A few words are easier to remember than symbols.",
        PasswordError::TooLong => "That is too long. Use up to 1,000 characters.",
        PasswordError::TooEasy => "That is easy to guess. Use four or more unrelated words.",
        PasswordError::Busy | PasswordError::Failed(_) => return Err(error.into()),
    };
    Ok(Fault { field: "new", detail })
}

async fn page(
    app: &App,
    identity: &Identity,
    done: Option<&'static str>,
    fault: Option<Fault>,
) -> Result<Response, Error> {
    let user = identity.principal.user;
    let account = app.store.get_account_of(user).await?.ok_or(Error::NotSignedIn)?;
    let sign_ins = app.store.list_sign_ins(user, app.clock.now()).await?;
    let listed = sign_ins.iter().map(|one| SignIn {
        handle: handle(&one.token_hash),
        here: one.token_hash == identity.session,
        used: rfc3339(one.last_seen_at),
        used_time: day_and_time(one.last_seen_at, &app.zone),
        device: one.device.clone().unwrap_or_else(|| "A browser".to_owned()),
    });
    let provider = match &app.idp {
        Some(provider) => {
            let link = app.store.get_provider_link_of(user, provider.issuer()).await?;
            Some((provider.label().to_owned(), link.is_some()))
        }
        None => None,
    };
    let passkeys = match &app.passkeys {
        Some(_) => Some(app.store.list_passkeys(user).await?.into_iter().map(|one| shown(app, &one)).collect()),
        None => None,
    };
    let here = sign_ins.iter().find(|one| one.token_hash == identity.session);
    let device = here.and_then(|one| one.device.clone()).unwrap_or_default();
    let page = AccountPage {
        layout: Layout::new(app).signed_in(account.name.reveal()),
        email: account.email.as_ref().map(|email| email.reveal().to_owned()).unwrap_or_default(),
        sign_ins: listed.collect(),
        second_step: account.second_step.is_some(),
        second_step_required: two_factor::is_required(app, &account),
        password: account.password_hash.is_some(),
        provider,
        passkeys,
        device,
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        done,
        fault,
    };
    Ok(render(&page)?.into_response())
}

fn shown(app: &App, passkey: &PasskeyRecord) -> Passkey {
    Passkey {
        handle: passkeys::handle(&passkey.credential_id),
        name: passkey.name.reveal().clone(),
        added: rfc3339(passkey.created_at),
        added_time: day_and_time(passkey.created_at, &app.zone),
        used: passkey.used_at.map(|at| (rfc3339(at), day_and_time(at, &app.zone))),
    }
}

/// Returns the first 8 bytes of a session hash in hexadecimal, which is enough to tell a user's sessions apart.
fn handle(hash: &SessionHash) -> String {
    hash.as_bytes().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
