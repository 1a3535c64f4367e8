//! The page shown after leaving a visit.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use crate::app::App;
use crate::auth::Identities;
use crate::http::error::Error;
use crate::pages::visit::visits::{OpenVisit, open_visits};
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "ended.html")]
struct EndedPage {
    layout: Layout,
    /// The visits of this browser's links that can be rejoined.
    visits: Vec<OpenVisit>,
    /// Whether this browser still has any link session.
    remembers: bool,
}

/// `GET /ended`.
pub(crate) async fn show(State(app): State<App>, identities: Identities) -> Result<Html<String>, Error> {
    let visits = open_visits(&app, &identities).await?;
    render(&EndedPage { layout: Layout::new(&app), visits, remembers: !identities.links.is_empty() })
}
