//! The front desk: the visits of all providers on a day.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use bedside_visit::permission::{Arrangement, ClinicAction, administer};
use bedside_visit::{Appointment, Role, Timestamp, age_on};

use crate::app::App;
use crate::audit::access_log::note_reads;
use crate::auth::DEVICE_REQUEST_EXPIRES;
use crate::auth::{Clerk, ListingAppointments};
use crate::http::error::Error;
use crate::pages::clinic::day::{Day, NowMark, Waiting};
use crate::pages::clinic::standing::Standing;
use crate::pages::{Layout, render};
use crate::text::{bounds_of_date, civil_date, date_in_words, rfc3339, time_of_day};

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskPage {
    layout: Layout,
    day: String,
    date: String,
    today: bool,
    admin: bool,
    before: String,
    after: String,
    /// The current time marker. Only today's list has one.
    now: Option<NowMark>,
    pinned: Vec<Waiting>,
    zone: String,
    waiting: usize,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    start: String,
    time: String,
    minutes: u64,
    patient: String,
    age: Option<u16>,
    provider: String,
    kind: String,
    standing: Standing,
    /// Whether a device request is pending.
    asks: bool,
    since: String,
    since_time: String,
}

/// `GET /desk?day=YYYY-MM-DD`: shows today if no day is given.
pub(crate) async fn show(
    State(app): State<App>,
    clerk: Clerk<ListingAppointments>,
    Query(asked): Query<Day>,
) -> Result<Html<String>, Error> {
    let identity = clerk.identity;
    let person = app.store.get_person(identity.principal.user).await?.ok_or(Error::NotSignedIn)?;
    let now = app.clock.now();
    let today = civil_date(now, &app.zone);
    let date = asked.day.unwrap_or(today);
    let (begin, end) = bounds_of_date(date, &app.zone);
    let listed = app.store.list_bookings(None, begin, end).await?;
    let open = |guarded: bedside_visit::Guarded<_>| guarded.open_to(&identity.principal, Arrangement::Read).ok();
    let appointments: Vec<Appointment> = listed.into_iter().filter_map(open).collect();
    note_reads(&app, &identity, &appointments).await?;
    let asked = app.store.list_admissions(now - DEVICE_REQUEST_EXPIRES).await?;
    let asks = |appointment: &Appointment| asked.iter().any(|asked| asked.appointment == appointment.id);
    let row = |appointment: &Appointment| Row::new(&app, appointment, asks(appointment), now);
    let rows: Vec<Row> = appointments.iter().map(row).collect();
    let waiting = appointments.iter().zip(&rows).filter_map(|(appointment, row)| {
        let href = format!("/booking/{}", appointment.id);
        let waiting = Waiting::of(appointment, &row.standing, row.asks, href, &app.zone)?;
        Some(Waiting { provider: Some(row.provider.clone()), ..waiting })
    });
    let starts: Vec<Timestamp> = appointments.iter().map(|appointment| appointment.start).collect();
    render(&DeskPage {
        layout: Layout::new(&app).signed_in(person.name.reveal()),
        day: date_in_words(date),
        date: date.to_string(),
        today: date == today,
        admin: administer(&identity.principal, ClinicAction::ShutOut).is_ok(),
        before: date.yesterday().unwrap_or(date).to_string(),
        after: date.tomorrow().unwrap_or(date).to_string(),
        now: (date == today).then(|| NowMark::among(&starts, now, &app.zone)),
        pinned: Waiting::above(waiting, rows.len()),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        waiting: rows.iter().filter(|row| row.standing.waiting).count(),
        rows,
    })
}

impl Row {
    fn new(app: &App, appointment: &Appointment, asks: bool, now: Timestamp) -> Self {
        let people = &appointment.participants;
        let view = app.hub.standing(appointment.id);
        let standing = Standing::of(appointment, view.as_ref(), Role::Provider);
        let birth = people.patient.birth_date.as_ref();
        Self {
            id: appointment.id.to_string(),
            start: rfc3339(appointment.start),
            time: time_of_day(appointment.start, &app.zone),
            minutes: appointment.duration.as_secs() / 60,
            patient: people.patient.name.reveal().clone(),
            age: birth.and_then(|birth| age_on(*birth.reveal(), civil_date(now, &app.zone))),
            provider: people.provider.name.reveal().clone(),
            kind: appointment.kind.clone(),
            since: standing.since.map(rfc3339).unwrap_or_default(),
            since_time: standing.since.map(|at| time_of_day(at, &app.zone)).unwrap_or_default(),
            standing,
            asks,
        }
    }
}
