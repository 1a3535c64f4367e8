//! Booking a visit, at the front desk.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_store::{Listed, NewUser};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{Person, Private, Timestamp, UserId};
use jiff::civil::{Date, Time};
use serde::Deserialize;

use super::{Layout, render};
use crate::app::App;
use crate::auth::{Booking, Clerk};
use crate::bookings::{BookingFault, NewBooking, book};
use crate::error::Error;
use crate::people;
use crate::reads::everyone;
use crate::text::{civil_date, moment_of};

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage {
    layout: Layout,
    form: BookForm,
    patients: Vec<Choice>,
    providers: Vec<Choice>,
    minutes: [u32; 6],
    fault: Option<Fault>,
}

/// Somebody to choose.
struct Choice {
    user: String,
    /// Name, and what tells them from others of that name.
    words: String,
}

struct Fault {
    field: &'static str,
    detail: &'static str,
}

/// As it was filled in. Empty patient: somebody new.
#[derive(Deserialize, Default)]
pub(crate) struct BookForm {
    #[serde(default)]
    patient: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    birth_date: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    minutes: u32,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
pub(crate) struct Day {
    day: Option<Date>,
}

/// `GET /book?day=YYYY-MM-DD`.
pub(crate) async fn show(
    State(app): State<App>,
    clerk: Clerk<Booking>,
    Query(asked): Query<Day>,
) -> Result<Html<String>, Error> {
    let date = asked.day.unwrap_or_else(|| civil_date(app.clock.now(), &app.zone)).to_string();
    let form = BookForm { date, minutes: 30, kind: "Visit".to_owned(), ..BookForm::default() };
    page(&app, &clerk, form, None).await
}

/// `POST /book`.
pub(crate) async fn submit(
    State(app): State<App>,
    clerk: Clerk<Booking>,
    Form(form): Form<BookForm>,
) -> Result<Response, Error> {
    let everyone = everyone(&app, &clerk.identity).await?;
    match booking(&app, &form, &everyone) {
        Ok((booking, new_patient)) => {
            let (actor, now) = (clerk.identity.actor(), app.clock.now());
            let appointment = match booking.check(&app.rules, Some(actor.user)) {
                Ok(appointment) => appointment,
                Err(fault) => {
                    let fault = Fault { field: field_of(fault), detail: fault.words() };
                    return Ok(page(&app, &clerk, form, Some(fault)).await?.into_response());
                }
            };
            let mut transaction = app.store.begin().await?;
            if let Some(person) = new_patient {
                let user = NewUser { person, email: None, password_hash: None };
                people::add(&mut *transaction, &user, Some(actor), now).await?;
            }
            book(&mut *transaction, &appointment, Some(actor), now).await?;
            transaction.commit().await?;
            Ok(Redirect::to(&format!("/booking/{}", appointment.id)).into_response())
        }
        Err(fault) => Ok(page(&app, &clerk, form, Some(fault)).await?.into_response()),
    }
}

/// What is to be booked, and the patient if they are new.
fn booking(app: &App, form: &BookForm, everyone: &[Listed]) -> Result<(NewBooking, Option<Person>), Fault> {
    let chosen = |id: &str| {
        let id: Option<UserId> = id.parse().ok();
        everyone.iter().map(|one| &one.person).find(|person| Some(person.id) == id).cloned()
    };
    let (patient, new_patient) = if form.patient.is_empty() {
        let person = newcomer(form)?;
        (person.clone(), Some(person))
    } else {
        (chosen(&form.patient).ok_or(Fault { field: "patient", detail: "Choose who comes." })?, None)
    };
    let provider = chosen(&form.provider).ok_or(Fault { field: "provider", detail: "Choose whom they see." })?;
    let new = NewBooking {
        patient,
        provider,
        start: start(app, form)?,
        minutes: form.minutes,
        kind: form.kind.clone(),
        reason: Some(form.reason.clone()),
        backend: app.config.visits.call_backend,
    };
    Ok((new, new_patient))
}

fn newcomer(form: &BookForm) -> Result<Person, Fault> {
    let birth_date = match form.birth_date.as_str() {
        "" => None,
        text => Some(text.parse::<Date>().map_err(|_| Fault {
            field: "birth_date",
            detail: "Give the date of birth as year, month and day, or leave it out.",
        })?),
    };
    people::new_person(&form.name, None, birth_date.map(Private::new))
        .map_err(|_| Fault { field: "name", detail: "Give the name of the new patient, or choose one above." })
}

/// On the clinic's clock.
fn start(app: &App, form: &BookForm) -> Result<Timestamp, Fault> {
    let date: Date = form.date.parse().map_err(|_| Fault { field: "date", detail: "Give the day." })?;
    let time: Time = form.time.parse().map_err(|_| Fault { field: "time", detail: "Give the time." })?;
    moment_of(date, time, &app.zone).ok_or(Fault { field: "date", detail: "Give a day that there is." })
}

const fn field_of(fault: BookingFault) -> &'static str {
    match fault {
        BookingFault::Minutes => "minutes",
        BookingFault::Kind => "type",
        BookingFault::Reason => "reason",
        BookingFault::OnePerson | BookingFault::Backend => "provider",
    }
}

async fn page(app: &App, clerk: &Clerk<Booking>, form: BookForm, fault: Option<Fault>) -> Result<Html<String>, Error> {
    let you = app.store.get_person(clerk.identity.principal.user).await?.ok_or(Error::NotSignedIn)?;
    let mut everyone = everyone(app, &clerk.identity).await?;
    everyone.retain(|one| one.disabled_at.is_none());
    everyone.sort_by_cached_key(|one| one.person.name.reveal().to_lowercase());
    let provides = |one: &&Listed| one.provides || one.person.specialty.is_some();
    let patient = |one: &&Listed| one.clinic_role != Some(ClinicRole::Staff) && !provides(one);
    render(&BookPage {
        layout: Layout::new(app).signed_in(you.name.reveal()),
        patients: everyone.iter().filter(patient).map(Choice::patient).collect(),
        providers: everyone.iter().filter(provides).map(Choice::provider).collect(),
        form,
        minutes: [10, 15, 20, 30, 45, 60],
        fault,
    })
}

impl Choice {
    fn patient(one: &Listed) -> Self {
        let born = one.person.birth_date.as_ref().map(|date| format!(", born {}", date.reveal()));
        Self::new(&one.person, born)
    }

    fn provider(one: &Listed) -> Self {
        Self::new(&one.person, one.person.specialty.as_ref().map(|specialty| format!(", {specialty}")))
    }

    fn new(person: &Person, more: Option<String>) -> Self {
        Self { user: person.id.to_string(), words: person.name.reveal().clone() + &more.unwrap_or_default() }
    }
}

impl BookPage {
    fn fault_of(&self, field: &str) -> Option<&'static str> {
        self.fault.as_ref().filter(|fault| fault.field == field).map(|fault| fault.detail)
    }
}
