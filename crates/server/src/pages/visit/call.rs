//! The call pages. The interface depends on the participant's role.

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bedside_visit::permission::{Action, Denial, decide};
use bedside_visit::text::isolated;
use bedside_visit::{Appointment, Role};

use crate::api::appointments::AppointmentData;
use crate::app::App;
use crate::auth::{Access, Identity, PatientPage, ProviderPage, Viewing};
use crate::http::error::{Error, denied};
use crate::http::router::content_security_policy;
use crate::http::timing::Arrived;
use crate::pages::{Layout, render};
use crate::telemetry::traces::PageSpan;
use crate::text::{day_and_time, rfc3339};

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    layout: Layout,
    staff: bool,
    title: &'static str,
    element: &'static str,
    appointment: String,
    user: String,
    name: String,
    heading: String,
    sentence: &'static str,
    start: String,
    when: String,
    zone: String,
    kind: String,
    /// The appointment data of the API, embedded as JSON. Saves one round trip on slow networks.
    data: String,
}

/// `GET /appointment/{id}`.
pub(crate) async fn by_role(
    State(app): State<App>,
    Extension(asked): Extension<Arrived>,
    access: Access<Viewing>,
) -> Result<Response, Error> {
    page(&app, &access.appointment, access.role, &access.identity, asked)
}

/// `GET /video-call/patient?appointmentId={id}`.
pub(crate) async fn patient(
    State(app): State<App>,
    Extension(asked): Extension<Arrived>,
    access: Access<PatientPage>,
) -> Result<Response, Error> {
    page(&app, &access.appointment, access.role, &access.identity, asked)
}

/// `GET /video-call/provider?appointmentId={id}`.
pub(crate) async fn provider(
    State(app): State<App>,
    Extension(asked): Extension<Arrived>,
    access: Access<ProviderPage>,
) -> Result<Response, Error> {
    page(&app, &access.appointment, access.role, &access.identity, asked)
}

fn page(
    app: &App,
    appointment: &Appointment,
    role: Role,
    identity: &Identity,
    Arrived(asked): Arrived,
) -> Result<Response, Error> {
    let now = app.clock.now();
    decide(&identity.principal, Action::Join, appointment, &app.rules, now)
        .map_err(|denial: Denial| denied(denial, appointment.id))?;
    let people = &appointment.participants;
    let other = isolated(people.counterpart(role).name.reveal());
    let (_, you) = people.find(identity.principal.user).ok_or(Error::NotFound)?;
    let (title, element, heading, sentence) = match role {
        Role::Patient | Role::Guest | Role::Interpreter | Role::Observer => (
            "Waiting room",
            "patient-video-call",
            format!("Your visit with {other}"),
            if role.publishes() {
                "One moment: your waiting room is opening. Your browser will ask to use your camera and microphone. Please allow it."
            } else {
                "One moment: your waiting room is opening. You see and hear; nobody sees or hears you."
            },
        ),
        Role::Provider => {
            ("Visit", "provider-video-call", format!("Visit with {other}"), "One moment: the visit is opening.")
        }
    };
    let span = app.traces.begin(role, asked);
    let data = AppointmentData::new(app, appointment, &identity.principal).on(span.as_ref().map(PageSpan::journey));
    let layout = Layout::of_call(app);
    let page = render(&CallPage {
        layout: if identity.is_account() { layout.signed_in(you.name.reveal()) } else { layout },
        staff: role == Role::Provider,
        title,
        element,
        appointment: appointment.id.to_string(),
        user: you.id.to_string(),
        name: you.name.reveal().clone(),
        heading,
        sentence,
        start: rfc3339(appointment.start),
        when: day_and_time(appointment.start, &app.zone),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        kind: appointment.kind.clone(),
        data: data_block(&data),
    })?;
    let mut response = page.into_response();
    if app.config.cometchat.is_some() {
        // The CometChat SDKs run in their own document, in a frame.
        let policy = content_security_policy(app, "; frame-src 'self'");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(span) = span {
        span.end(app.clock.now());
    }
    Ok(response)
}

/// Returns JSON that is safe inside a `script` element: it cannot contain the closing tag.
fn data_block(data: &AppointmentData) -> String {
    serde_json::to_string(data).unwrap_or_default().replace('<', "\\u003c")
}
