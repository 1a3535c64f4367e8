//! Who there is, and who is shut out. For administrators.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{Html, Redirect};
use bedside_store::Listed;
use bedside_visit::UserId;
use bedside_visit::permission::ClinicRole;
use serde::Deserialize;

use super::{Layout, render};
use crate::app::App;
use crate::auth::{Clerk, ShuttingOut};
use crate::error::Error;
use crate::people::set_disabled;
use crate::reads::everyone;

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    layout: Layout,
    rows: Vec<Row>,
}

struct Row {
    user: String,
    name: String,
    about: String,
    disabled: bool,
    you: bool,
}

/// `GET /people`.
pub(crate) async fn show(State(app): State<App>, clerk: Clerk<ShuttingOut>) -> Result<Html<String>, Error> {
    let user = clerk.identity.principal.user;
    let you = app.store.get_person(user).await?.ok_or(Error::NotSignedIn)?;
    let mut everyone = everyone(&app, &clerk.identity).await?;
    everyone.sort_by_cached_key(|one| one.person.name.reveal().to_lowercase());
    render(&PeoplePage {
        layout: Layout::new(&app).signed_in(you.name.reveal()),
        rows: everyone.iter().map(|one| Row::new(one, user)).collect(),
    })
}

#[derive(Deserialize)]
pub(crate) struct Standing {
    user: UserId,
    disabled: bool,
}

/// `POST /people`: shuts somebody out, or lets them in again.
pub(crate) async fn set_standing(
    State(app): State<App>,
    clerk: Clerk<ShuttingOut>,
    Form(standing): Form<Standing>,
) -> Result<Redirect, Error> {
    let actor = clerk.identity.actor();
    if standing.user == actor.user {
        return Err(Error::BadRequest("You cannot shut yourself out."));
    }
    app.store.get_person(standing.user).await?.ok_or(Error::NotFound)?;
    let mut transaction = app.store.begin().await?;
    set_disabled(&mut *transaction, standing.user, standing.disabled, Some(actor), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Redirect::to("/people"))
}

impl Row {
    fn new(one: &Listed, you: UserId) -> Self {
        let place = one.clinic_role.map(|role| match role {
            ClinicRole::Staff => "front desk",
            ClinicRole::Admin => "administrator",
            ClinicRole::Integrator => "program",
        });
        let account = if one.email.is_some() { "signs in" } else { "comes by link" };
        let about: Vec<&str> = [one.person.specialty.as_deref(), place, Some(account)].into_iter().flatten().collect();
        Self {
            user: one.person.id.to_string(),
            name: one.person.name.reveal().clone(),
            about: about.join(" · "),
            disabled: one.disabled_at.is_some(),
            you: one.person.id == you,
        }
    }
}
