//! The list of all people known to the clinic, with disabled accounts. For administrators.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_store::Listed;
use bedside_visit::UserId;
use bedside_visit::permission::ClinicRole;
use bedside_visit::text::isolated;
use serde::Deserialize;

use crate::app::App;
use crate::audit::access_log::everyone;
use crate::auth::{Clerk, ShuttingOut};
use crate::clinic::people::set_disabled;
use crate::http::error::Error;
use crate::http::form::Form;
use crate::pages::confirm::{Born, ConfirmPage};
use crate::pages::{Layout, render};

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    layout: Layout,
    rows: Vec<Row>,
}

struct Row {
    user: String,
    name: String,
    born: Option<Born>,
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
    /// Whether the user has confirmed the action.
    #[serde(default)]
    sure: bool,
}

/// `POST /people`: disables or enables an account. Disabling asks for confirmation first.
pub(crate) async fn set_standing(
    State(app): State<App>,
    clerk: Clerk<ShuttingOut>,
    Form(standing): Form<Standing>,
) -> Result<Response, Error> {
    let actor = clerk.identity.actor();
    if standing.user == actor.user {
        return Err(Error::BadRequest("You can't disable your own account."));
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
    let row = Row::new(one, you);
    render(&ConfirmPage {
        layout: Layout::new(app).signed_in(name.reveal()),
        question: "Disable the account of",
        name: row.name,
        born: row.born,
        about: row.about,
        visit: None,
        zone: String::new(),
        effect: "They are signed out on every device and leave any visit within a second. Their links stop working. You can \
                 enable the account again.",
        action: "/people".to_owned(),
        fields: vec![("user", row.user), ("disabled", "true".to_owned())],
        yes: "Disable account",
        no: "Keep account",
        back: "/people".to_owned(),
    })
}

impl Row {
    fn new(one: &Listed, you: UserId) -> Self {
        let place = one.clinic_role.map(|role| match role {
            ClinicRole::Staff => "front desk",
            ClinicRole::Admin => "administrator",
            ClinicRole::Integrator => "program",
        });
        let account = match &one.email {
            Some(email) => format!("signs in as {}", email.reveal()),
            None => "comes by link".to_owned(),
        };
        let specialty = one.person.specialty.as_deref().map(|text| isolated(text).into_owned());
        let about = [specialty, place.map(str::to_owned), Some(account)];
        let about: Vec<String> = about.into_iter().flatten().collect();
        Self {
            user: one.person.id.to_string(),
            name: one.person.name.reveal().clone(),
            born: one.person.birth_date.as_ref().map(|date| Born::on(*date.reveal())),
            about: about.join(" · "),
            disabled: one.disabled_at.is_some(),
            you: one.person.id == you,
        }
    }
}
