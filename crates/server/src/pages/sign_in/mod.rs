//! Signing in and out.

pub(crate) mod code;
pub(crate) mod demo;
pub(crate) mod identity_provider;
pub(crate) mod reset;
mod session;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Account, AuditEntry};
use bedside_visit::{AuditAction, EmailAddress};
use secrecy::SecretString;
use serde::Deserialize;

use crate::app::App;
use crate::auth::{CookieKind, Identities};
use crate::calls::cometchat::revoke_later;
use crate::http::edge::ClientIp;
use crate::http::error::Error;
use crate::http::form::Form;
pub(in crate::pages) use session::{How, own_path, sign_in};

use crate::pages::{Layout, render};
use crate::telemetry::metrics::{Entry, Way};
use crate::text::percent_encode;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    next: String,
    email: String,
    fault: Option<Fault>,
    /// A message about an action that has just been completed or is still needed.
    done: Option<&'static str>,
    /// Whether passwords can be reset by mail.
    by_mail: bool,
    /// Whether passkeys are available.
    passkeys: bool,
    /// The name of the OpenID provider and the address that starts a sign-in there.
    provider: Option<(String, String)>,
    /// Where to sign out at the OpenID provider, shown after signing out here.
    sign_out_there: Option<String>,
}

struct Fault {
    title: &'static str,
    detail: &'static str,
    field: Option<&'static str>,
}

impl SignInPage {
    fn faulty(&self, field: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.field == Some(field))
    }

    fn fault_detail(&self) -> &'static str {
        self.fault.as_ref().map_or("", |fault| fault.detail)
    }
}

#[derive(Deserialize)]
pub(crate) struct Back {
    next: Option<String>,
    done: Option<String>,
}

/// `GET /sign-in`.
pub(crate) async fn show(
    State(app): State<App>,
    Query(back): Query<Back>,
    identities: Identities,
) -> Result<Response, Error> {
    let next = own_path(back.next.as_deref());
    if identities.account.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let done = match back.done.as_deref() {
        Some("password") => Some("Your password has changed. Sign in with the new one."),
        Some("signed-out") => Some("You are signed out."),
        Some("use-passkey") => Some(
            "This clinic asks for more than a password. Sign in with your passkey. If you have lost it, contact the \
             clinic.",
        ),
        Some(_) | None => None,
    };
    let mut shown = page_of(&app, next, String::new(), None, done);
    if let Some(provider) = app.idp.as_ref().filter(|_| back.done.as_deref() == Some("signed-out")) {
        let here = format!("{}/sign-in", app.config.server.public_url);
        shown.sign_out_there = provider.sign_out_address(&here, app.clock.now()).await;
    }
    Ok(render(&shown)?.into_response())
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    email: String,
    password: SecretString,
    next: Option<String>,
}

/// `POST /sign-in`. An unknown address and a wrong password give the same response in the same time.
pub(crate) async fn submit(
    State(app): State<App>,
    ClientIp(address): ClientIp,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Error> {
    let next = own_path(credentials.next.as_deref());
    let Ok(email) = credentials.email.parse::<EmailAddress>() else {
        return Ok(again(
            &app,
            next,
            credentials.email,
            Fault {
                title: "Check the e-mail address",
                detail: "Write it like name@example.org.",
                field: Some("email"),
            },
        )?
        .into_response());
    };
    app.throttle
        .attempt(&email, address, app.clock.now())
        .inspect_err(|_| app.metrics.sign_in(Way::Password, Entry::Delayed))?;
    match check(&app, &email, credentials.password).await? {
        Some(account) => {
            if let Some(asked) = code::asked(&app, &account).await? {
                // The failed attempts are not reset yet; otherwise an attacker who has the password could try an
                // unlimited number of codes.
                return code::lead(&app, jar, &account, asked, &next);
            }
            app.throttle.succeeded(&email);
            let jar = sign_in(&app, jar, account.user, &identities, &headers, How::Password).await?;
            Ok((jar, Redirect::to(&next)).into_response())
        }
        None => Ok(again(
            &app,
            next,
            email.reveal().to_owned(),
            Fault {
                title: "Sign-in failed",
                detail: "The e-mail address or the password is wrong. Check both and try again.",
                field: Some("password"),
            },
        )?
        .into_response()),
    }
}

/// `POST /sign-out`: ends all sessions of this browser and closes its open pages.
pub(crate) async fn sign_out(
    State(app): State<App>,
    jar: CookieJar,
    identities: Identities,
) -> Result<Response, Error> {
    for identity in identities.iter() {
        let mut transaction = app.store.begin().await?;
        transaction.delete_session(&identity.session).await?;
        let user = identity.principal.user;
        let entry = AuditEntry::new(app.clock.now(), AuditAction::SignedOut).by(user).about(user);
        transaction.append_audit(&entry).await?;
        if app.cometchat.is_some() {
            revoke_later(&mut *transaction, user, app.clock.now()).await?;
        }
        transaction.commit().await?;
        app.hub.end_session(identity.session).await;
    }
    let jar = app.cookies.remove_links(app.cookies.remove(jar, CookieKind::Account));
    if identities.account.is_none() {
        return Ok((jar, Redirect::to("/ended")).into_response());
    }
    // Otherwise the OpenID provider would sign the next user of this computer in to the same account without asking.
    let jar = if app.idp.is_some() { app.cookies.note_signed_out(jar) } else { jar };
    Ok((jar, Redirect::to("/sign-in?done=signed-out")).into_response())
}

/// Returns the account if the password is correct.
async fn check(app: &App, email: &EmailAddress, password: SecretString) -> Result<Option<Account>, Error> {
    let account = app.store.get_account(email).await?;
    let known = account.as_ref().map(|account| account.user);
    let open = account.filter(|account| account.disabled_at.is_none());
    let hash = open.as_ref().and_then(|account| account.password_hash.as_ref()).map(|hash| hash.reveal().to_owned());
    if app.passwords.verify(password, hash).await? {
        return Ok(open);
    }
    app.metrics.sign_in(Way::Password, Entry::Refused);
    let entry = AuditEntry::new(app.clock.now(), AuditAction::SignInFailed);
    app.refusals.append(&*app.store, known.map_or(entry, |user| entry.about(user))).await?;
    Ok(None)
}

fn again(app: &App, next: String, email: String, fault: Fault) -> Result<Html<String>, Error> {
    page(app, next, email, Some(fault), None)
}

fn page(
    app: &App,
    next: String,
    email: String,
    fault: Option<Fault>,
    done: Option<&'static str>,
) -> Result<Html<String>, Error> {
    render(&page_of(app, next, email, fault, done))
}

fn page_of(app: &App, next: String, email: String, fault: Option<Fault>, done: Option<&'static str>) -> SignInPage {
    let by_mail = app.mailer.is_some();
    let provider = app.idp.as_ref().map(|provider| {
        (provider.label().to_owned(), format!("/sign-in/provider?next={}", percent_encode(&next, b"/")))
    });
    let passkeys = app.passkeys.is_some();
    let sign_out_there = None;
    SignInPage { layout: Layout::new(app), next, email, fault, done, by_mail, passkeys, provider, sign_out_there }
}
