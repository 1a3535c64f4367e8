//! The clinic's people, for the front desk and API clients.

use axum::Json;
use axum::extract::{Path, State};
use bedside_store::{Listed, NewUser};
use bedside_visit::{Private, UserId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::success::{Nothing, Success};
use crate::app::App;
use crate::audit::access_log::everyone;
use crate::auth::{AddingPeople, Clerk, ListingPeople, ShuttingOut};
use crate::clinic::people;
use crate::http::error::{Error, Problem};
use crate::http::idempotency::{IdempotencyKey, Once};
use crate::text::civil_date;

/// Person to add. They have no account and join visits with a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// Display name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Date of birth of a patient, YYYY-MM-DD.
    #[schema(value_type = Option<String>, format = Date)]
    birth_date: Option<Date>,
    /// Specialty of a provider.
    #[schema(max_length = 200)]
    specialty: Option<String>,
}

/// Added person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonData {
    /// User ID.
    user_id: String,
    /// Display name.
    name: String,
}

/// Person in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedPerson {
    /// User ID.
    user_id: String,
    /// Display name.
    name: String,
    /// Specialty of a provider.
    specialty: Option<String>,
    /// Date of birth of a patient, YYYY-MM-DD.
    birth_date: Option<String>,
    /// Clinic role: `staff` or `admin`.
    clinic_role: Option<&'static str>,
    /// Whether the person has an account to sign in with.
    has_account: bool,
    /// Whether the person's access is disabled.
    disabled: bool,
}

/// Access state of a person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    /// `true`: end all sessions, disconnect the person from any visit and refuse further access. `false`: allow access
    /// again.
    disabled: bool,
}

/// Adds a person without an account.
#[utoipa::path(
    post,
    path = "/api/people",
    params(("Idempotency-Key" = Option<String>, Header, description = "Idempotency key, 1 to 255 characters. A repeated request with the same key within a day has no further effect")),
    request_body = NewPerson,
    security(("session" = []), ("token" = ["people:write"])),
    responses(
        (status = 200, body = inline(Success<PersonData>), description = "Person added"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Invalid name, date of birth or specialty"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Neither front desk staff nor a token with the required scope"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The Idempotency-Key was used for a different request"),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    clerk: Clerk<AddingPeople>,
    key: IdempotencyKey,
    Json(new): Json<NewPerson>,
) -> Result<Json<Success<PersonData>>, Error> {
    let birth_date = new.birth_date.map(|date| date.to_string()).unwrap_or_default();
    let asked = [new.name.as_str(), &birth_date, new.specialty.as_deref().unwrap_or_default()];
    let once = Once::of_program(&clerk.identity, "person", &key, &asked);
    let today = civil_date(app.clock.now(), &app.zone);
    let person = people::new_person(&new.name, new.specialty, new.birth_date.map(Private::new), today)?;
    let mut added = PersonData { user_id: person.id.to_string(), name: person.name.reveal().clone() };
    let mut transaction = app.store.begin().await?;
    if let Some(once) = &once {
        if let Some(made) = once.made(&mut *transaction).await? {
            added.user_id = UserId::new(made).to_string();
            return Ok(Success::of(added));
        }
        once.keep(&mut *transaction, person.id.uuid(), app.clock.now()).await?;
    }
    let actor = Some(clerk.identity.actor());
    let user = NewUser { person, email: None, password_hash: None };
    people::add(&mut *transaction, &user, actor, app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Success::of(added))
}

/// Lists all people, ordered by name.
#[utoipa::path(
    get,
    path = "/api/people",
    security(("session" = [])),
    responses(
        (status = 200, body = inline(Success<Vec<ListedPerson>>), description = "People"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not front desk staff"),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    clerk: Clerk<ListingPeople>,
) -> Result<Json<Success<Vec<ListedPerson>>>, Error> {
    let mut listed = everyone(&app, &clerk.identity).await?;
    listed.sort_by_cached_key(|one| one.person.name.reveal().to_lowercase());
    Ok(Success::of(listed.into_iter().map(ListedPerson::from).collect()))
}

/// Disables or enables a person's access.
#[utoipa::path(
    put,
    path = "/api/people/{id}/standing",
    params(("id" = String, Path, description = "User ID")),
    request_body = Standing,
    security(("session" = [])),
    responses(
        (status = 200, body = inline(Success<Nothing>), description = "Done"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Administrators cannot disable their own account"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not an administrator"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "User not found"),
    ),
)]
pub(crate) async fn set_standing(
    State(app): State<App>,
    clerk: Clerk<ShuttingOut>,
    Path(id): Path<String>,
    Json(standing): Json<Standing>,
) -> Result<Json<Success<Nothing>>, Error> {
    let id: UserId = id.parse().map_err(|_| Error::NotFound)?;
    let actor = clerk.identity.actor();
    if id == actor.user {
        return Err(Error::BadRequest("You cannot disable your own account."));
    }
    app.store.get_person(id).await?.ok_or(Error::NotFound)?;
    let mut transaction = app.store.begin().await?;
    people::set_disabled(&mut *transaction, id, standing.disabled, Some(actor), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Success::of(Nothing {}))
}

impl From<Listed> for ListedPerson {
    fn from(listed: Listed) -> Self {
        let Listed { person, email, clinic_role, disabled_at, .. } = listed;
        Self {
            user_id: person.id.to_string(),
            name: person.name.reveal().clone(),
            specialty: person.specialty,
            birth_date: person.birth_date.map(|date| date.reveal().to_string()),
            clinic_role: clinic_role.map(bedside_visit::permission::ClinicRole::as_str),
            has_account: email.is_some(),
            disabled: disabled_at.is_some(),
        }
    }
}
