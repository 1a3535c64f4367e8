//! Server-rendered HTML pages, readable before any script runs.

pub(crate) mod account;
pub(crate) mod api_docs;
pub(crate) mod clinic;
mod confirm;
pub(crate) mod error;
mod qr;
pub(crate) mod sign_in;
pub(crate) mod visit;

use askama::Template;
use axum::response::Html;
use bedside_visit::{AppointmentId, Role, UserId};

use crate::app::App;
use crate::http::error::Error;
use crate::text::rfc3339_exact;

/// What all pages share.
struct Layout {
    clinic: String,
    stylesheet: String,
    script: String,
    /// The name of the signed-in user, for the header.
    account: Option<String>,
    /// Whether the web client is part of this build.
    built: bool,
    /// The server's clock, because the browser's may be wrong. Used by pages for signed-in users that show how long
    /// ago something happened.
    now: String,
}

impl Layout {
    /// Creates the layout of a page with the common script.
    fn new(app: &App) -> Self {
        Self::with_script(app, "site.js")
    }

    /// Creates the layout of a call page.
    fn of_call(app: &App) -> Self {
        Self::with_script(app, "visit.js")
    }

    fn with_script(app: &App, script: &str) -> Self {
        Self {
            clinic: app.config.clinic.name.clone(),
            stylesheet: app.assets.address("site.css"),
            script: app.assets.address(script),
            account: None,
            built: app.assets.is_built(),
            now: rfc3339_exact(app.clock.now()),
        }
    }

    /// Sets the name of the signed-in user.
    fn signed_in(mut self, name: &str) -> Self {
        self.account = Some(name.to_owned());
        self
    }
}

/// Returns the address of a participant's call page. A companion's address includes their ID, because the patient's
/// link may be open in the same browser.
fn call_path(role: Role, appointment: AppointmentId, user: UserId) -> String {
    match role {
        Role::Patient | Role::Provider => format!("/video-call/{role}?appointmentId={appointment}"),
        Role::Guest | Role::Interpreter | Role::Observer => format!("/appointment/{appointment}?as={user}"),
    }
}

/// Renders a page as a response.
fn render(page: &impl Template) -> Result<Html<String>, Error> {
    Ok(Html(page.render()?))
}
