//! Links into a visit, for the patient and for whoever else may come.

use axum::Json;
use axum::extract::{Path, State};
use bedside_store::{Actor, Transaction};
use bedside_visit::{Appointment, Companion, Role, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Nothing, Success};
use crate::admissions;
use crate::app::App;
use crate::auth::{Accompanying, Arranging, Linking};
use crate::error::{Error, Problem};
use crate::invites::{add_companion_once, add_invite, invite_url};
use crate::once::{IdempotencyKey, Once};
use crate::people;
use crate::text::civil_date;

/// For whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewInvite {
    /// One of the appointment's people; the patient, if it is not given.
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<UserId>,
}

/// Somebody else who may come, and has no account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewCompanion {
    /// The name others see, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// As what.
    role: CompanionRole,
}

/// As what somebody may come beside patient and provider.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CompanionRole {
    /// Family or a friend, at the patient's side.
    Guest,
    /// Who translates between them.
    Interpreter,
    /// Who watches and listens, and is neither seen nor heard.
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

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteData {
    /// Whom it lets in.
    user_id: String,
    /// The link to give to them. It is shown this once.
    url: String,
}

/// A new link for one of an appointment's people. Their links that were not used yet stop working.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/invites",
    params(("id" = String, Path, description = "The appointment's id")),
    request_body = NewInvite,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<InviteData>), description = "The link"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Not for the provider, who signs in"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not its provider, nor of the front desk"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, or not yours"),
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
        return Err(Error::BadRequest("Providers sign in: there are no links for them."));
    }
    let mut transaction = app.store.begin().await?;
    let data = link(&app, &mut *transaction, &appointment, user, identity.actor()).await?;
    transaction.commit().await?;
    Ok(Success::of(data))
}

/// Somebody's links to an appointment are taken away, and whoever came by them is out within a second. A guest,
/// interpreter or observer may not come any more.
#[utoipa::path(
    delete,
    path = "/api/appointments/{id}/invites/{user}",
    params(
        ("id" = String, Path, description = "The appointment's id"),
        ("user" = String, Path, description = "Whose links"),
    ),
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<Nothing>), description = "Done"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not its provider, nor of the front desk"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, not yours, or nobody of it"),
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
    crate::invites::revoke(&mut *transaction, &appointment, user, identity.actor(), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Success::of(Nothing {}))
}

/// Whether a device is let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// True: the device is let in, and the one before it is out. False: it is not.
    admit: bool,
}

/// Answers somebody who asks to come in on another device than the one that used their link.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/admissions/{admission}",
    params(
        ("id" = String, Path, description = "The appointment's id"),
        ("admission" = String, Path, description = "Which, as signalling's `admissions` names it"),
    ),
    request_body = Answer,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<Nothing>), description = "Done"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Neither yes nor no"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not its provider, nor of the front desk"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, not yours, or answered before"),
    ),
)]
pub(crate) async fn answer(
    State(app): State<App>,
    arranging: Arranging<Linking>,
    Path((_, admission)): Path<(String, String)>,
    Json(Answer { admit }): Json<Answer>,
) -> Result<Json<Success<Nothing>>, Error> {
    let id = admission.parse().map_err(|_| Error::NotFound)?;
    admissions::answer(&app, &arranging.appointment, id, admit, arranging.identity.actor()).await?;
    Ok(Success::of(Nothing {}))
}

/// Somebody else may come, as guest, interpreter or observer; with a link for them.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/companions",
    params(
        ("id" = String, Path, description = "The appointment's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The request's own name, 1 to 255 characters: the same request under the same name within a day is done once"),
    ),
    request_body = NewCompanion,
    security(("session" = []), ("token" = ["appointments:write"])),
    responses(
        (status = 200, body = inline(Success<InviteData>), description = "The link"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Nobody can be called that, or there are eight already"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not its provider, nor of the front desk"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, or not yours"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Another request had this Idempotency-Key"),
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
