//! Who there is, and who is shut out. For administrators.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_store::Listed;
use bedside_visit::UserId;
use bedside_visit::permission::ClinicRole;
use bedside_visit::text::isolated;
use serde::Deserialize;

use super::{Layout, render};
use crate::app::App;
use crate::auth::{Clerk, ShuttingOut};
use crate::error::Error;
use crate::form::Form;
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

/// Whom it concerns, and what becomes of them, before it is done.
#[derive(Template)]
#[template(path = "shut_out.html")]
struct ShutOutPage {
    layout: Layout,
    row: Row,
}

#[derive(Deserialize)]
pub(crate) struct Standing {
    user: UserId,
    disabled: bool,
    /// They were asked, and are sure.
    #[serde(default)]
    sure: bool,
}

/// `POST /people`: shuts somebody out, or lets them in again. Before somebody is shut out it is asked whether it is they.
pub(crate) async fn set_standing(
    State(app): State<App>,
    clerk: Clerk<ShuttingOut>,
    Form(standing): Form<Standing>,
) -> Result<Response, Error> {
    let actor = clerk.identity.actor();
    if standing.user == actor.user {
        return Err(Error::BadRequest("You cannot shut yourself out."));
    }
    app.store.get_person(standing.user).await?.ok_or(Error::NotFound)?;
    if standing.disabled && !standing.sure {
        return Ok(ask(&app, &clerk, standing.user).await?.into_response());
    }
    let mut transaction = app.store.begin().await?;
    set_disabled(&mut *transaction, standing.user, standing.disabled, Some(actor), app.clock.now()).await?;
    transaction.commit().await?;
    Ok(Redirect::to("/people").into_response())
}

async fn ask(app: &App, clerk: &Clerk<ShuttingOut>, user: UserId) -> Result<Html<String>, Error> {
    let you = clerk.identity.principal.user;
    let name = app.store.get_person(you).await?.ok_or(Error::NotSignedIn)?.name;
    let everyone = everyone(app, &clerk.identity).await?;
    let one = everyone.iter().find(|one| one.person.id == user).ok_or(Error::NotFound)?;
    render(&ShutOutPage { layout: Layout::new(app).signed_in(name.reveal()), row: Row::new(one, you) })
}

impl Row {
    fn new(one: &Listed, you: UserId) -> Self {
        let place = one.clinic_role.map(|role| match role {
            ClinicRole::Staff => "front desk",
            ClinicRole::Admin => "administrator",
            ClinicRole::Integrator => "program",
        });
        let born = one.person.birth_date.as_ref().map(|date| format!("born {}", date.reveal()));
        let account = match &one.email {
            Some(email) => format!("signs in as {}", email.reveal()),
            None => "comes by link".to_owned(),
        };
        let specialty = one.person.specialty.as_deref().map(|text| isolated(text).into_owned());
        let about = [born, specialty, place.map(str::to_owned), Some(account)];
        let about: Vec<String> = about.into_iter().flatten().collect();
        Self {
            user: one.person.id.to_string(),
            name: one.person.name.reveal().clone(),
            about: about.join(" · "),
            disabled: one.disabled_at.is_some(),
            you: one.person.id == you,
        }
    }
}
