//! Links into a visit. Opening one only shows it; "Join visit" uses it. So a mail scanner that opens every
//! link burns none.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_store::{AdmissionRecord, AuditEntry, Invite, SessionRecord};
use bedside_visit::permission::{Action, Denial, Principal, Scope, decide};
use bedside_visit::{Appointment, AuditAction, Timestamp, UserId};

use super::elsewhere::Elsewhere;
use super::{Layout, call_path, render};
use crate::admissions;
use crate::app::App;
use crate::auth::{CookieKind, Identities, SecretToken, device_of, is_join_token, read_join_token};
use crate::error::{Error, denied};
use crate::metrics::{Entry, Way};
use crate::text::{day_and_time, rfc3339};

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    layout: Layout,
    /// Whose link it is.
    you: String,
    /// Whom they meet.
    other: String,
    specialty: Option<String>,
    kind: String,
    minutes: u64,
    start: String,
    when: String,
    zone: String,
    opens: Option<String>,
    opens_at: String,
    /// The page is shown inside another app.
    elsewhere: Option<Elsewhere>,
}

/// `GET /v/{token}`.
pub(crate) async fn show(
    State(app): State<App>,
    Path(token): Path<String>,
    identities: Identities,
    jar: CookieJar,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Link { invite, appointment, .. } = find(&app, &token).await?;
    let opens = match door(&app, &invite, &appointment) {
        Ok(()) => None,
        Err(Denial::TooEarly { opens }) => Some(opens),
        Err(denial) => return Err(denied(denial, appointment.id)),
    };
    if invite.used.is_some() && !is_bound(&invite, &identities) {
        return elsewhere_used(&app, &jar, &invite).await;
    }
    if was_admitted(&app, &jar, &invite).await? {
        return Ok(Redirect::to(&call_path(invite.role, appointment.id)).into_response());
    }
    let elsewhere = Elsewhere::of(&headers, &format!("{}/v/{token}", app.config.server.public_url));
    Ok(render(&page(&app, &invite, &appointment, opens, elsewhere)?)?.into_response())
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
    door(&app, &invite, &appointment).map_err(|denial| denied(denial, appointment.id))?;
    let next = Redirect::to(&call_path(invite.role, appointment.id));
    if is_bound(&invite, &identities) {
        return Ok(next.into_response());
    }
    if invite.used.is_some() {
        let here = Redirect::to(&format!("/v/{token}"));
        if asks_already(&app, &jar, &invite).await? {
            return Ok(here.into_response());
        }
        app.metrics.sign_in(Way::Link, Entry::Refused);
        let proof = admissions::ask(&app, &invite, &headers).await?;
        return Ok((app.cookies.set(jar, CookieKind::Invite, &proof), here).into_response());
    }
    let token = consume(&app, &invite, &appointment, signed_by, &headers).await?;
    Ok((app.cookies.set(jar, CookieKind::Invite, &token), next).into_response())
}

#[derive(Template)]
#[template(path = "admission.html")]
struct AdmissionPage {
    layout: Layout,
    /// This device asked, and waits.
    waits: bool,
}

/// What whoever opens a used link on another device is shown: nothing of whose it is.
async fn elsewhere_used(app: &App, jar: &CookieJar, invite: &Invite) -> Result<Response, Error> {
    if invite.expires_at <= app.clock.now() {
        return Err(Error::LinkUsed);
    }
    let waits = match wish(app, jar, invite).await? {
        Some(asked) if asked.answered.is_some() => return Err(Error::LinkUsed),
        Some(asked) => app.clock.now() < asked.asked_at + admissions::WAITS,
        None => false,
    };
    Ok(render(&AdmissionPage { layout: Layout::new(app), waits })?.into_response())
}

async fn asks_already(app: &App, jar: &CookieJar, invite: &Invite) -> Result<bool, Error> {
    let now = app.clock.now();
    let waits = |asked: &AdmissionRecord| asked.answered.is_none() && now < asked.asked_at + admissions::WAITS;
    Ok(wish(app, jar, invite).await?.as_ref().is_some_and(waits))
}

async fn was_admitted(app: &App, jar: &CookieJar, invite: &Invite) -> Result<bool, Error> {
    let asked = wish(app, jar, invite).await?;
    Ok(asked.and_then(|asked| asked.answered).is_some_and(|(_, admitted)| admitted))
}

/// What this browser asked of a link that another one used.
async fn wish(app: &App, jar: &CookieJar, invite: &Invite) -> Result<Option<AdmissionRecord>, Error> {
    let Some(proof) = app.cookies.read(jar, CookieKind::Invite) else { return Ok(None) };
    let asked = app.store.get_admission_of_session(&proof.hash().into()).await?;
    Ok(asked.filter(|asked| asked.invite == invite.token_hash))
}

/// What an address leads to.
struct Link {
    invite: Invite,
    appointment: Appointment,
    /// The program that signed it. `None`: it was made here.
    signed_by: Option<UserId>,
}

async fn find(app: &App, token: &str) -> Result<Link, Error> {
    if is_join_token(token) {
        let (invite, appointment, program) = read_join_token(app, token).await?;
        return Ok(Link { invite, appointment, signed_by: Some(program) });
    }
    let token = SecretToken::parse(token).ok_or(Error::NotFound)?;
    let invite = app.store.get_invite(&token.hash().into()).await?.ok_or(Error::NotFound)?;
    let sealed = app.store.get_appointment(invite.appointment).await?.ok_or(Error::NotFound)?;
    let appointment = sealed.open_by_link(invite.appointment).map_err(|denial| denied(denial, invite.appointment))?;
    Ok(Link { invite, appointment, signed_by: None })
}

/// Whether whoever holds the link could come in now.
fn door(app: &App, invite: &Invite, appointment: &Appointment) -> Result<(), Denial> {
    let principal = Principal { user: invite.user, scope: Scope::Invite(appointment.id, invite.role) };
    decide(&principal, Action::Join, appointment, &app.rules, app.clock.now()).map(|_| ())
}

/// Whether this browser is the one that used the link.
fn is_bound(invite: &Invite, identities: &Identities) -> bool {
    let session = identities.invite.map(|identity| identity.session);
    session.is_some() && invite.used.map(|(_, session)| session) == session
}

/// Binds the link to a session of this browser, once.
async fn consume(
    app: &App,
    invite: &Invite,
    appointment: &Appointment,
    signed_by: Option<UserId>,
    headers: &HeaderMap,
) -> Result<SecretToken, Error> {
    let now = app.clock.now();
    let token = SecretToken::draw()?;
    let session = SessionRecord {
        token_hash: token.hash().into(),
        user: invite.user,
        clinic_role: None,
        invite: Some((appointment.id, invite.role)),
        vouched_by: signed_by,
        device: device_of(headers),
        created_at: now,
        last_seen_at: now,
        expires_at: appointment.closes(&app.rules),
    };
    let mut transaction = app.store.begin().await?;
    transaction.insert_session(&session).await?;
    let note = |action| AuditEntry::new(now, action).about(invite.user).of_appointment(appointment.id);
    // One that another program signed is not known before it is used.
    if let Some(program) = signed_by
        && transaction.get_invite(&invite.token_hash).await?.is_none()
    {
        transaction.insert_invite(invite).await?;
        let entry = note(AuditAction::InviteCreated).by(program).with_detail(invite.role.as_str());
        transaction.append_audit(&entry).await?;
    }
    if !transaction.use_invite(&invite.token_hash, &session.token_hash, now).await? {
        app.metrics.sign_in(Way::Link, Entry::Refused);
        return Err(Error::LinkUsed);
    }
    transaction.append_audit(&note(AuditAction::InviteUsed).by(invite.user)).await?;
    transaction.commit().await?;
    app.metrics.sign_in(Way::Link, Entry::In);
    Ok(token)
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
    })
}
