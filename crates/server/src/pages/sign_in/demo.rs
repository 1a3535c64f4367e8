//! The sign-in page of a demo clinic. Available only in demo mode.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use bedside_visit::AppointmentId;

use crate::app::App;
use crate::auth::Identities;
use crate::clinic::demo::{PROVIDER, people};
use crate::http::error::Error;
use crate::pages::sign_in::{How, sign_in};
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "demo.html")]
struct DemoPage {
    layout: Layout,
    provider: String,
}

/// `GET /demo/{token}`.
pub(crate) async fn show(State(app): State<App>, Path(token): Path<String>) -> Result<Html<String>, Error> {
    behind(&app, &token)?;
    let (_, provider) = people();
    render(&DemoPage { layout: Layout::new(&app), provider: provider.name.reveal().clone() })
}

/// `POST /demo/{token}`.
pub(crate) async fn enter(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    jar: CookieJar,
    identities: Identities,
) -> Result<Response, Error> {
    let appointment = behind(&app, &token)?;
    let jar = sign_in(&app, jar, PROVIDER, &identities, &headers, How::Demo).await?;
    Ok((jar, Redirect::to(&format!("/video-call/provider?appointmentId={appointment}"))).into_response())
}

fn behind(app: &App, token: &str) -> Result<AppointmentId, Error> {
    app.demo.as_ref().and_then(|demo| demo.open(token)).ok_or(Error::NotFound)
}
