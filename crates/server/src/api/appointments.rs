//! An appointment's data, in the base contract's shape.

use axum::Json;
use axum::extract::State;
use bedside_visit::{Appointment, Person, age_on};
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::Success;
use crate::app::App;
use crate::auth::{Access, Viewing};
use crate::error::Problem;
use crate::text::{civil_date, rfc3339};

/// An appointment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppointmentData {
    /// Which.
    id: String,
    /// When it is due, RFC 3339 in UTC.
    #[schema(format = DateTime)]
    datetime: String,
    /// Planned minutes.
    duration: u64,
    /// What kind of visit.
    #[serde(rename = "type")]
    kind: String,
    /// Why, if it was told.
    reason: Option<String>,
    /// FHIR R4 Appointment.status: booked, arrived, fulfilled, cancelled, noshow.
    status: &'static str,
    /// The clinician.
    provider: ProviderData,
    /// The person the appointment is for.
    patient: PatientData,
    /// How to hold the call.
    call: CallData,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProviderData {
    /// Who.
    user_id: String,
    /// Their name.
    name: String,
    /// Their field.
    specialty: Option<String>,
    /// Their picture.
    avatar_url: Option<String>,
}

/// A patient.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PatientData {
    /// Who.
    user_id: String,
    /// Their name.
    name: String,
    /// Whole years on the clinic's calendar today.
    age: Option<u16>,
    /// Their picture.
    avatar_url: Option<String>,
}

/// Who carries the media.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallData {
    /// `embedded`: Bedside's own media server.
    backend: &'static str,
    /// The WebSocket of the visit, a path on this server.
    signalling: String,
    /// The clinic's terms for video visits, if patients are asked to agree to them.
    consent_text: Option<String>,
}

/// An appointment of yours.
#[utoipa::path(
    get,
    path = "/api/appointments/{id}",
    params(("id" = String, Path, description = "The appointment's id")),
    security(("session" = []), ("visit" = [])),
    responses(
        (status = 200, body = inline(Success<AppointmentData>), description = "The appointment"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, or not yours"),
    ),
)]
pub(crate) async fn get(State(app): State<App>, access: Access<Viewing>) -> Json<Success<AppointmentData>> {
    Success::of(AppointmentData::new(&app, &access.appointment))
}

impl AppointmentData {
    /// As somebody who may see it is shown it.
    pub(crate) fn new(app: &App, appointment: &Appointment) -> Self {
        let people = &appointment.participants;
        let id = appointment.id.to_string();
        Self {
            datetime: rfc3339(appointment.start),
            duration: appointment.duration.as_secs() / 60,
            kind: appointment.kind.clone(),
            reason: appointment.reason.as_ref().map(|reason| reason.reveal().clone()),
            status: appointment.status.as_str(),
            provider: ProviderData {
                user_id: people.provider.id.to_string(),
                name: people.provider.name.reveal().clone(),
                specialty: people.provider.specialty.clone(),
                avatar_url: people.provider.avatar_url.clone(),
            },
            patient: PatientData {
                user_id: people.patient.id.to_string(),
                name: people.patient.name.reveal().clone(),
                age: age(&people.patient, app.clock.now(), &app.zone),
                avatar_url: people.patient.avatar_url.clone(),
            },
            call: CallData {
                backend: "embedded",
                signalling: format!("/api/appointments/{id}/signalling"),
                consent_text: app.config.visits.consent_text.clone(),
            },
            id,
        }
    }
}

fn age(person: &Person, now: bedside_visit::Timestamp, zone: &TimeZone) -> Option<u16> {
    age_on(*person.birth_date.as_ref()?.reveal(), civil_date(now, zone))
}
