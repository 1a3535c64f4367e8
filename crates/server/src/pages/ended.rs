//! Where people go when they are done.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use bedside_visit::permission::Scope;

use super::{Layout, call_path, render};
use crate::app::App;
use crate::auth::Identities;
use crate::error::Error;

#[derive(Template)]
#[template(path = "ended.html")]
struct EndedPage {
    layout: Layout,
    back: Option<String>,
}

/// `GET /ended`.
pub(crate) async fn show(State(app): State<App>, identities: Identities) -> Result<Html<String>, Error> {
    let back = identities.invite.and_then(|identity| match identity.principal.scope {
        Scope::Invite(appointment, role) => Some(call_path(role, appointment)),
        Scope::Account(_) | Scope::Token(_) => None,
    });
    render(&EndedPage { layout: Layout::new(&app), back })
}
