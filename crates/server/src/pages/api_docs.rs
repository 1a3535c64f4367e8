//! The human-readable API reference.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use bedside_visit::{AppointmentId, Role, Timestamp};
use utoipa::OpenApi as _;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;
use uuid::Uuid;

use crate::api::Description;
use crate::app::App;
use crate::http::error::{Error, Problem, TokenFault};
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    layout: Layout,
    description: String,
    operations: Vec<Row>,
    problems: Vec<Problem>,
}

struct Row {
    method: &'static str,
    path: String,
    summary: String,
    responses: Vec<(String, String)>,
}

/// `GET /api`.
pub(crate) async fn show(State(app): State<App>) -> Result<Html<String>, Error> {
    let api = Description::openapi();
    let operations = api.paths.paths.iter().flat_map(|(path, item)| {
        [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)]
            .into_iter()
            .filter_map(move |(method, operation)| operation.as_ref().map(|operation| row(method, path, operation)))
    });
    render(&ApiPage {
        layout: Layout::new(&app),
        operations: operations.collect(),
        description: api.info.description.clone().unwrap_or_default(),
        problems: every_problem(),
    })
}

fn row(method: &'static str, path: &str, operation: &Operation) -> Row {
    let responses = operation.responses.responses.iter().map(|(status, response)| {
        let meaning = match response {
            RefOr::T(response) => response.description.clone(),
            RefOr::Ref(reference) => reference.ref_location.clone(),
        };
        (status.clone(), meaning)
    });
    Row {
        method,
        path: path.to_owned(),
        summary: operation.summary.clone().unwrap_or_default(),
        responses: responses.collect(),
    }
}

fn every_problem() -> Vec<Problem> {
    let appointment = AppointmentId::new(Uuid::nil());
    [
        Error::BadRequest("Something in the request is missing or malformed."),
        Error::NoAppointmentId,
        Error::NotSignedIn,
        Error::CrossOrigin,
        Error::WrongRole { role: Role::Patient, appointment },
        Error::TooEarly { opens: Timestamp::from_millis(0) },
        Error::Closed,
        Error::Cancelled,
        Error::NotAllowed,
        Error::Token(TokenFault::Client),
        Error::LinkUsed,
        Error::NotFound,
        Error::MethodNotAllowed,
        Error::RequestTimeout,
        Error::TooLarge,
        Error::UnsupportedMediaType,
        Error::TooManyAttempts { retry_after: 1 },
        Error::Internal,
        Error::Busy,
    ]
    .iter()
    .map(Error::problem)
    .collect()
}
