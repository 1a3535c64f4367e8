//! CometChat: user tokens and webhooks.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use bedside_store::{AuditEntry, Receipt};
use bedside_visit::permission::Action;
use bedside_visit::{Appointment, AppointmentId, AuditAction, Role, UserId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Identities, Identity};
use crate::calls::cometchat::{CometChatError, Directory, Profile, Report, Uid};
use crate::http::error::{Error, Problem, denied};

/// Request body of `POST /api/cometchat/user`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct UserRequest {
    /// User ID of the caller (optional). Requests for another user are rejected.
    user_id: Option<String>,
    /// Issue a new token because an old one no longer works, and update both participants at CometChat.
    force_recreate: bool,
    /// Appointment to call in. Its other participant is also registered at CometChat.
    appointment_id: Option<String>,
}

/// CometChat credentials of the caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserAnswer {
    /// Always `true`.
    success: bool,
    /// Auth token with which the page signs in to CometChat.
    auth_token: String,
    /// CometChat UID of the caller.
    cometchat_uid: String,
    /// Always `null`.
    error: Option<String>,
}

/// Registers the caller at CometChat if necessary and returns an auth token.
#[utoipa::path(
    post,
    path = "/api/cometchat/user",
    request_body = UserRequest,
    security(("session" = []), ("visit" = [])),
    responses(
        (status = 200, body = UserAnswer, description = "Auth token"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Requested for another user, or by a companion: CometChat calls connect only patient and provider"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "CometChat is not configured, or the appointment is not found"),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "CometChat request failed"),
    ),
)]
pub(crate) async fn user(
    State(app): State<App>,
    identities: Identities,
    Json(asked): Json<UserRequest>,
) -> Result<Json<UserAnswer>, Error> {
    let directory = app.cometchat.as_ref().ok_or(Error::NoCometChat)?;
    let identity = caller(&identities, &asked)?;
    let user = identity.principal.user;
    app.throttle.mint(user)?;
    let (appointment, role) = match &asked.appointment_id {
        Some(id) => meeting(&app, &identity, id).await.map(|(appointment, role)| (Some(appointment), role))?,
        None if identity.is_account() => (None, Role::Patient),
        None => return Err(Error::NoAppointmentId),
    };
    if !matches!(role, Role::Patient | Role::Provider) {
        return Err(Error::CallForTwo);
    }
    let person = app.store.get_person(user).await?.ok_or(Error::NotFound)?;
    let token = directory.token(user, &Profile::of(&person, role), asked.force_recreate).await?;
    if let Some(appointment) = appointment {
        introduce_other(directory, &appointment, role, asked.force_recreate).await?;
    }
    Ok(Json(UserAnswer {
        success: true,
        auth_token: token.expose_secret().to_owned(),
        cometchat_uid: Uid::of(user).as_str().to_owned(),
        error: None,
    }))
}

/// Returns the identity that the request is for. One browser may hold several.
fn caller(identities: &Identities, asked: &UserRequest) -> Result<Identity, Error> {
    let wanted = asked.user_id.as_deref();
    let is_wanted =
        |identity: &Identity| wanted.is_none_or(|id| id.parse() == Ok::<UserId, _>(identity.principal.user));
    match identities.iter().find(is_wanted) {
        Some(identity) => Ok(identity),
        None if identities.iter().next().is_some() => Err(Error::ForAnotherUser),
        None => Err(Error::NotSignedIn),
    }
}

async fn meeting(app: &App, identity: &Identity, id: &str) -> Result<(Appointment, Role), Error> {
    let id: AppointmentId = id.parse().map_err(|_| Error::NotFound)?;
    let sealed = app.store.get_appointment(id).await?.ok_or(Error::NotFound)?;
    sealed.open(&identity.principal, Action::Join, &app.rules, app.clock.now()).map_err(|denial| denied(denial, id))
}

/// Registers the other participant, because CometChat cannot call unknown users.
async fn introduce_other(
    directory: &Directory,
    appointment: &Appointment,
    role: Role,
    again: bool,
) -> Result<(), CometChatError> {
    let other = appointment.participants.counterpart(role);
    directory.introduce(other.id, &Profile::of(other, role.counterpart()), again).await
}

/// Receives CometChat webhooks. Authenticated by HTTP Basic, not for pages.
pub(crate) async fn webhook(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<(), Error> {
    let credentials = app.webhook.as_ref().ok_or(Error::NotFound)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !credentials.admit(given) {
        return Err(Error::WebhookRefused);
    }
    let report: Report =
        serde_json::from_slice(&body).map_err(|_| Error::BadRequest("The body is not a CometChat webhook report."))?;
    let now = app.clock.now();
    let Some(report) = report.to_remember(now) else { return Ok(()) };
    let mut transaction = app.store.begin().await?;
    if let Receipt::New(about) = transaction.insert_backend_report(&report).await? {
        let entry = AuditEntry::new(now, AuditAction::BackendReported).with_detail(report.event);
        let entry = match about {
            Some(about) => entry.of_appointment(about.appointment).of_visit(about.visit),
            None => entry,
        };
        transaction.append_audit(&entry).await?;
    }
    Ok(transaction.commit().await?)
}
