//! Appointment data, in the format of the base contract.

use axum::Json;
use axum::extract::State;
use bedside_store::Terms;
use bedside_visit::permission::{Principal, Scope};
use bedside_visit::{Appointment, Participants, Person, Role, age_on};
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::success::Success;
use crate::app::App;
use crate::auth::{Arranging, Reading};
use crate::calls::cometchat::Uid;
use crate::config::CometChatConfig;
use crate::http::error::Problem;
use crate::telemetry::traces::TraceContext;
use crate::text::{civil_date, rfc3339};

/// Appointment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppointmentData {
    /// Appointment ID.
    id: String,
    /// Start time, RFC 3339 in UTC.
    #[schema(format = DateTime)]
    datetime: String,
    /// Planned duration in minutes.
    duration: u64,
    /// Visit type.
    #[serde(rename = "type")]
    kind: String,
    /// Reason for the visit, if given. `null` for callers who may not read it (the same callers as for `age`).
    reason: Option<String>,
    /// FHIR R4 Appointment.status: booked, arrived, fulfilled, cancelled, noshow.
    status: &'static str,
    /// Clinician who holds the visit.
    provider: ProviderData,
    /// Patient of the appointment.
    patient: PatientData,
    /// How to connect the call.
    call: CallData,
}

/// Provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProviderData {
    /// User ID.
    user_id: String,
    /// Display name.
    name: String,
    /// Specialty.
    specialty: Option<String>,
    /// URL of the avatar image.
    avatar_url: Option<String>,
}

/// Patient.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PatientData {
    /// User ID.
    user_id: String,
    /// Display name. `null` if the access token lacks the read scope.
    name: Option<String>,
    /// Age in whole years, in the clinic's time zone. `null` for guests, interpreters, observers, and access tokens
    /// without the read scope.
    age: Option<u16>,
    /// URL of the avatar image.
    avatar_url: Option<String>,
}

/// Call backend and related settings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallData {
    /// `embedded`: Bedside's own media server. `cometchat`: the clinic's CometChat account.
    backend: &'static str,
    /// WebSocket of the visit, as a path on this server.
    signalling: String,
    /// Time zone of the clinic (IANA), such as Europe/Vienna.
    time_zone: String,
    /// Terms for video visits. `null` if patients are not asked to consent.
    terms: Option<TermsData>,
    /// CometChat settings, if an account is configured. A call can be moved there.
    #[serde(skip_serializing_if = "Option::is_none")]
    cometchat: Option<CometChatData>,
}

/// Terms for video visits.
#[derive(Debug, Serialize, ToSchema)]
struct TermsData {
    /// Version identifier, which a consent refers to.
    id: String,
    /// Language (BCP 47).
    language: String,
    /// Text of the terms.
    text: String,
}

impl From<Terms> for TermsData {
    fn from(Terms { id, language, text }: Terms) -> Self {
        Self { id: id.to_string(), language, text }
    }
}

/// Settings for a CometChat call. The page requests its token from `/api/cometchat/user`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CometChatData {
    /// App ID.
    app_id: String,
    /// Region of the app.
    region: String,
    /// Host that the SDKs connect to, if it is not the default of the app.
    client_host: Option<String>,
    /// CometChat UID of the patient.
    patient_uid: String,
    /// CometChat UID of the provider. Calls from other users are not answered.
    provider_uid: String,
    /// Ringing time in seconds.
    ring_seconds: u32,
    /// HTML document in which the SDKs run, as a path on this server.
    frame: &'static str,
}

/// Returns an appointment.
///
/// Participants can read their own appointments, the front desk all, and API clients those that they booked.
#[utoipa::path(
    get,
    path = "/api/appointments/{id}",
    params(("id" = String, Path, description = "Appointment ID")),
    security(("session" = []), ("visit" = []), ("token" = ["appointments:read"])),
    responses(
        (status = 200, body = inline(Success<AppointmentData>), description = "Appointment"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The token lacks the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not found, or no access"),
    ),
)]
pub(crate) async fn get(State(app): State<App>, arranging: Arranging<Reading>) -> Json<Success<AppointmentData>> {
    Success::of(AppointmentData::new(&app, &arranging.appointment, &arranging.identity.principal))
}

impl AppointmentData {
    /// Creates the view for `reader`: companions do not see the patient's reason and age, and an access token without
    /// the read scope sees no patient details.
    pub(crate) fn new(app: &App, appointment: &Appointment, reader: &Principal) -> Self {
        let people = &appointment.participants;
        let may_read = !matches!(reader.scope, Scope::Token(grants) if !grants.read);
        let is_companion =
            matches!(people.role_of(reader.user), Some(Role::Guest | Role::Interpreter | Role::Observer))
                && !matches!(reader.scope, Scope::Account(Some(_)));
        let in_full = may_read && !is_companion;
        let id = appointment.id.to_string();
        Self {
            datetime: rfc3339(appointment.start),
            duration: appointment.duration.as_secs() / 60,
            kind: appointment.kind.clone(),
            reason: appointment.reason.as_ref().filter(|_| in_full).map(|reason| reason.reveal().clone()),
            status: appointment.status.as_str(),
            provider: ProviderData {
                user_id: people.provider.id.to_string(),
                name: people.provider.name.reveal().clone(),
                specialty: people.provider.specialty.clone(),
                avatar_url: people.provider.avatar_url.clone(),
            },
            patient: PatientData {
                user_id: people.patient.id.to_string(),
                name: may_read.then(|| people.patient.name.reveal().clone()),
                age: age(&people.patient, app.clock.now(), &app.zone).filter(|_| in_full),
                avatar_url: people.patient.avatar_url.clone(),
            },
            call: CallData {
                backend: appointment.carrier(&app.rules).as_str(),
                signalling: format!("/api/appointments/{id}/signalling"),
                time_zone: app.zone.iana_name().unwrap_or("UTC").to_owned(),
                terms: app.config.visits.terms().map(TermsData::from),
                cometchat: app.config.cometchat.as_ref().map(|config| CometChatData::new(app, config, people)),
            },
            id,
        }
    }

    /// Adds the trace ID, which the page sends when it connects.
    pub(crate) fn on(mut self, journey: Option<TraceContext>) -> Self {
        if let Some(journey) = journey {
            self.call.signalling.push_str(&format!("?journey={journey}"));
        }
        self
    }
}

impl CometChatData {
    fn new(app: &App, config: &CometChatConfig, people: &Participants) -> Self {
        Self {
            app_id: config.app_id.clone(),
            region: config.region.clone(),
            client_host: config.client_host.clone(),
            patient_uid: Uid::of(people.patient.id).as_str().to_owned(),
            provider_uid: Uid::of(people.provider.id).as_str().to_owned(),
            ring_seconds: app.config.visits.ring_seconds,
            frame: "/call/cometchat",
        }
    }
}

fn age(person: &Person, now: bedside_visit::Timestamp, zone: &TimeZone) -> Option<u16> {
    age_on(*person.birth_date.as_ref()?.reveal(), civil_date(now, zone))
}
