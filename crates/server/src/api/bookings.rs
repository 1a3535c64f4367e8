//! The clinic's appointments, for the front desk and API clients.

use axum::Json;
use axum::extract::{Query, State};
use bedside_store::Store;
use bedside_visit::permission::{Arrangement, Scope};
use bedside_visit::{Appointment, AppointmentId, AppointmentStatus, Person, Timestamp, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::appointments::AppointmentData;
use super::success::Success;
use crate::app::App;
use crate::audit::access_log::note_reads;
use crate::auth::{Arranging, Booking, CallingOff, Clerk, Identity, ListingAppointments};
use crate::clinic::bookings::{self, NewBooking, at_the_same_time, book};
use crate::http::error::{Error, Problem, denied};
use crate::http::idempotency::{IdempotencyKey, Once};

/// Maximum time range of a list request.
const LONGEST_MILLIS: i64 = 31 * 86_400_000;

/// Time range.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Between {
    /// Start of the range (inclusive), RFC 3339.
    #[param(format = DateTime)]
    from: String,
    /// End of the range (exclusive), RFC 3339; at most 31 days after `from`.
    #[param(format = DateTime)]
    until: String,
}

/// Appointment to book.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewAppointment {
    /// User ID of the patient.
    #[schema(value_type = String, format = "uuid")]
    patient_id: UserId,
    /// User ID of the provider: a person with a specialty or a clinic role, or who has been a provider before.
    #[schema(value_type = String, format = "uuid")]
    provider_id: UserId,
    /// Start time, RFC 3339.
    #[schema(format = DateTime)]
    datetime: String,
    /// Duration in minutes, 5 to 1440.
    #[schema(minimum = 5, maximum = 1440)]
    duration: u32,
    /// Visit type, 1 to 100 characters.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 100)]
    kind: String,
    /// Reason for the visit, at most 2000 characters.
    #[schema(max_length = 2000)]
    reason: Option<String>,
    /// Book even if the patient or the provider has another appointment at that time. Otherwise such a request is
    /// rejected with 409.
    #[serde(default)]
    allow_overlap: bool,
}

/// Lists appointments that start in a time range, ordered by start time.
///
/// The front desk sees all appointments, API clients those that they booked.
#[utoipa::path(
    get,
    path = "/api/appointments",
    params(Between),
    security(("session" = []), ("token" = ["appointments:read"])),
    responses(
        (status = 200, body = inline(Success<Vec<AppointmentData>>), description = "Appointments"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Invalid time range, or longer than 31 days"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither front desk staff nor a token with the required scope"),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    clerk: Clerk<ListingAppointments>,
    Query(between): Query<Between>,
) -> Result<Json<Success<Vec<AppointmentData>>>, Error> {
    let (from, until) = (moment(&between.from)?, moment(&between.until)?);
    if !(0..=LONGEST_MILLIS).contains(&(until.as_millis() - from.as_millis())) {
        return Err(Error::BadRequest("`until` must not be before `from`, and at most 31 days after it."));
    }
    let principal = clerk.identity.principal;
    let by = matches!(principal.scope, Scope::Token(_)).then_some(principal.user);
    let listed = app.store.list_bookings(by, from, until).await?;
    let open = |guarded: bedside_visit::Guarded<_>| guarded.open_to(&principal, Arrangement::Read).ok();
    let appointments: Vec<Appointment> = listed.into_iter().filter_map(open).collect();
    note_reads(&app, &clerk.identity, &appointments).await?;
    Ok(Success::of(
        appointments.iter().map(|appointment| AppointmentData::new(&app, appointment, &principal)).collect(),
    ))
}

/// Books an appointment.
#[utoipa::path(
    post,
    path = "/api/appointments",
    params(("Idempotency-Key" = Option<String>, Header, description = "Idempotency key, 1 to 255 characters. A repeated request with the same key within a day has no further effect")),
    request_body = NewAppointment,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<AppointmentData>), description = "Appointment booked"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Invalid appointment"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither front desk staff nor a token with the required scope"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The patient or the provider has another appointment at that time"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The Idempotency-Key was used for a different request"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    clerk: Clerk<Booking>,
    key: IdempotencyKey,
    Json(new): Json<NewAppointment>,
) -> Result<Json<Success<AppointmentData>>, Error> {
    let once = new.once(&clerk.identity, &key);
    if let Some(once) = &once
        && let Some(made) = once.made_before(&*app.store).await?
    {
        return made_before(&app, &clerk.identity, AppointmentId::new(made)).await;
    }
    let booking = NewBooking {
        patient: person(&*app.store, new.patient_id).await?,
        provider: clinician(&*app.store, new.provider_id).await?,
        start: moment(&new.datetime)?,
        minutes: new.duration,
        kind: new.kind,
        reason: new.reason,
        backend: app.config.visits.call_backend,
    };
    let (actor, now) = (clerk.identity.actor(), app.clock.now());
    if let Some(fault) = booking.faults(&app.rules, now).first() {
        return Err(Error::BadRequest(fault.words()));
    }
    if !new.allow_overlap && !at_the_same_time(&*app.store, &booking).await?.is_empty() {
        // The overlapping appointment may be the one booked by a concurrent request with the same idempotency key.
        if let Some(once) = &once
            && let Some(made) = once.made_before(&*app.store).await?
        {
            return made_before(&app, &clerk.identity, AppointmentId::new(made)).await;
        }
        return Err(Error::Conflict(
            "The patient or the provider has another appointment at that time. To book anyway, set `allowOverlap`.",
        ));
    }
    let checked = booking.check(&app.rules, Some(actor.user), now);
    let appointment = checked.map_err(|fault| Error::BadRequest(fault.words()))?;
    let mut transaction = app.store.begin().await?;
    if let Some(once) = &once {
        // A concurrent request with the same idempotency key may have committed first.
        if let Some(made) = once.made(&mut *transaction).await? {
            drop(transaction);
            return made_before(&app, &clerk.identity, AppointmentId::new(made)).await;
        }
        once.keep(&mut *transaction, appointment.id.uuid(), now).await?;
    }
    book(&mut *transaction, &appointment, Some(actor), now).await?;
    transaction.commit().await?;
    Ok(Success::of(AppointmentData::new(&app, &appointment, &clerk.identity.principal)))
}

impl NewAppointment {
    fn once(&self, identity: &Identity, key: &IdempotencyKey) -> Option<Once> {
        let asked = [
            &self.patient_id.to_string(),
            &self.provider_id.to_string(),
            &self.datetime,
            &self.duration.to_string(),
            &self.kind,
            self.reason.as_deref().unwrap_or_default(),
        ];
        Once::of_program(identity, "appointment", key, &asked)
    }
}

/// Returns the appointment booked by an earlier request with the same idempotency key, in its current state.
async fn made_before(
    app: &App,
    identity: &Identity,
    id: AppointmentId,
) -> Result<Json<Success<AppointmentData>>, Error> {
    let guarded = app.store.get_appointment(id).await?.ok_or(Error::NotFound)?;
    let opened = guarded.open_to(&identity.principal, Arrangement::CallOff);
    let appointment = opened.map_err(|denial| denied(denial, id))?;
    note_reads(app, identity, [&appointment]).await?;
    Ok(Success::of(AppointmentData::new(app, &appointment, &identity.principal)))
}

/// Cancels an appointment.
///
/// Its links stay valid and lead to a page that says that the appointment was cancelled.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/cancel",
    params(("id" = String, Path, description = "Appointment ID")),
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<AppointmentData>), description = "Appointment cancelled"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither front desk staff nor a token with the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not found, or no access"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Already cancelled, completed, missed or in progress"),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    arranging: Arranging<CallingOff>,
) -> Result<Json<Success<AppointmentData>>, Error> {
    let mut appointment = arranging.appointment;
    let actor = arranging.identity.actor();
    let mut transaction = app.store.begin().await?;
    bookings::cancel(&mut *transaction, &appointment, Some(actor), app.clock.now()).await?;
    transaction.commit().await?;
    appointment.status = AppointmentStatus::Cancelled;
    Ok(Success::of(AppointmentData::new(&app, &appointment, &arranging.identity.principal)))
}

/// Loads a person named in a request.
///
/// # Errors
/// [`Error::BadRequest`] if the person does not exist.
pub(crate) async fn person(store: &dyn Store, id: UserId) -> Result<Person, Error> {
    store.get_person(id).await?.ok_or(Error::BadRequest("This person does not exist."))
}

/// Loads a clinician. Patients cannot be booked as providers, because having been a provider makes a person count as a
/// clinician.
async fn clinician(store: &dyn Store, id: UserId) -> Result<Person, Error> {
    let provider = person(store, id).await?;
    let account = store.get_account_of(id).await?;
    if !account.is_some_and(|account| account.works_here) {
        return Err(Error::BadRequest("The provider must have a specialty or a clinic role."));
    }
    Ok(provider)
}

/// Parses an RFC 3339 timestamp.
fn moment(text: &str) -> Result<Timestamp, Error> {
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| Error::BadRequest("Times must be in RFC 3339 format, such as 2026-11-23T14:00:00Z."))?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}
