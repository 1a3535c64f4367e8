//! The right to an appointment, as an argument's type.
//!
//! A handler that names an appointment takes an [`Access`]: what the store gives is under seal, and the gate
//! (`visit::permission`) alone opens it.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use bedside_store::AuditEntry;
use bedside_visit::permission::{Action, Denial};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Role, Sealed, Timestamp, UserId};
use serde::Deserialize;

use super::{Identities, Identity};
use crate::app::App;
use crate::error::{Error, denied};
use crate::reads::note_reads;

/// What a handler wants with the appointment.
pub(crate) trait Wanted: Send + Sync {
    const ACTION: Action;
    /// Whether they are shown it.
    const READS: bool;
}

macro_rules! wanted {
    ($($(#[$doc:meta])* $name:ident = $action:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Wanted for $name {
            const ACTION: Action = $action;
            const READS: bool = matches!($action, Action::View | Action::OpenPage(_));
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
        let now = app.clock.now();
        let opened = match app.store.get_appointment(id).await? {
            Some(sealed) => first_with_right(app, &candidates, W::ACTION, sealed, now),
            None => Err(Denial::NotFound),
        };
        let (identity, appointment, role) = match opened {
            Ok(opened) => opened,
            Err(denial) => {
                note_denial(app, &candidates[0], id, denial).await?;
                return Err(denied(denial, id));
            }
        };
        if W::READS {
            note_reads(app, &identity, [id]).await?;
        }
        Ok(Self { appointment, role, identity, wanted: PhantomData })
    }
}

/// Somebody who is signed in asked for what they may not have. What does not exist is noted alike: it
/// takes as long, and the log shows who tries identifiers.
async fn note_denial(app: &App, identity: &Identity, id: AppointmentId, denial: Denial) -> Result<(), Error> {
    let entry = AuditEntry::new(app.clock.now(), AuditAction::AccessDenied).with_detail(denial.as_str());
    let mut transaction = app.store.begin().await?;
    transaction.append_audit(&entry.by(identity.principal.user).of_appointment(id)).await?;
    Ok(transaction.commit().await?)
}

/// Opens it for the first identity that may, or gives the most telling denial.
fn first_with_right(
    app: &App,
    candidates: &[Identity],
    action: Action,
    sealed: Sealed<Appointment>,
    now: Timestamp,
) -> Result<(Identity, Appointment, Role), Denial> {
    let mut denial = Denial::NotFound;
    for identity in candidates {
        match sealed.ask(&identity.principal, action, &app.rules, now) {
            Ok(_) => {
                let (appointment, role) = sealed.open(&identity.principal, action, &app.rules, now)?;
                return Ok((*identity, appointment, role));
            }
            Err(Denial::NotFound) => {}
            Err(other) => denial = other,
        }
    }
    Err(denial)
}
