//! The right to an appointment, as an argument's type.
//!
//! A handler that names an appointment takes an [`Access`]: it can only be made by asking
//! `visit::permission`, and it carries what was loaded on the way.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use bedside_store::AuditEntry;
use bedside_visit::permission::{Action, Denial, decide};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Role, UserId};
use serde::Deserialize;

use super::{Identities, Identity};
use crate::app::App;
use crate::error::{Error, denied};

/// What a handler wants with the appointment.
pub(crate) trait Wanted: Send + Sync {
    const ACTION: Action;
}

macro_rules! wanted {
    ($($(#[$doc:meta])* $name:ident = $action:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Wanted for $name {
            const ACTION: Action = $action;
        }
    )*};
}

wanted! {
    /// To see its data.
    Viewing = Action::View;
    /// To open the patient's page.
    PatientPage = Action::OpenPage(Role::Patient);
    /// To open the provider's page.
    ProviderPage = Action::OpenPage(Role::Provider);
    /// To hold a seat in it.
    Conversing = Action::Join;
    /// To make a patient link.
    Inviting = Action::Invite;
}

/// Proof that somebody may do `W` with an appointment.
#[derive(Debug)]
pub(crate) struct Access<W> {
    pub(crate) appointment: Appointment,
    /// What they are in it.
    pub(crate) role: Role,
    /// Who they are.
    pub(crate) identity: Identity,
    wanted: PhantomData<W>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "appointmentId")]
    appointment_id: Option<String>,
    /// Which of several identities in one browser. It grants nothing.
    r#as: Option<UserId>,
}

impl<W: Wanted> FromRequestParts<App> for Access<W> {
    type Rejection = Error;

    /// The appointment is named by the path's `id`, or else by the query's `appointmentId`.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let query = Query::<Named>::try_from_uri(&parts.uri).map_err(|_| Error::NotFound)?;
        let id = match Path::<String>::from_request_parts(parts, app).await {
            Ok(Path(id)) => id,
            Err(_) => query.appointment_id.clone().filter(|id| !id.is_empty()).ok_or(Error::NoAppointmentId)?,
        };
        let identities = Identities::from_request_parts(parts, app).await?;
        let chosen = |identity: &Identity| query.r#as.is_none_or(|user| user == identity.principal.user);
        let candidates: Vec<Identity> = identities.iter().filter(chosen).collect();
        if candidates.is_empty() {
            return Err(Error::NotSignedIn);
        }
        let id: AppointmentId = id.parse().map_err(|_| Error::NotFound)?;
        let Some(appointment) = app.store.get_appointment(id).await? else {
            note_denial(app, &candidates[0], id).await?;
            return Err(Error::NotFound);
        };
        let (identity, role) = match first_with_right(app, &candidates, W::ACTION, &appointment) {
            Ok(allowed) => allowed,
            Err(denial) => {
                note_denial(app, &candidates[0], id).await?;
                return Err(denied(denial, id));
            }
        };
        Ok(Self { appointment, role, identity, wanted: PhantomData })
    }
}

/// Somebody who is signed in asked for what they may not have. What does not exist is noted alike: it
/// takes as long, and the log shows who tries identifiers.
async fn note_denial(app: &App, identity: &Identity, id: AppointmentId) -> Result<(), Error> {
    let entry = AuditEntry::new(app.clock.now(), AuditAction::AccessDenied);
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&entry.by(identity.principal.user).of_appointment(id)).await?;
    Ok(transaction.commit().await?)
}

/// The first identity that may, or else the most telling denial.
fn first_with_right(
    app: &App,
    candidates: &[Identity],
    action: Action,
    appointment: &Appointment,
) -> Result<(Identity, Role), Denial> {
    let mut denial = Denial::NotFound;
    for identity in candidates {
        match decide(&identity.principal, action, appointment, &app.rules, app.clock.now()) {
            Ok(role) => return Ok((*identity, role)),
            Err(Denial::NotFound) => {}
            Err(other) => denial = other,
        }
    }
    Err(denial)
}
