//! Patient links and other invites. Opening a link only shows the visit; "Join visit" uses the link. Mail scanners
//! that open every link therefore do not use any up.
//!
//! Opening a link also sets a cookie, and "Join visit" binds the link to that cookie. A browser that rejects cookies
//! cannot use up a link, and repeated requests of the same browser (a second click, a reload, a lost response) are
//! recognised.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{Actor, AdmissionRecord, AuditEntry, Conflict, Invite, SessionHash, SessionRecord, StoreError};
use bedside_visit::permission::{Action, Denial, Principal, Scope, decide};
use bedside_visit::{Appointment, AuditAction, Timestamp, UserId};
use serde::Deserialize;

use crate::app::App;
use crate::audit::access_log::note_link_opened;
use crate::auth::{Identities, SecretToken, device_of, is_join_token, read_join_token};
use crate::clinic::device_requests;
use crate::http::error::{Error, denied};
use crate::pages::visit::in_app_browser::Elsewhere;
use crate::pages::{Layout, call_path, render};
use crate::telemetry::metrics::{Entry, Way};
use crate::text::{day_and_time, rfc3339};

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    layout: Layout,
    /// The name of the user that the link is for.
    you: String,
    /// The name of the person that they meet.
    other: String,
    specialty: Option<String>,
    kind: String,
    minutes: u64,
    start: String,
    when: String,
    zone: String,
    opens: Option<String>,
    opens_at: String,
    /// Set if the page is shown in an in-app browser.
    elsewhere: Option<Elsewhere>,
    /// Whether the browser failed to return the cookie that it was given.
    no_cookies: bool,
    /// The call script. Only browsers that can run it are able to join.
    call_script: String,
}

/// The query of the redirect for browsers without the link's cookie, back to the same page, which sets it.
#[derive(Deserialize)]
pub(crate) struct Opened {
    /// Whether the user pressed "Join visit" without having the cookie.
    #[serde(default)]
    again: bool,
}

/// `GET /v/{token}`.
pub(crate) async fn show(
    State(app): State<App>,
    Path(token): Path<String>,
    Query(opened): Query<Opened>,
    identities: Identities,
    jar: CookieJar,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Link { invite, appointment, .. } = find(&app, &token).await?;
    let opens = match may_join(&app, &invite, &appointment) {
        Ok(()) => None,
        Err(Denial::TooEarly { opens }) => Some(opens),
        Err(denial) => return Err(denied(denial, appointment.id)),
    };
    if invite.used.is_some() && !is_bound(&invite, &identities) {
        return elsewhere_used(&app, jar, &invite, &appointment).await;
    }
    if was_admitted(&app, &jar, &invite).await? {
        let call = call_path(invite.role, appointment.id, invite.user);
        return Ok(Redirect::to(&call).into_response());
    }
    note_link_opened(&app, &invite, &appointment).await?;
    let holds = app.cookies.read_link(&jar, &invite.token_hash).is_some();
    let elsewhere = Elsewhere::of(&headers, &format!("{}/v/{token}", app.config.server.public_url));
    let mut shown = page(&app, &invite, &appointment, opens, elsewhere)?;
    shown.no_cookies = opened.again && !holds && !is_bound(&invite, &identities);
    // No cookie is needed before the visit can be joined.
    let jar = if holds || opens.is_some() { jar } else { give_cookie(&app, jar, &invite, &appointment)? };
    Ok((jar, render(&shown)?).into_response())
}

/// `POST /v/{token}`: "Join visit".
pub(crate) async fn join(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
) -> Result<Response, Error> {
    let Link { invite, appointment, signed_by } = find(&app, &token).await?;
    may_join(&app, &invite, &appointment).map_err(|denial| denied(denial, appointment.id))?;
    let next = Redirect::to(&call_path(invite.role, appointment.id, invite.user));
    if is_bound(&invite, &identities) {
        return Ok(next.into_response());
    }
    if invite.used.is_some() && invite.expires_at <= app.clock.now() {
        return Err(Error::LinkUsed);
    }
    let here = format!("/v/{token}");
    let Some(proof) = app.cookies.read_link(&jar, &invite.token_hash) else {
        let jar = give_cookie(&app, jar, &invite, &appointment)?;
        return Ok((jar, Redirect::to(&format!("{here}?again=true"))).into_response());
    };
    let here = Redirect::to(&here);
    if invite.used.is_some_and(|(_, session)| session != session_of(&proof)) {
        return ask_to_come_in(&app, jar, &invite, &appointment, proof, &headers)
            .await
            .map(|jar| (jar, here).into_response());
    }
    match consume(&app, &invite, &appointment, signed_by, &proof, &headers).await? {
        Consumed::Here => Ok(next.into_response()),
        // The page it redirects to reports this and sets another cookie.
        Consumed::Elsewhere => Ok(here.into_response()),
        Consumed::StaleProof => Ok((give_cookie(&app, jar, &invite, &appointment)?, here).into_response()),
    }
}

/// Sets a new cookie for a link. It gives no access until the link is bound to it.
fn give_cookie(app: &App, jar: CookieJar, invite: &Invite, appointment: &Appointment) -> Result<CookieJar, Error> {
    let lasts = appointment.closes(&app.rules).since(app.clock.now());
    Ok(app.cookies.set_link(jar, &invite.token_hash, &SecretToken::draw()?, lasts))
}

/// Returns the session hash that a browser with this cookie has once the link is bound to it.
fn session_of(proof: &SecretToken) -> SessionHash {
    proof.hash().into()
}

/// Creates a device request: asks for permission to join with a link that another device has used.
async fn ask_to_come_in(
    app: &App,
    jar: CookieJar,
    invite: &Invite,
    appointment: &Appointment,
    proof: SecretToken,
    headers: &HeaderMap,
) -> Result<CookieJar, Error> {
    let asked = wish(app, &jar, invite).await?;
    if asked.as_ref().is_some_and(|asked| waits(app, asked)) {
        return Ok(jar);
    }
    app.metrics.sign_in(Way::Link, Entry::Refused);
    // Each request needs its own secret.
    let proof = if asked.is_some() { SecretToken::draw()? } else { proof };
    device_requests::ask(app, invite, session_of(&proof), headers).await?;
    let lasts = appointment.closes(&app.rules).since(app.clock.now());
    Ok(app.cookies.set_link(jar, &invite.token_hash, &proof, lasts))
}

#[derive(Template)]
#[template(path = "admission.html")]
struct AdmissionPage {
    layout: Layout,
    /// Whether this device has a pending request.
    waits: bool,
}

/// Shows the page for a used link opened on another device. It does not reveal whose link it is.
async fn elsewhere_used(
    app: &App,
    jar: CookieJar,
    invite: &Invite,
    appointment: &Appointment,
) -> Result<Response, Error> {
    if invite.expires_at <= app.clock.now() {
        return Err(Error::LinkUsed);
    }
    let waits = match wish(app, &jar, invite).await? {
        Some(asked) if asked.answered.is_some() => return Err(Error::LinkUsed),
        Some(asked) => waits(app, &asked),
        None => false,
    };
    let page = render(&AdmissionPage { layout: Layout::new(app), waits })?;
    // A cookie without a pending request is replaced, so that it gives no access later.
    let jar = if waits { jar } else { give_cookie(app, jar, invite, appointment)? };
    Ok((jar, page).into_response())
}

/// Returns whether a device request is still pending.
fn waits(app: &App, asked: &AdmissionRecord) -> bool {
    asked.answered.is_none() && app.clock.now() < asked.asked_at + device_requests::DEVICE_REQUEST_EXPIRES
}

async fn was_admitted(app: &App, jar: &CookieJar, invite: &Invite) -> Result<bool, Error> {
    let asked = wish(app, jar, invite).await?;
    Ok(asked.and_then(|asked| asked.answered).is_some_and(|(_, admitted)| admitted))
}

/// Returns this browser's device request for a used link.
async fn wish(app: &App, jar: &CookieJar, invite: &Invite) -> Result<Option<AdmissionRecord>, Error> {
    let Some(proof) = app.cookies.read_link(jar, &invite.token_hash) else { return Ok(None) };
    let asked = app.store.get_admission_of_session(&proof.hash().into()).await?;
    Ok(asked.filter(|asked| asked.invite == invite.token_hash))
}

/// What a link token resolves to.
struct Link {
    invite: Invite,
    appointment: Appointment,
    /// The integrator that signed the join token. `None` for links created by Bedside.
    signed_by: Option<UserId>,
}

async fn find(app: &App, token: &str) -> Result<Link, Error> {
    if is_join_token(token) {
        let (invite, appointment, program) = read_join_token(app, token).await?;
        return Ok(Link { invite, appointment, signed_by: Some(program) });
    }
    let token = SecretToken::parse(token).ok_or(Error::NotFound)?;
    let invite = app.store.get_invite(&token.hash().into()).await?.ok_or(Error::NotFound)?;
    let guarded = app.store.get_appointment(invite.appointment).await?.ok_or(Error::NotFound)?;
    let appointment = guarded.open_by_link(invite.appointment).map_err(|denial| denied(denial, invite.appointment))?;
    Ok(Link { invite, appointment, signed_by: None })
}

/// Checks whether the holder of the link could join now.
fn may_join(app: &App, invite: &Invite, appointment: &Appointment) -> Result<(), Denial> {
    let principal = Principal { user: invite.user, scope: Scope::Invite(appointment.id, invite.role) };
    decide(&principal, Action::Join, appointment, &app.rules, app.clock.now()).map(|_| ())
}

/// Returns whether the link is bound to this browser.
fn is_bound(invite: &Invite, identities: &Identities) -> bool {
    invite.used.is_some_and(|(_, session)| identities.links.iter().any(|identity| identity.session == session))
}

/// The result of binding a link.
enum Consumed {
    /// The link is bound to this browser.
    Here,
    /// Another browser bound the link first.
    Elsewhere,
    /// The link was not bound: this browser's cookie belongs to another session.
    StaleProof,
}

/// Binds the link to this browser, once.
async fn consume(
    app: &App,
    invite: &Invite,
    appointment: &Appointment,
    signed_by: Option<UserId>,
    proof: &SecretToken,
    headers: &HeaderMap,
) -> Result<Consumed, Error> {
    let now = app.clock.now();
    let session = SessionRecord {
        token_hash: session_of(proof),
        user: invite.user,
        clinic_role: None,
        invite: Some((appointment.id, invite.role)),
        vouched_by: signed_by,
        link_made_by: signed_by.or(invite.made_by),
        device: device_of(headers),
        created_at: now,
        last_seen_at: now,
        expires_at: appointment.closes(&app.rules),
    };
    let mut transaction = app.store.begin().await?;
    let known = transaction.get_invite(&invite.token_hash).await?;
    if let Some((_, bound_to)) = known.as_ref().and_then(|known| known.used) {
        // A session that has ended is not restarted.
        let lives = transaction.get_session(&session.token_hash).await?.is_some();
        return Ok(if lives && bound_to == session.token_hash { Consumed::Here } else { Consumed::Elsewhere });
    }
    match transaction.insert_session(&session).await {
        Err(StoreError::Conflict(Conflict::AlreadyExists)) => return Ok(Consumed::StaleProof),
        inserted => inserted?,
    }
    let note = |action| AuditEntry::new(now, action).about(invite.user).of_appointment(appointment.id);
    // A join token signed by an integrator is stored at its first use.
    if let Some(program) = signed_by
        && known.is_none()
    {
        transaction.insert_invite(invite).await?;
        let entry = note(AuditAction::InviteCreated).by(program).with_detail(invite.role.as_str());
        transaction.append_audit(&entry).await?;
    }
    if !transaction.use_invite(&invite.token_hash, &session.token_hash, now).await? {
        app.metrics.sign_in(Way::Link, Entry::Refused);
        return Err(Error::LinkUsed);
    }
    let actor = Actor { link_made_by: session.link_made_by, ..Actor::from(invite.user) };
    transaction.append_audit(&note(AuditAction::InviteUsed).by(actor)).await?;
    transaction.commit().await?;
    app.metrics.sign_in(Way::Link, Entry::In);
    Ok(Consumed::Here)
}

fn page(
    app: &App,
    invite: &Invite,
    appointment: &Appointment,
    opens: Option<Timestamp>,
    elsewhere: Option<Elsewhere>,
) -> Result<InvitePage, Error> {
    let people = &appointment.participants;
    let (_, holder) = people.find(invite.user).ok_or(Error::NotFound)?;
    let other = people.counterpart(invite.role);
    Ok(InvitePage {
        layout: Layout::new(app),
        you: holder.name.reveal().clone(),
        other: other.name.reveal().clone(),
        specialty: other.specialty.clone(),
        kind: appointment.kind.clone(),
        minutes: appointment.duration.as_secs() / 60,
        start: rfc3339(appointment.start),
        when: day_and_time(appointment.start, &app.zone),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        opens_at: opens.map(rfc3339).unwrap_or_default(),
        opens: opens.map(|at| day_and_time(at, &app.zone)),
        elsewhere,
        no_cookies: false,
        call_script: app.assets.address("visit.js"),
    })
}
