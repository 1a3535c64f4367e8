//! An appointment's data, in the base contract's shape.

use axum::Json;
use axum::extract::State;
use bedside_store::Terms;
use bedside_visit::permission::{Principal, Scope};
use bedside_visit::{Appointment, Participants, Person, Role, age_on};
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::Success;
use crate::app::App;
use crate::auth::{Arranging, Reading};
use crate::cometchat::Uid;
use crate::config::CometChatConfig;
use crate::error::Problem;
use crate::journeys::Journey;
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
    /// Why, if it was told. `null` for those who may not read it, as `age`.
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
    /// Their name. `null` for a program whose token may not read.
    name: Option<String>,
    /// Whole years on the clinic's calendar today. `null` for those who may not read it: guests, interpreters, observers,
    /// and programs whose token may not read.
    age: Option<u16>,
    /// Their picture.
    avatar_url: Option<String>,
}

/// Who carries the media.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallData {
    /// `embedded`: Bedside's own media server; `cometchat`: the clinic's account there.
    backend: &'static str,
    /// The WebSocket of the visit, a path on this server.
    signalling: String,
    /// The clinic's time zone (IANA), such as Europe/Vienna.
    time_zone: String,
    /// The clinic's terms for video visits, if patients are asked to agree to them.
    terms: Option<TermsData>,
    /// Where there is an account at CometChat: a call can be moved there.
    #[serde(skip_serializing_if = "Option::is_none")]
    cometchat: Option<CometChatData>,
}

/// Terms as they are shown.
#[derive(Debug, Serialize, ToSchema)]
struct TermsData {
    /// Their name, which an agreement says back.
    id: String,
    /// Their language (BCP 47).
    language: String,
    /// The words.
    text: String,
}

impl From<Terms> for TermsData {
    fn from(Terms { id, language, text }: Terms) -> Self {
        Self { id: id.to_string(), language, text }
    }
}

/// What a page needs to hold a call over CometChat. The token is asked for at `/api/cometchat/user`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CometChatData {
    /// The app.
    app_id: String,
    /// Where it is.
    region: String,
    /// Where its SDKs connect to, if not to the app's own hosts.
    client_host: Option<String>,
    /// Who the patient is there.
    patient_uid: String,
    /// Who the provider is there: nobody else's call is answered.
    provider_uid: String,
    /// How many seconds a call rings.
    ring_seconds: u32,
    /// The document that the SDKs run in, a path on this server.
    frame: &'static str,
}

/// An appointment: one of yours, the front desk's any, a program's those that it booked.
#[utoipa::path(
    get,
    path = "/api/appointments/{id}",
    params(("id" = String, Path, description = "The appointment's id")),
    security(("session" = []), ("visit" = []), ("token" = ["appointments:read"])),
    responses(
        (status = 200, body = inline(Success<AppointmentData>), description = "The appointment"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "A token without the scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, or not yours"),
    ),
)]
pub(crate) async fn get(State(app): State<App>, arranging: Arranging<Reading>) -> Json<Success<AppointmentData>> {
    Success::of(AppointmentData::new(&app, &arranging.appointment, &arranging.identity.principal))
}

impl AppointmentData {
    /// As its reader is shown it: companions learn nothing of the patient's reason and age, and a token without the scope to
    /// read nothing of the patient at all.
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

    /// For a page that is on a journey, and says so as it connects.
    pub(crate) fn on(mut self, journey: Option<Journey>) -> Self {
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
