//! The page of one booking: participants, links and cancellation. For the front desk and the appointment's provider.

mod question;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_store::Transaction;
use bedside_visit::permission::Arrangement;
use bedside_visit::{AdmissionId, Appointment, AppointmentStatus, Companion, MAX_PARTICIPANTS, Person, Role, UserId};
use serde::Deserialize;

use self::question::{Asked, ask};
use crate::app::App;
use crate::app::clock::fresh_id;
use crate::auth::{Accompanying, Arranging, CallingOff, Identity, Linking};
use crate::clinic::bookings::{self, CancelFault};
use crate::clinic::device_requests;
use crate::clinic::invites::{add_companion_once, add_invite, invite_url, revoke};
use crate::clinic::people;
use crate::http::error::Error;
use crate::http::form::Form;
use crate::http::idempotency::Once;
use crate::pages::qr::qr_picture;
use crate::pages::{Layout, render};
use crate::text::{civil_date, day_and_time, rfc3339, role_in_words, time_of_day};

#[derive(Template)]
#[template(path = "booking.html")]
struct BookingPage {
    layout: Layout,
    id: String,
    patient: String,
    start: String,
    when: String,
    zone: String,
    minutes: u64,
    kind: String,
    reason: Option<String>,
    cancelled: bool,
    people: Vec<Participant>,
    room: bool,
    /// Whether the user may cancel the appointment.
    may_cancel: bool,
    /// The address and the label of the link back to the user's own list.
    back: (String, &'static str),
    fresh: Option<FreshLink>,
    /// Pending device requests.
    asking: Vec<Asking>,
    /// The idempotency key of the form that adds a companion.
    key: String,
}

struct Asking {
    id: String,
    name: String,
    device: String,
    since: String,
    since_time: String,
}

struct Participant {
    user: String,
    name: String,
    role: &'static str,
    /// Whether the person joins by link. The provider signs in instead.
    by_link: bool,
    companion: bool,
}

/// A newly created link. It is shown only once.
struct FreshLink {
    name: String,
    url: String,
    /// The QR code, as a `data:` URL.
    picture: String,
}

/// `GET /booking/{id}`.
pub(crate) async fn show(State(app): State<App>, arranging: Arranging<Linking>) -> Result<Html<String>, Error> {
    page(&app, &arranging.appointment, &arranging.identity, None).await
}

#[derive(Deserialize)]
pub(crate) struct Whose {
    user: UserId,
    /// Whether the user has confirmed the action.
    #[serde(default)]
    sure: bool,
}

/// `POST /booking/{id}/link`: creates a new link for a participant and replaces their unused links. Asks for
/// confirmation if there is an unused link, because it may already have been sent.
pub(crate) async fn make_link(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Form(whose): Form<Whose>,
) -> Result<Html<String>, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    comes_by_link(&appointment, whose.user)?;
    let mut transaction = app.store.begin().await?;
    let replaced = transaction.delete_unused_invites(appointment.id, whose.user).await?;
    if replaced > 0 && !whose.sure {
        // Roll back, so that the existing link stays valid.
        drop(transaction);
        return ask(&app, &appointment, &identity, whose.user, Asked::Replace).await;
    }
    let fresh = fresh_link(&app, &mut *transaction, &appointment, whose.user, &identity).await?;
    transaction.commit().await?;
    page(&app, &appointment, &identity, Some(fresh)).await
}

/// `POST /booking/{id}/revoke`: revokes a participant's links, and removes them if they are a companion. Asks for
/// confirmation first.
pub(crate) async fn take_away(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Form(whose): Form<Whose>,
) -> Result<Response, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    if !whose.sure {
        return Ok(ask(&app, &appointment, &identity, whose.user, Asked::Revoke).await?.into_response());
    }
    let mut transaction = app.store.begin().await?;
    revoke(&mut *transaction, &appointment, whose.user, identity.actor(), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Redirect::to(&format!("/booking/{}", appointment.id)).into_response())
}

#[derive(Deserialize)]
pub(crate) struct NewCompanion {
    /// The idempotency key of this form.
    #[serde(default)]
    key: String,
    name: String,
    role: Role,
}

/// `POST /booking/{id}/companions`: adds a companion.
pub(crate) async fn accompany(
    State(app): State<App>,
    arranging: Arranging<Accompanying>,
    Form(new): Form<NewCompanion>,
) -> Result<Html<String>, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    let now = app.clock.now();
    let person = people::new_person(&new.name, None, None, civil_date(now, &app.zone))?;
    let companion = Companion { role: new.role, person };
    let kind = format!("companion of {}", appointment.id);
    let once = Once::of_form(&identity, &kind, &new.key, &[&new.name, new.role.as_str()]);
    let mut transaction = app.store.begin().await?;
    let (appointment, user) =
        add_companion_once(&mut *transaction, appointment, companion, once.as_ref(), identity.actor(), now).await?;
    let fresh = fresh_link(&app, &mut *transaction, &appointment, user, &identity).await?;
    transaction.commit().await?;
    page(&app, &appointment, &identity, Some(fresh)).await
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    admission: AdmissionId,
    admit: bool,
}

/// `POST /booking/{id}/admissions`: approves or denies a device request.
pub(crate) async fn admit(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Form(answer): Form<Answer>,
) -> Result<Redirect, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    device_requests::answer(&app, &appointment, answer.admission, answer.admit, identity.actor()).await?;
    Ok(Redirect::to(&format!("/booking/{}", appointment.id)))
}

/// `POST /booking/{id}/cancel`.
pub(crate) async fn cancel(State(app): State<App>, arranging: Arranging<CallingOff>) -> Result<Redirect, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    let mut transaction = app.store.begin().await?;
    match bookings::cancel(&mut *transaction, &appointment, Some(identity.actor()), app.clock.now()).await {
        Ok(()) => transaction.commit().await?,
        // Submitted twice: the appointment is already cancelled.
        Err(CancelFault::Status(AppointmentStatus::Cancelled)) => {}
        Err(fault) => return Err(fault.into()),
    }
    Ok(Redirect::to(&format!("/booking/{}", appointment.id)))
}

/// Returns a participant who joins by link.
fn comes_by_link(appointment: &Appointment, user: UserId) -> Result<(Role, &Person), Error> {
    let (role, person) = appointment.participants.find(user).ok_or(Error::NotFound)?;
    if role == Role::Provider {
        return Err(Error::BadRequest("Providers sign in. They don't need a link."));
    }
    Ok((role, person))
}

async fn fresh_link(
    app: &App,
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    user: UserId,
    identity: &Identity,
) -> Result<FreshLink, Error> {
    let (_, person) = comes_by_link(appointment, user)?;
    let (now, closes) = (app.clock.now(), appointment.closes(&app.rules));
    let token = add_invite(transaction, appointment, user, closes, Some(identity.actor()), now).await?;
    let url = invite_url(&app.config.server.public_url, &token);
    Ok(FreshLink { name: person.name.reveal().clone(), picture: qr_picture(&url)?, url })
}

async fn page(
    app: &App,
    appointment: &Appointment,
    identity: &Identity,
    fresh: Option<FreshLink>,
) -> Result<Html<String>, Error> {
    let you = app.store.get_person(identity.principal.user).await?.ok_or(Error::NotSignedIn)?;
    let cancelled = appointment.status == AppointmentStatus::Cancelled;
    let may_cancel = bedside_visit::permission::arrange(&identity.principal, Arrangement::CallOff, appointment).is_ok();
    let asking = device_requests::waiting(app, appointment.id).await?;
    let asking = asking.into_iter().filter_map(|asked| {
        let (_, person) = appointment.participants.find(asked.user)?;
        Some(Asking {
            id: asked.id.to_string(),
            name: person.name.reveal().clone(),
            device: asked.device.unwrap_or_else(|| "a device".to_owned()),
            since: rfc3339(asked.asked_at),
            since_time: time_of_day(asked.asked_at, &app.zone),
        })
    });
    let participant = |(role, person): (Role, &Person)| Participant {
        user: person.id.to_string(),
        name: person.name.reveal().clone(),
        role: role_in_words(role),
        by_link: role != Role::Provider,
        companion: !matches!(role, Role::Patient | Role::Provider),
    };
    render(&BookingPage {
        layout: Layout::new(app).signed_in(you.name.reveal()),
        id: appointment.id.to_string(),
        patient: appointment.participants.patient.name.reveal().clone(),
        start: rfc3339(appointment.start),
        when: day_and_time(appointment.start, &app.zone),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        minutes: appointment.duration.as_secs() / 60,
        kind: appointment.kind.clone(),
        reason: appointment.reason.as_ref().map(|reason| reason.reveal().clone()),
        cancelled,
        people: appointment.participants.iter().map(participant).collect(),
        room: appointment.participants.iter().count() < MAX_PARTICIPANTS,
        may_cancel: may_cancel && appointment.status.cancel().is_ok(),
        back: if identity.is_clerk() {
            (format!("/desk?day={}", civil_date(appointment.start, &app.zone)), "Back to the front desk")
        } else {
            ("/".to_owned(), "Back to your visits")
        },
        fresh,
        asking: asking.collect(),
        key: fresh_id().to_string(),
    })
}
