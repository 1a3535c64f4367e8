//! New patient links, for a provider.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Success;
use crate::app::App;
use crate::auth::{Access, Inviting};
use crate::error::{Error, Problem};
use crate::invites::{add_invite, invite_url};

/// Nothing to say yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvite {}

/// A patient link.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InviteData {
    /// The link to give to the patient. It is shown this once.
    url: String,
}

/// A new link for the patient of an appointment. The ones that were not used yet stop working.
#[utoipa::path(
    post,
    path = "/api/appointments/{id}/invites",
    params(("id" = String, Path, description = "The appointment's id")),
    request_body = NewInvite,
    security(("session" = [])),
    responses(
        (status = 200, body = inline(Success<InviteData>), description = "The link"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not its provider"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Missing, or not yours"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: Access<Inviting>,
    Json(NewInvite {}): Json<NewInvite>,
) -> Result<Json<Success<InviteData>>, Error> {
    let mut transaction = app.store.begin().await?;
    let actor = Some(access.identity.principal.user);
    let closes = access.appointment.closes(&app.rules);
    let token = add_invite(&mut *transaction, &access.appointment, closes, actor, app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Success::of(InviteData { url: invite_url(&app.config.server.public_url, &token) }))
}
