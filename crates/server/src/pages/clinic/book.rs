//! The booking form of the front desk.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use bedside_store::{Listed, NewUser};
use bedside_visit::permission::{Arrangement, ClinicRole};
use bedside_visit::text::isolated;
use bedside_visit::{Appointment, Guarded, Person, Private, Timestamp, UserId};
use jiff::civil::{Date, Time};
use serde::Deserialize;
use uuid::Uuid;

use crate::app::App;
use crate::app::clock::fresh_id;
use crate::audit::access_log::{everyone, note_reads};
use crate::auth::{Booking, Clerk, Identity};
use crate::clinic::bookings::{BookingFault, NewBooking, at_the_same_time, book};
use crate::clinic::people::{self, PersonFault};
use crate::http::error::Error;
use crate::http::form::Form;
use crate::http::idempotency::Once;
use crate::pages::clinic::day::Day;
use crate::pages::{Layout, render};
use crate::text::{civil_date, date_of_birth, moment_of, rfc3339, time_of_day, zone_in_words};

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage {
    layout: Layout,
    form: BookForm,
    patients: Vec<Choice>,
    providers: Vec<Choice>,
    minutes: [u32; 6],
    /// The accepted date ranges: for the visit, and for the date of birth.
    days: (String, String),
    births: (String, String),
    /// The clinic's time zone: its display name and its IANA name.
    zone: String,
    zone_name: String,
    faults: Vec<Fault>,
    /// Other visits of the patient or the provider at the same time.
    overlaps: Vec<Overlap>,
}

/// A person to choose from a list.
struct Choice {
    user: String,
    /// The name, with details that distinguish people of the same name.
    words: String,
    /// The date of birth that `words` contains. The browser reformats it for the user's locale.
    born: Option<String>,
}

struct Fault {
    field: &'static str,
    detail: String,
}

impl Fault {
    fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }
}

/// Another visit of the patient or the provider at the same time.
struct Overlap {
    patient: String,
    provider: String,
    /// Each as a machine-readable and a displayed time.
    begin: (String, String),
    end: (String, String),
}

/// The submitted form. An empty `patient` means a new patient.
#[derive(Deserialize, Default)]
pub(crate) struct BookForm {
    /// The idempotency key of this form.
    #[serde(default)]
    key: String,
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
    /// Set to confirm the booking despite overlapping visits.
    #[serde(default)]
    overlap: String,
}

/// `GET /book?day=YYYY-MM-DD`.
pub(crate) async fn show(
    State(app): State<App>,
    clerk: Clerk<Booking>,
    Query(asked): Query<Day>,
) -> Result<Html<String>, Error> {
    let today = civil_date(app.clock.now(), &app.zone);
    let date = asked.day.unwrap_or(today).max(today).to_string();
    let (key, kind) = (fresh_id().to_string(), "Visit".to_owned());
    let form = BookForm { key, date, minutes: 30, kind, ..BookForm::default() };
    page(&app, &clerk, form, Vec::new(), Vec::new()).await
}

/// `POST /book`.
pub(crate) async fn submit(
    State(app): State<App>,
    clerk: Clerk<Booking>,
    Form(form): Form<BookForm>,
) -> Result<Response, Error> {
    let everyone = everyone(&app, &clerk.identity).await?;
    let (actor, now) = (clerk.identity.actor(), app.clock.now());
    let once = form.once(&clerk.identity);
    if let Some(made) = already(&app, once.as_ref()).await? {
        return Ok(Redirect::to(&format!("/booking/{made}")).into_response());
    }
    let (booking, new_patient) = match booking(&app, &form, &everyone) {
        Ok(booking) => booking,
        Err(faults) => return Ok(page(&app, &clerk, form, faults, Vec::new()).await?.into_response()),
    };
    let overlaps = if form.overlap.is_empty() { overlaps(&app, &clerk, &booking).await? } else { Vec::new() };
    if !overlaps.is_empty() {
        // The overlapping visit may be this booking, if the form was submitted twice at the same time.
        if let Some(made) = already(&app, once.as_ref()).await? {
            return Ok(Redirect::to(&format!("/booking/{made}")).into_response());
        }
        return Ok(page(&app, &clerk, form, Vec::new(), overlaps).await?.into_response());
    }
    let appointment = match booking.check(&app.rules, Some(actor.user), now) {
        Ok(appointment) => appointment,
        Err(fault) => {
            let faults = vec![Fault::new(field_of(fault), fault.words())];
            return Ok(page(&app, &clerk, form, faults, Vec::new()).await?.into_response());
        }
    };
    let mut transaction = app.store.begin().await?;
    if let Some(once) = &once {
        // The same form may have been submitted concurrently.
        if let Some(made) = once.made(&mut *transaction).await? {
            return Ok(Redirect::to(&format!("/booking/{made}")).into_response());
        }
        once.keep(&mut *transaction, appointment.id.uuid(), now).await?;
    }
    if let Some(person) = new_patient {
        let user = NewUser { person, email: None, password_hash: None };
        people::add(&mut *transaction, &user, Some(actor), now).await?;
    }
    book(&mut *transaction, &appointment, Some(actor), now).await?;
    transaction.commit().await?;
    Ok(Redirect::to(&format!("/booking/{}", appointment.id)).into_response())
}

/// Returns the appointment that an earlier submission of this form booked, so that it is not reported as an overlap.
async fn already(app: &App, once: Option<&Once>) -> Result<Option<Uuid>, Error> {
    match once {
        Some(once) => once.made_before(&*app.store).await,
        None => Ok(None),
    }
}

impl BookForm {
    fn once(&self, identity: &Identity) -> Option<Once> {
        let minutes = self.minutes.to_string();
        let all = [
            &self.patient,
            &self.name,
            &self.birth_date,
            &self.provider,
            &self.date,
            &self.time,
            &minutes,
            &self.kind,
            &self.reason,
        ];
        Once::of_form(identity, "book", &self.key, &all.map(String::as_str))
    }
}

/// Validates the form. Returns the booking and the patient if they are new, or all faults by field.
fn booking(app: &App, form: &BookForm, everyone: &[Listed]) -> Result<(NewBooking, Option<Person>), Vec<Fault>> {
    let mut faults = Vec::new();
    let patient = patient(app, form, everyone, &mut faults);
    let provider = everyone.iter().filter(|one| provides(one));
    let provider = chosen(provider, &form.provider).cloned();
    if provider.is_none() {
        faults.push(Fault::new("provider", "Choose a provider."));
    }
    let start = start(app, form, &mut faults);
    // Placeholders, so that the remaining fields are validated too.
    let nobody = || people::nobody(fresh_id());
    let named = patient.is_some() && provider.is_some();
    let (patient, is_new) = patient.unwrap_or_else(|| (nobody(), false));
    let new = NewBooking {
        patient: patient.clone(),
        provider: provider.unwrap_or_else(nobody),
        start: start.unwrap_or_else(|| app.clock.now()),
        minutes: form.minutes,
        kind: form.kind.clone(),
        reason: Some(form.reason.clone()),
        backend: app.config.visits.call_backend,
    };
    let wrong = new.faults(&app.rules, app.clock.now());
    faults.extend(wrong.into_iter().map(|fault| Fault::new(field_of(fault), fault.words())));
    if faults.is_empty() && named { Ok((new, is_new.then_some(patient))) } else { Err(faults) }
}

/// Returns whether a person can be booked as a provider.
fn provides(one: &Listed) -> bool {
    one.provides || one.person.specialty.is_some()
}

fn chosen<'a>(among: impl Iterator<Item = &'a Listed>, id: &str) -> Option<&'a Person> {
    let id: UserId = id.parse().ok()?;
    among.map(|one| &one.person).find(|person| person.id == id)
}

/// Returns the patient and whether they are new. If a patient is chosen and a new one is entered as well, the form
/// reports a fault.
fn patient(app: &App, form: &BookForm, everyone: &[Listed], faults: &mut Vec<Fault>) -> Option<(Person, bool)> {
    if form.patient.is_empty() {
        return newcomer(app, form, faults).map(|person| (person, true));
    }
    let Some(person) = chosen(everyone.iter(), &form.patient) else {
        faults.push(Fault::new("patient", "Choose a patient."));
        return None;
    };
    if !form.name.trim().is_empty() || !form.birth_date.is_empty() {
        let name = isolated(person.name.reveal());
        let question = format!(
            "You chose {name} and also typed a new patient. Clear the fields of the new patient, or choose “A new \
             patient” here."
        );
        faults.push(Fault::new("patient", question));
        return None;
    }
    Some((person.clone(), false))
}

fn newcomer(app: &App, form: &BookForm, faults: &mut Vec<Fault>) -> Option<Person> {
    let before = faults.len();
    let today = civil_date(app.clock.now(), &app.zone);
    let birth_date = match form.birth_date.as_str() {
        "" => None,
        text => {
            let date: Result<Date, _> = text.parse();
            if date.is_err() {
                let detail = "Give the date of birth as year, month and day, or leave it out.";
                faults.push(Fault::new("birth_date", detail));
            }
            date.ok()
        }
    };
    // Validate name and date of birth separately, so that both faults are reported.
    for (name, birth_date) in [(form.name.as_str(), None), ("Name", birth_date)] {
        if let Err(fault) = people::new_person(name, None, birth_date.map(Private::new), today) {
            let (field, words) = match fault {
                PersonFault::NoName => ("name", "Give the name of the new patient, or choose a patient above."),
                PersonFault::BirthDate => ("birth_date", fault.words()),
                PersonFault::LongName | PersonFault::Specialty | PersonFault::Unreadable => ("name", fault.words()),
            };
            faults.push(Fault::new(field, words));
        }
    }
    if faults.len() > before {
        return None;
    }
    people::new_person(&form.name, None, birth_date.map(Private::new), today).ok()
}

/// Returns the start time, interpreted in the clinic's time zone.
fn start(app: &App, form: &BookForm, faults: &mut Vec<Fault>) -> Option<Timestamp> {
    let (date, time): (Result<Date, _>, Result<Time, _>) = (form.date.parse(), form.time.parse());
    if date.is_err() {
        faults.push(Fault::new("date", "Give the day."));
    }
    if time.is_err() {
        faults.push(Fault::new("time", "Give the time."));
    }
    let (date, time) = (date.ok()?, time.ok()?);
    let start = moment_of(date, time, &app.zone);
    if start.is_none() {
        faults.push(Fault::new("date", "Enter a valid date."));
    }
    start
}

const fn field_of(fault: BookingFault) -> &'static str {
    match fault {
        BookingFault::Minutes => "minutes",
        BookingFault::Kind => "type",
        BookingFault::Reason => "reason",
        BookingFault::OnePerson | BookingFault::Backend => "provider",
        BookingFault::Past | BookingFault::FarAhead => "date",
    }
}

/// Returns overlapping visits of the patient or the provider that the user is allowed to see.
async fn overlaps(app: &App, clerk: &Clerk<Booking>, booking: &NewBooking) -> Result<Vec<Overlap>, Error> {
    let found = at_the_same_time(&*app.store, booking).await?;
    let open = |guarded: Guarded<_>| guarded.open_to(&clerk.identity.principal, Arrangement::Read).ok();
    let found: Vec<Appointment> = found.into_iter().filter_map(open).collect();
    note_reads(app, &clerk.identity, &found).await?;
    let moment = |at| (rfc3339(at), time_of_day(at, &app.zone));
    let overlap = |appointment: &Appointment| Overlap {
        patient: appointment.participants.patient.name.reveal().clone(),
        provider: appointment.participants.provider.name.reveal().clone(),
        begin: moment(appointment.start),
        end: moment(appointment.end()),
    };
    Ok(found.iter().map(overlap).collect())
}

async fn page(
    app: &App,
    clerk: &Clerk<Booking>,
    form: BookForm,
    faults: Vec<Fault>,
    overlaps: Vec<Overlap>,
) -> Result<Html<String>, Error> {
    let you = app.store.get_person(clerk.identity.principal.user).await?.ok_or(Error::NotSignedIn)?;
    let mut everyone = everyone(app, &clerk.identity).await?;
    everyone.retain(|one| one.disabled_at.is_none());
    everyone.sort_by_cached_key(|one| one.person.name.reveal().to_lowercase());
    let patient = |one: &&Listed| one.clinic_role != Some(ClinicRole::Staff) && !provides(one);
    let now = app.clock.now();
    let today = civil_date(now, &app.zone);
    let years = |many: i16| jiff::Span::new().years(many);
    let day = |date: Result<Date, jiff::Error>| date.unwrap_or(today).to_string();
    render(&BookPage {
        layout: Layout::new(app).signed_in(you.name.reveal()),
        patients: everyone.iter().filter(patient).map(Choice::patient).collect(),
        providers: everyone.iter().filter(|one| provides(one)).map(Choice::provider).collect(),
        form,
        minutes: [10, 15, 20, 30, 45, 60],
        days: (today.to_string(), day(today.checked_add(years(2)))),
        births: (day(today.checked_sub(years(130))), today.to_string()),
        zone: zone_in_words(now, &app.zone),
        zone_name: app.zone.iana_name().unwrap_or_default().to_owned(),
        faults,
        overlaps,
    })
}

impl Choice {
    fn patient(one: &Listed) -> Self {
        let born = one.person.birth_date.as_ref().map(|date| format!(", born {}", date_of_birth(*date.reveal())));
        let date = one.person.birth_date.as_ref().map(|date| date.reveal().to_string());
        Self { born: date, ..Self::new(&one.person, born) }
    }

    fn provider(one: &Listed) -> Self {
        Self::new(&one.person, one.person.specialty.as_ref().map(|specialty| format!(", {}", isolated(specialty))))
    }

    /// Creates a choice. The name is isolated for bidirectional text, because an option of a `select` element can
    /// hold only plain text.
    fn new(person: &Person, more: Option<String>) -> Self {
        let words = format!("{}{}", isolated(person.name.reveal()), more.unwrap_or_default());
        Self { user: person.id.to_string(), words, born: None }
    }
}

impl BookPage {
    fn fault_of(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|fault| fault.field == field).map(|fault| fault.detail.as_str())
    }
}
