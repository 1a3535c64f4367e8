//! JSON API, described by `/api/openapi.json`.

pub(crate) mod appointments;
pub(crate) mod bookings;
pub(crate) mod cometchat;
pub(crate) mod invites;
pub(crate) mod people;
mod success;
pub(crate) mod token;

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::http::error::Problem;
use crate::signalling;

/// OpenAPI description, generated from the code.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bedside",
        description = "Video visits for clinics. Errors are RFC 9457 problem details. Another user's appointment and a missing appointment cannot be distinguished.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        appointments::get,
        bookings::list,
        bookings::create,
        bookings::cancel,
        invites::create,
        invites::revoke,
        invites::accompany,
        invites::answer,
        people::list,
        people::create,
        people::set_standing,
        token::create,
        cometchat::user,
        signalling::upgrade
    ),
    components(schemas(Problem)),
    modifiers(&Proofs, &Refusals),
)]
pub(crate) struct Description;

struct Proofs;

impl Modify for Proofs {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, cookie, what) in [
            (
                "session",
                "__Host-bedside-session",
                "Session of a user. Without the `__Host-` prefix on plain-http localhost.",
            ),
            (
                "visit",
                "__Host-bedside-visit",
                "Session of a participant who joined by link. Each link has its own cookie: this name with a suffix. Without the `__Host-` prefix on plain-http localhost.",
            ),
        ] {
            let value = ApiKeyValue::with_description(cookie, what);
            components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Cookie(value)));
        }
        let client = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some("Client ID and client secret."));
        components.add_security_scheme("client", SecurityScheme::Http(client.build()));
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let token = token.description(Some("Access token from `/api/token` with the listed scopes."));
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    }
}

/// Adds the error responses that any state-changing request may receive before its handler runs.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for item in openapi.paths.paths.values_mut() {
            let changing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in changing.into_iter().filter_map(Option::as_mut) {
                let with_body = operation.request_body.is_some();
                let refusals = [
                    ("400", "Missing or malformed body", with_body),
                    ("403", "Cross-origin request", true),
                    ("408", "Body not received in time", with_body),
                    ("413", "Body larger than 64 KiB", with_body),
                    ("415", "Body is not JSON", with_body),
                ];
                for (status, description, _) in refusals.into_iter().filter(|(.., applies)| *applies) {
                    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                    let response = ResponseBuilder::new().description(description);
                    let response = response.content("application/problem+json", problem).build();
                    operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
                }
            }
        }
    }
}

/// Serves `GET /api/openapi.json`.
pub(crate) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
