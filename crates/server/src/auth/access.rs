//! Authorization for an appointment, as an axum extractor.
//!
//! A handler that names an appointment takes an [`Access`]. The store returns guarded appointments, which only the
//! permission check (`visit::permission`) opens.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use bedside_store::AuditEntry;
use bedside_visit::permission::{Action, Denial, Principal};
use bedside_visit::{Appointment, AppointmentId, AuditAction, Guarded, Role, UserId};
use serde::Deserialize;

use super::{Identities, Identity};
use crate::app::App;
use crate::audit::access_log::note_reads;
use crate::http::error::{Error, denied};

/// Action that a handler performs on the appointment.
pub(crate) trait Wanted: Send + Sync {
    const ACTION: Action;
    /// Whether the handler discloses appointment data, which is recorded in the audit log.
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
    /// View the appointment's data.
    Viewing = Action::View;
    /// Open the patient's page.
    PatientPage = Action::OpenPage(Role::Patient);
    /// Open the provider's page.
    ProviderPage = Action::OpenPage(Role::Provider);
    /// Join the call as a participant.
    Conversing = Action::Join;
}

/// Proof that the caller may perform `W` on an appointment.
#[derive(Debug)]
pub(crate) struct Access<W> {
    pub(crate) appointment: Appointment,
    /// Role of the caller in the appointment.
    pub(crate) role: Role,
    /// Identity of the caller.
    pub(crate) identity: Identity,
    wanted: PhantomData<W>,
}

#[derive(Deserialize)]
struct InPath {
    id: String,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "appointmentId")]
    appointment_id: Option<String>,
    /// Selects one of several identities in the same browser. It grants no permission.
    r#as: Option<UserId>,
}

impl<W: Wanted> FromRequestParts<App> for Access<W> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let now = app.clock.now();
        let open = |principal: &Principal, guarded: Guarded<_>| guarded.open(principal, W::ACTION, &app.rules, now);
        let (identity, (appointment, role)) = open_named(parts, app, open).await?;
        if W::READS {
            note_reads(app, &identity, [&appointment]).await?;
        }
        Ok(Self { appointment, role, identity, wanted: PhantomData })
    }
}

/// Opens the appointment named by the path's `id`, or else by the query's `appointmentId`, for the first permitted
/// identity of the request.
pub(super) async fn open_named<T>(
    parts: &mut Parts,
    app: &App,
    open: impl Fn(&Principal, Guarded<Appointment>) -> Result<T, Denial>,
) -> Result<(Identity, T), Error> {
    let query = Query::<Named>::try_from_uri(&parts.uri).map_err(|_| Error::NotFound)?;
    let id = match Path::<InPath>::from_request_parts(parts, app).await {
        Ok(Path(named)) => named.id,
        Err(_) => query.appointment_id.clone().filter(|id| !id.is_empty()).ok_or(Error::NoAppointmentId)?,
    };
    let identities = Identities::from_request_parts(parts, app).await?;
    let chosen = |identity: &Identity| query.r#as.is_none_or(|user| user == identity.principal.user);
    let candidates: Vec<Identity> = identities.all().filter(chosen).collect();
    if candidates.is_empty() {
        return Err(Error::NotSignedIn);
    }
    let id: AppointmentId = id.parse().map_err(|_| Error::NotFound)?;
    let opened = match app.store.get_appointment(id).await? {
        Some(guarded) => first_with_right(&candidates, guarded, open),
        None => Err(Denial::NotFound),
    };
    match opened {
        Ok(opened) => Ok(opened),
        Err(denial) => {
            note_denial(app, &candidates[0], id, denial).await?;
            Err(denied(denial, id))
        }
    }
}

/// Records a denied access in the audit log. A missing appointment is recorded the same way, so that both cases take
/// equally long and the log shows attempts to guess identifiers.
async fn note_denial(app: &App, identity: &Identity, id: AppointmentId, denial: Denial) -> Result<(), Error> {
    let entry = AuditEntry::new(app.clock.now(), AuditAction::AccessDenied).with_detail(denial.as_str());
    Ok(app.refusals.append(&*app.store, entry.by(identity.actor()).of_appointment(id)).await?)
}

/// Opens the appointment for the first permitted identity, or returns the most specific denial.
fn first_with_right<T>(
    candidates: &[Identity],
    guarded: Guarded<Appointment>,
    open: impl Fn(&Principal, Guarded<Appointment>) -> Result<T, Denial>,
) -> Result<(Identity, T), Denial> {
    let mut denial = Denial::NotFound;
    for identity in candidates {
        match open(&identity.principal, guarded.clone()) {
            Ok(opened) => return Ok((*identity, opened)),
            Err(Denial::NotFound) => {}
            Err(other) => denial = other,
        }
    }
    Err(denial)
}
