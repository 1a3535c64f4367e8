//! The dashboard: the user's visits today.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use bedside_visit::permission::{Action, ClinicAction, administer};
use bedside_visit::{Appointment, AppointmentStatus, Guarded, JoinWindow, Role, Timestamp, age_on};

use crate::app::App;
use crate::audit::access_log::note_reads;
use crate::auth::DEVICE_REQUEST_EXPIRES;
use crate::auth::Identities;
use crate::http::error::Error;
use crate::pages::clinic::day::{NowMark, Waiting};
use crate::pages::clinic::standing::Standing;
use crate::pages::visit::visits::home;
use crate::pages::{Layout, render};
use crate::text::{bounds_of_day, civil_date, date_in_words, rfc3339, time_of_day};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    layout: Layout,
    heading: &'static str,
    /// Whether the user also has access to the front desk.
    clerk: bool,
    now: NowMark,
    pinned: Vec<Waiting>,
    date: String,
    today: String,
    zone: String,
    waiting: usize,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    start: String,
    time: String,
    minutes: u64,
    who: String,
    age: Option<u16>,
    kind: String,
    reason: Option<String>,
    standing: Standing,
    since: Option<String>,
    since_time: String,
    action: &'static str,
    open: bool,
    now: bool,
    /// Whether the user may create links.
    links: bool,
    /// Whether a device request is pending.
    asks: bool,
}

/// `GET /`. Users who have only patient links see the visits that they can join.
pub(crate) async fn show(State(app): State<App>, identities: Identities) -> Result<Response, Error> {
    if identities.account.is_none() && !identities.links.is_empty() {
        return home(&app, &identities).await;
    }
    let identity = identities.signed_in()?;
    let principal = identity.principal;
    let person = app.store.get_person(principal.user).await?.ok_or(Error::NotSignedIn)?;
    let now = app.clock.now();
    let (begin, end) = bounds_of_day(now, &app.zone);
    let day_of = app.store.list_appointments(principal.user, begin, end).await?;
    let open = |guarded: Guarded<Appointment>| guarded.open(&principal, Action::View, &app.rules, now).ok();
    let mine: Vec<(Appointment, Role)> = day_of.into_iter().filter_map(open).collect();
    note_reads(&app, &identity, mine.iter().map(|(appointment, _)| appointment)).await?;
    let clerk = administer(&principal, ClinicAction::ListAppointments).is_ok();
    if clerk && mine.is_empty() {
        return Ok(Redirect::to("/desk").into_response());
    }
    let asked = app.store.list_admissions(now - DEVICE_REQUEST_EXPIRES).await?;
    let row = |(appointment, role): &(Appointment, Role)| {
        let asks = asked.iter().any(|asked| asked.appointment == appointment.id);
        Row { asks: asks && *role == Role::Provider, ..Row::new(&app, appointment, *role, now) }
    };
    let rows: Vec<Row> = mine.iter().map(row).collect();
    let waiting = mine.iter().zip(&rows).filter_map(|((appointment, _), row)| {
        let (id, page) = (appointment.id, if row.asks { "booking" } else { "appointment" });
        Waiting::of(appointment, &row.standing, row.asks, format!("/{page}/{id}"), &app.zone)
    });
    let starts: Vec<Timestamp> = mine.iter().map(|(appointment, _)| appointment.start).collect();
    let today = civil_date(now, &app.zone);
    let page = DashboardPage {
        layout: Layout::new(&app).signed_in(person.name.reveal()),
        heading: "Today",
        clerk,
        now: NowMark::among(&starts, now, &app.zone),
        pinned: Waiting::above(waiting, rows.len()),
        date: today.to_string(),
        today: date_in_words(today),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        waiting: rows.iter().filter(|row| row.standing.waiting).count(),
        rows,
    };
    Ok(render(&page)?.into_response())
}

impl Row {
    fn new(app: &App, appointment: &Appointment, role: Role, now: Timestamp) -> Self {
        let other = appointment.participants.counterpart(role);
        let birth = other.birth_date.as_ref().filter(|_| role == Role::Provider);
        let view = app.hub.standing(appointment.id);
        let standing = Standing::of(appointment, view.as_ref(), role);
        let closed = appointment.window(&app.rules, now) == JoinWindow::Closed;
        let near = now + Duration::from_secs(600) >= appointment.start && now < appointment.end();
        let live = standing.waiting || standing.badge == "badge--live";
        let over = matches!(appointment.status, AppointmentStatus::Cancelled | AppointmentStatus::Fulfilled);
        Self {
            id: appointment.id.to_string(),
            start: rfc3339(appointment.start),
            time: time_of_day(appointment.start, &app.zone),
            minutes: appointment.duration.as_secs() / 60,
            who: other.name.reveal().clone(),
            age: birth.and_then(|birth| age_on(*birth.reveal(), civil_date(now, &app.zone))),
            kind: appointment.kind.clone(),
            reason: appointment.reason.as_ref().map(|reason| reason.reveal().clone()),
            since: standing.since.map(rfc3339),
            since_time: standing.since.map(|at| time_of_day(at, &app.zone)).unwrap_or_default(),
            action: match role {
                Role::Patient | Role::Guest | Role::Interpreter | Role::Observer => "Go to the waiting room",
                Role::Provider => "Open visit",
            },
            open: !closed && appointment.status != AppointmentStatus::Cancelled,
            now: live || (near && !over),
            standing,
            asks: false,
            links: role == Role::Provider && !closed && appointment.status != AppointmentStatus::Cancelled,
        }
    }
}
