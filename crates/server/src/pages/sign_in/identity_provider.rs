//! Sign-in with an OpenID provider, and linking accounts to it.
//!
//! Accounts are matched by (issuer, subject), which are never reassigned; an e-mail address may be. First-time
//! linking follows these rules:
//!
//! * A signed-in user who re-enters their password links the current account, whatever e-mail address they have at
//!   the provider.
//! * Otherwise the provider must have verified the e-mail address, and it must belong to an enabled account without
//!   any sign-in method of its own: no password, two-factor authentication or passkey, and no other subject of this
//!   provider.
//! * Unknown users are rejected: the clinic has to add them first.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Account, AuditEntry, ProviderLink, StoreError};
use bedside_visit::{AuditAction, UserId};
use secrecy::SecretString;
use serde::Deserialize;

use crate::app::App;
use crate::auth::idp::{Answer, IdentityProvider, Leaving, OidcError, Purpose, Said};
use crate::auth::{CookieKind, Identities, Kind};
use crate::http::edge::ClientIp;
use crate::http::error::Error;
use crate::http::form::Form;
use crate::mail::{Change, tell};
use crate::pages::account::two_factor::confirm;
use crate::pages::sign_in::code;
use crate::pages::sign_in::{How, own_path, sign_in};
use crate::pages::{Layout, render};
use crate::telemetry::metrics::{Entry, Way};

#[derive(Template)]
#[template(path = "provider.html")]
struct GoOnPage<'a> {
    layout: Layout,
    label: &'a str,
    address: String,
}

fn provider(app: &App) -> Result<&IdentityProvider, Error> {
    app.idp.as_ref().ok_or(Error::NotFound)
}

#[derive(Deserialize)]
pub(crate) struct Back {
    next: Option<String>,
}

/// `GET /sign-in/provider`. A link instead of a form, because the `form-action` policy restricts forms to this
/// origin.
pub(crate) async fn go(
    State(app): State<App>,
    ClientIp(from): ClientIp,
    Query(back): Query<Back>,
    jar: CookieJar,
) -> Result<Response, Error> {
    let provider = provider(&app)?;
    app.throttle
        .come(Kind::IdentityProvider, from)
        .inspect_err(|_| app.metrics.sign_in(Way::IdentityProvider, Entry::Delayed))?;
    let leaving = Leaving {
        purpose: Purpose::SignIn(own_path(back.next.as_deref())),
        browser: app.cookies.read(&jar, CookieKind::IdentityProvider),
        choose_account: app.cookies.has_signed_out(&jar),
    };
    let (address, token) = provider.begin(leaving, app.clock.now()).await?;
    Ok((app.cookies.set(jar, CookieKind::IdentityProvider, &token), Redirect::to(&address)).into_response())
}

/// `GET /sign-in/provider/back`. Works once, in the browser that started the sign-in.
pub(crate) async fn back(
    State(app): State<App>,
    ClientIp(from): ClientIp,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
    Query(answer): Query<Answer>,
) -> Result<Response, Error> {
    let provider = provider(&app)?;
    let now = app.clock.now();
    let browser = app.cookies.read(&jar, CookieKind::IdentityProvider);
    let Some(begun) = browser.and_then(|browser| provider.take(&browser, &answer, now)) else {
        // The response was repeated, by a reload or in another tab, or it is too late. Users who are already signed
        // in continue.
        return if identities.account.is_some() { Ok(Redirect::to("/").into_response()) } else { Err(Error::NotLetIn) };
    };
    let purpose = begun.purpose.clone();
    let said = match provider.finish(begun, answer, now).await {
        Ok(said) => said,
        Err(OidcError::IdentityProvider) => return Err(Error::IdentityProvider),
        Err(OidcError::Refused(code)) => {
            refuse(&app, None, code).await?;
            return Err(Error::NotLetIn);
        }
    };
    match purpose {
        Purpose::SignIn(next) => enter(&app, from, headers, jar, &identities, &said, &next).await,
        Purpose::Connect(user, session) => {
            let here = identities.account.is_some_and(|it| it.principal.user == user && it.session == session);
            if !here {
                return Err(Error::NotLetIn);
            }
            connect(&app, user, &said).await?;
            Ok((jar, Redirect::to("/account?done=provider")).into_response())
        }
    }
}

async fn enter(
    app: &App,
    from: IpAddr,
    headers: HeaderMap,
    jar: CookieJar,
    identities: &Identities,
    said: &Said,
    next: &str,
) -> Result<Response, Error> {
    let account = match app.store.get_provider_link(&said.issuer, &said.subject).await? {
        Some(link) => app.store.get_account_of(link.user).await?,
        None => first_time(app, said).await?,
    };
    let known = account.as_ref().map(|account| account.user);
    let Some(account) = account.filter(|account| account.disabled_at.is_none()) else {
        refuse(app, known, "account").await?;
        return Err(Error::NotConnected);
    };
    if !said.second_step
        && let Some(asked) = code::asked(app, &account).await?
    {
        // Otherwise an attacker who controls the account at the provider could try an unlimited number of codes.
        if let Some(email) = &account.email {
            app.throttle.attempt(email, from, app.clock.now())?;
        }
        return code::lead(app, jar, &account, asked, next);
    }
    if identities.account.is_some_and(|here| here.principal.user == account.user) {
        return Ok(Redirect::to(next).into_response());
    }
    let jar = sign_in(app, jar, account.user, identities, &headers, How::IdentityProvider).await?;
    Ok((jar, Redirect::to(next)).into_response())
}

/// Finds an account that may be linked without signing in first, and links it.
async fn first_time(app: &App, said: &Said) -> Result<Option<Account>, Error> {
    let Some(email) = &said.email else { return Ok(None) };
    let Some(account) = app.store.get_account(email).await? else { return Ok(None) };
    let own_way = account.password_hash.is_some()
        || account.second_step.is_some()
        || !app.store.list_passkeys(account.user).await?.is_empty()
        || app.store.get_provider_link_of(account.user, &said.issuer).await?.is_some();
    if own_way || account.disabled_at.is_some() {
        return Ok(None);
    }
    connect(app, account.user, said).await?;
    Ok(Some(account))
}

async fn connect(app: &App, user: UserId, said: &Said) -> Result<(), Error> {
    let now = app.clock.now();
    let link = ProviderLink { issuer: said.issuer.clone(), subject: said.subject.clone(), user, created_at: now };
    let mut transaction = app.store.begin().await?;
    match transaction.insert_provider_link(&link).await {
        Ok(()) => {}
        // This identity is linked to another account, or its subject is not acceptable.
        Err(StoreError::Conflict(_) | StoreError::Invalid { .. }) => return Err(Error::NotConnected),
        Err(error) => return Err(error.into()),
    }
    transaction.append_audit(&AuditEntry::new(now, AuditAction::ProviderLinked).by(user).about(user)).await?;
    let account = app.store.get_account_of(user).await?;
    let email = account.and_then(|account| account.email);
    tell(app, &mut *transaction, (user, email.as_ref()), Change::ProviderLinked).await?;
    Ok(transaction.commit().await?)
}

async fn refuse(app: &App, user: Option<UserId>, code: &'static str) -> Result<(), Error> {
    app.metrics.sign_in(Way::IdentityProvider, Entry::Refused);
    let entry = AuditEntry::new(app.clock.now(), AuditAction::ProviderRefused).with_detail(code);
    Ok(app.refusals.append(&*app.store, user.map_or(entry, |user| entry.about(user))).await?)
}

#[derive(Deserialize)]
pub(crate) struct ConfirmForm {
    current: SecretString,
}

/// `POST /account/provider`: checks the password, then shows a page with the link to the provider.
pub(crate) async fn go_to_connect(
    State(app): State<App>,
    jar: CookieJar,
    identities: Identities,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, Error> {
    let provider = provider(&app)?;
    let identity = identities.signed_in()?;
    let account = confirm(&app, identity.principal.user, form.current).await?;
    let leaving = Leaving {
        purpose: Purpose::Connect(account.user, identity.session),
        browser: app.cookies.read(&jar, CookieKind::IdentityProvider),
        choose_account: false,
    };
    let (address, token) = provider.begin(leaving, app.clock.now()).await?;
    let layout = Layout::new(&app).signed_in(account.name.reveal());
    let page = render(&GoOnPage { layout, label: provider.label(), address })?;
    Ok((app.cookies.set(jar, CookieKind::IdentityProvider, &token), page).into_response())
}

/// `POST /account/provider/remove`.
pub(crate) async fn disconnect(
    State(app): State<App>,
    identities: Identities,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, Error> {
    let provider = provider(&app)?;
    let user = identities.signed_in()?.principal.user;
    let account = confirm(&app, user, form.current).await?;
    let mut transaction = app.store.begin().await?;
    if transaction.delete_provider_link(user, provider.issuer()).await? {
        let entry = AuditEntry::new(app.clock.now(), AuditAction::ProviderUnlinked).by(user).about(user);
        transaction.append_audit(&entry).await?;
    }
    tell(&app, &mut *transaction, (user, account.email.as_ref()), Change::ProviderUnlinked).await?;
    transaction.commit().await?;
    app.second_step.forget_all_of(user);
    Ok(Redirect::to("/account?done=provider-removed").into_response())
}
