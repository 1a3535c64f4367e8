//! The visits that a browser can join by link, if there are several.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_visit::permission::{Action, Scope};

use crate::app::App;
use crate::auth::Identities;
use crate::http::error::Error;
use crate::pages::{Layout, call_path, render};
use crate::text::{day_and_time, rfc3339};

#[derive(Template)]
#[template(path = "visits.html")]
struct VisitsPage {
    layout: Layout,
    visits: Vec<OpenVisit>,
}

/// A visit that can be joined.
pub(in crate::pages) struct OpenVisit {
    pub(in crate::pages) path: String,
    /// The name of the person that the visit is with.
    pub(in crate::pages) other: String,
    pub(in crate::pages) start: String,
    pub(in crate::pages) when: String,
    pub(in crate::pages) zone: String,
}

/// Returns the visits of this browser's links that can be joined now, sorted by start time.
pub(in crate::pages) async fn open_visits(app: &App, identities: &Identities) -> Result<Vec<OpenVisit>, Error> {
    let mut open = Vec::new();
    for identity in &identities.links {
        let Scope::Invite(id, _) = identity.principal.scope else { continue };
        let Some(sealed) = app.store.get_appointment(id).await? else { continue };
        let opened = sealed.open(&identity.principal, Action::Join, &app.rules, app.clock.now());
        let Ok((appointment, role)) = opened else { continue };
        let visit = OpenVisit {
            path: call_path(role, id, identity.principal.user),
            other: appointment.participants.counterpart(role).name.reveal().clone(),
            start: rfc3339(appointment.start),
            when: day_and_time(appointment.start, &app.zone),
            zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        };
        open.push((appointment.start, visit));
    }
    open.sort_by_key(|(start, _)| *start);
    Ok(open.into_iter().map(|(_, visit)| visit).collect())
}

/// Returns the home page of a user who has only links: their visit, a choice of visits, or the last page.
pub(in crate::pages) async fn home(app: &App, identities: &Identities) -> Result<Response, Error> {
    let visits = open_visits(app, identities).await?;
    match visits.as_slice() {
        [] => Ok(Redirect::to("/ended").into_response()),
        [only] => Ok(Redirect::to(&only.path).into_response()),
        [_, _, ..] => {
            let page: Html<String> = render(&VisitsPage { layout: Layout::new(app), visits })?;
            Ok(page.into_response())
        }
    }
}
