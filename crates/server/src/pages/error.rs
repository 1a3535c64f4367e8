//! Error pages with a link to continue.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::app::App;
use crate::auth::Identities;
use crate::http::error::Error;
use crate::pages::{Layout, render};
use crate::text::{day_and_time, percent_encode, rfc3339};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    title: &'static str,
    detail: String,
    opens: Option<(String, String)>,
    zone: String,
    way_out: String,
    way_out_label: &'static str,
}

/// Renders the errors of page requests as pages. Users who are not signed in are redirected to sign-in and back
/// afterwards.
pub(crate) async fn as_page(State(app): State<App>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let response = next.run(request).await;
    match response.extensions().get::<Error>().cloned() {
        Some(Error::NotSignedIn) => Redirect::to(&sign_in_address(&uri)).into_response(),
        Some(error) => page(&app, &error, &way_out(&app, &error, &uri, headers).await, response),
        None => response,
    }
}

/// The target and label of the button on an error page.
type WayOut = (String, &'static str);

const HOME: &str = "/";

/// Returns where to continue: users with an account go to their day, users with a link go to its visit.
async fn way_out(app: &App, error: &Error, uri: &Uri, headers: HeaderMap) -> WayOut {
    let again = (uri.path_and_query().map_or(HOME, |address| address.as_str()).to_owned(), "Try again");
    match error {
        Error::WrongRole { appointment, .. } => return (format!("/appointment/{appointment}"), "Go to your page"),
        Error::WrongPassword | Error::SecondStepRequired => return ("/account".to_owned(), "Back to your account"),
        Error::TooManyAttempts { .. } | Error::IdentityProvider | Error::NotLetIn | Error::NotConnected => {
            return ("/sign-in".to_owned(), "Back to sign-in");
        }
        Error::TooEarly { .. } | Error::Busy | Error::CometChat | Error::Internal | Error::RequestTimeout => {
            return again;
        }
        Error::NotSignedIn
        | Error::NotFound
        | Error::NoAppointmentId
        | Error::Closed
        | Error::Cancelled
        | Error::NoCometChat
        | Error::CallForTwo
        | Error::ForAnotherUser
        | Error::WebhookRefused
        | Error::PasskeyRefused
        | Error::LinkUsed
        | Error::CrossOrigin
        | Error::BadRequest(_)
        | Error::Conflict(_)
        | Error::KeyReused
        | Error::TooLarge
        | Error::UnsupportedMediaType
        | Error::MethodNotAllowed
        | Error::NotAllowed
        | Error::Token(_) => {}
    }
    let identities = Identities::of(app, &headers).await.unwrap_or_default();
    match (identities.account, identities.links.is_empty(), error) {
        (Some(_), _, _) => (HOME.to_owned(), "Go to your appointments"),
        (None, _, Error::Closed | Error::Cancelled | Error::LinkUsed) => ("/ended".to_owned(), "Close"),
        (None, false, _) => (HOME.to_owned(), "Go to your visit"),
        (None, true, _) => ("/sign-in".to_owned(), "Go to sign-in"),
    }
}

/// Handles unknown addresses: browsers get a page, API clients get a problem response.
pub(crate) async fn not_found(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let response = Error::NotFound.into_response();
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if wants_page && !uri.path().starts_with("/api/") {
        page(&app, &Error::NotFound, &way_out(&app, &Error::NotFound, &uri, headers).await, response)
    } else {
        response
    }
}

/// Renders an error page with the status and headers of `response`.
fn page(app: &App, error: &Error, way_out: &WayOut, response: Response) -> Response {
    let problem = error.problem();
    let (way_out, way_out_label) = way_out.clone();
    let opens = if let Error::TooEarly { opens } = error {
        Some((rfc3339(*opens), day_and_time(*opens, &app.zone)))
    } else {
        None
    };
    let zone = app.zone.iana_name().unwrap_or_default().to_owned();
    let layout = Layout::new(app);
    let body = ErrorPage { layout, title: problem.title, detail: problem.detail, opens, zone, way_out, way_out_label };
    let Ok(html) = render(&body) else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, axum::body::Body::from(html.0))
}

fn sign_in_address(from: &Uri) -> String {
    let back = from.path_and_query().map_or("/", |address| address.as_str());
    if back == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={}", percent_encode(back, b"/")) }
}
