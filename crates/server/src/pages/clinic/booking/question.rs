//! The confirmation page shown before a link is replaced or revoked, or a companion is removed.

use axum::response::Html;
use bedside_visit::text::isolated;
use bedside_visit::{Appointment, Role, UserId, age_on};

use crate::app::App;
use crate::auth::Identity;
use crate::http::error::Error;
use crate::pages::confirm::{Born, ConfirmPage};
use crate::pages::{Layout, render};
use crate::text::role_in_words;
use crate::text::{civil_date, day_and_time, rfc3339};

/// The action to confirm.
#[derive(Clone, Copy)]
pub(in crate::pages) enum Asked {
    Replace,
    Revoke,
}

pub(in crate::pages) async fn ask(
    app: &App,
    appointment: &Appointment,
    identity: &Identity,
    user: UserId,
    asked: Asked,
) -> Result<Html<String>, Error> {
    let you = app.store.get_person(identity.principal.user).await?.ok_or(Error::NotSignedIn)?;
    let (role, person) = appointment.participants.find(user).ok_or(Error::NotFound)?;
    let (question, effect, path, yes, no) = match (asked, role) {
        (Asked::Replace, _) => (
            "Replace the link of",
            "They have a link that is not used yet. It stops working, and you get a new one to send.",
            "link",
            "Replace link",
            "Keep the link",
        ),
        (Asked::Revoke, Role::Patient | Role::Provider) => (
            "Revoke the links of",
            "They leave the visit at once, and their links stop working. You can create a new link.",
            "revoke",
            "Revoke links",
            "Keep the links",
        ),
        (Asked::Revoke, Role::Guest | Role::Interpreter | Role::Observer) => (
            "Remove",
            "They leave the visit at once, and their links stop working. You can add them again.",
            "revoke",
            "Remove from visit",
            "Keep in visit",
        ),
    };
    // Providers see ages. The front desk sees dates of birth, which it needs for booking.
    let birth = person.birth_date.as_ref().map(|birth| *birth.reveal());
    let age = birth.filter(|_| !identity.is_clerk());
    let age = age.and_then(|birth| age_on(birth, civil_date(app.clock.now(), &app.zone)));
    let patient = &appointment.participants.patient;
    let of = (role != Role::Patient).then(|| format!("comes with {}", isolated(patient.name.reveal())));
    let about = [Some(role_in_words(role).to_owned()), age.map(|age| format!("{age} years old")), of];
    let about: Vec<String> = about.into_iter().flatten().collect();
    let booking = format!("/booking/{}", appointment.id);
    render(&ConfirmPage {
        layout: Layout::new(app).signed_in(you.name.reveal()),
        question,
        name: person.name.reveal().clone(),
        born: birth.filter(|_| identity.is_clerk()).map(Born::on),
        about: about.join(" · "),
        visit: Some((rfc3339(appointment.start), day_and_time(appointment.start, &app.zone))),
        zone: app.zone.iana_name().unwrap_or_default().to_owned(),
        effect,
        action: format!("{booking}/{path}"),
        fields: vec![("user", user.to_string())],
        yes,
        no,
        back: booking,
    })
}
