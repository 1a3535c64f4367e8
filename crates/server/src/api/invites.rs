//! Links into a visit, for the participants of an appointment.

use axum::Json;
use axum::extract::{Path, State};
use bedside_store::{Actor, Transaction};
use bedside_visit::{Appointment, Companion, Role, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::success::{Nothing, Success};
use crate::app::App;
use crate::auth::{Accompanying, Arranging, Linking};
use crate::clinic::device_requests;
use crate::clinic::invites::{add_companion_once, add_invite, invite_url};
use crate::clinic::people;
use crate::http::error::{Error, Problem};
use crate::http::idempotency::{IdempotencyKey, Once};
use crate::text::civil_date;

/// Recipient of a new link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewInvite {
    /// User ID of a participant. Defaults to the patient.
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<UserId>,
}

/// Companion without an account who may join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewCompanion {
    /// Display name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Role in the visit.
    role: CompanionRole,
}

/// Role of a companion in a visit.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CompanionRole {
    /// Family member or friend who accompanies the patient.
    Guest,
    /// Interpreter between patient and provider.
    Interpreter,
    /// Observer who watches and listens, but is neither seen nor heard.
    Observer,
}

impl From<CompanionRole> for Role {
    fn from(role: CompanionRole) -> Self {
        match role {
            CompanionRole::Guest => Self::Guest,
            CompanionRole::Interpreter => Self::Interpreter,
            CompanionRole::Observer => Self::Observer,
        }
    }
}

/// Link into a visit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteData {
    /// User ID of the person who joins with the link.
    user_id: String,
    /// URL of the link. It is shown only once.
    url: String,
}

/// Creates a link for a participant of an appointment.
///
/// Unused earlier links of the participant stop working.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/invites",
    params(("id" = String, Path, description = "Appointment ID")),
    request_body = NewInvite,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<InviteData>), description = "New link"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Providers sign in and have no links"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither the provider, nor front desk staff, nor a token with the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not found, or no access"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Json(new): Json<NewInvite>,
) -> Result<Json<Success<InviteData>>, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    let user = new.user_id.unwrap_or(appointment.participants.patient.id);
    if user == appointment.participants.provider.id {
        return Err(Error::BadRequest("Providers sign in. They don't need a link."));
    }
    let mut transaction = app.store.begin().await?;
    let data = link(&app, &mut *transaction, &appointment, user, identity.actor()).await?;
    transaction.commit().await?;
    Ok(Success::of(data))
}

/// Revokes a participant's links to an appointment.
///
/// Anyone who joined with one is disconnected within a second. A guest, interpreter or observer is removed from the
/// appointment.
#[utoipa::path(
    delete,
    path = "/api/appointments/{id}/invites/{user}",
    params(
        ("id" = String, Path, description = "Appointment ID"),
        ("user" = String, Path, description = "User ID of the participant"),
    ),
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<Nothing>), description = "Done"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither the provider, nor front desk staff, nor a token with the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Appointment or participant not found, or no access"),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Path((_, user)): Path<(String, String)>,
) -> Result<Json<Success<Nothing>>, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    let user: UserId = user.parse().map_err(|_| Error::NotFound)?;
    let mut transaction = app.store.begin().await?;
    crate::clinic::invites::revoke(&mut *transaction, &appointment, user, identity.actor(), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Success::of(Nothing {}))
}

/// Decision about a device request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// `true`: admit the device and disconnect the previous one. `false`: reject it.
    admit: bool,
}

/// Decides on a request to join from another device than the one that used the link.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/admissions/{admission}",
    params(
        ("id" = String, Path, description = "Appointment ID"),
        ("admission" = String, Path, description = "Admission ID, from the signalling message `admissions`"),
    ),
    request_body = Answer,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<Nothing>), description = "Done"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Invalid decision"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither the provider, nor front desk staff, nor a token with the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not found, no access, or already answered"),
    ),
)]
pub(crate) async fn answer(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Path((_, admission)): Path<(String, String)>,
    Json(Answer { admit }): Json<Answer>,
) -> Result<Json<Success<Nothing>>, Error> {
    let id = admission.parse().map_err(|_| Error::NotFound)?;
    device_requests::answer(&app, &arranging.appointment, id, admit, arranging.identity.actor()).await?;
    Ok(Success::of(Nothing {}))
}

/// Adds a guest, interpreter or observer to an appointment and creates a link for them.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/companions",
    params(
        ("id" = String, Path, description = "Appointment ID"),
        ("Idempotency-Key" = Option<String>, Header, description = "Idempotency key, 1 to 255 characters. A repeated request with the same key within a day has no further effect"),
    ),
    request_body = NewCompanion,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<InviteData>), description = "New link"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Invalid name, or the visit already has eight participants"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither the provider, nor front desk staff, nor a token with the required scope"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not found, or no access"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The Idempotency-Key was used for a different request"),
    ),
)]
pub(crate) async fn accompany(
    State(app): State<App>,
    arranging: Arranging<Accompanying>,
    key: IdempotencyKey,
    Json(new): Json<NewCompanion>,
) -> Result<Json<Success<InviteData>>, Error> {
    let Arranging { appointment, identity, .. } = arranging;
    let person = people::new_person(&new.name, None, None, civil_date(app.clock.now(), &app.zone))?;
    let companion = Companion { role: new.role.into(), person };
    let kind = format!("companion of {}", appointment.id);
    let once = Once::of_program(&identity, &kind, &key, &[&new.name, companion.role.as_str()]);
    let mut transaction = app.store.begin().await?;
    let (actor, now) = (identity.actor(), app.clock.now());
    let (appointment, user) =
        add_companion_once(&mut *transaction, appointment, companion, once.as_ref(), actor, now).await?;
    let data = link(&app, &mut *transaction, &appointment, user, actor).await?;
    transaction.commit().await?;
    Ok(Success::of(data))
}

async fn link(
    app: &App,
    transaction: &mut dyn Transaction,
    appointment: &Appointment,
    user: UserId,
    actor: Actor,
) -> Result<InviteData, Error> {
    let closes = appointment.closes(&app.rules);
    let token = add_invite(transaction, appointment, user, closes, Some(actor), app.clock.now()).await?;
    Ok(InviteData { user_id: user.to_string(), url: invite_url(&app.config.server.public_url, &token) })
}
