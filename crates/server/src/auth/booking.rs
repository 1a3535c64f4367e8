//! Authorization for administrative actions on an appointment or in the clinic, as axum extractors.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bedside_store::AuditEntry;
use bedside_visit::permission::{Arrangement, ClinicAction, administer};
use bedside_visit::{Appointment, AuditAction};

use super::access::open_named;
use super::{Identities, Identity};
use crate::app::App;
use crate::audit::access_log::note_reads;
use crate::http::error::Error;

/// Administrative action that a handler performs on an appointment.
pub(crate) trait Arranged: Send + Sync {
    const ARRANGEMENT: Arrangement;
}

/// Action that a handler performs in the clinic.
pub(crate) trait Administered: Send + Sync {
    const ACTION: ClinicAction;
}

macro_rules! wanted {
    ($as:ident, $constant:ident: $type:ty; $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl $as for $name {
            const $constant: $type = $value;
        }
    )*};
}

wanted! { Arranged, ARRANGEMENT: Arrangement;
    /// View the appointment's data.
    Reading = Arrangement::Read;
    /// Create and revoke links.
    Linking = Arrangement::Link;
    /// Add companions.
    Accompanying = Arrangement::Companion;
    /// Cancel the appointment.
    CallingOff = Arrangement::CallOff;
}

wanted! { Administered, ACTION: ClinicAction;
    /// List appointments.
    ListingAppointments = ClinicAction::ListAppointments;
    /// Book an appointment.
    Booking = ClinicAction::Book;
    /// List people.
    ListingPeople = ClinicAction::ListPeople;
    /// Add a person.
    AddingPeople = ClinicAction::AddPerson;
    /// Disable and enable accounts.
    ShuttingOut = ClinicAction::ShutOut;
}

/// Proof that the caller may perform `A` on an appointment.
#[derive(Debug)]
pub(crate) struct Arranging<A> {
    pub(crate) appointment: Appointment,
    /// Identity of the caller.
    pub(crate) identity: Identity,
    arranged: PhantomData<A>,
}

impl<A: Arranged> FromRequestParts<App> for Arranging<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let (identity, appointment) =
            open_named(parts, app, |principal, sealed| sealed.open_to(principal, A::ARRANGEMENT)).await?;
        note_reads(app, &identity, [&appointment]).await?;
        Ok(Self { appointment, identity, arranged: PhantomData })
    }
}

/// Proof that the caller may perform `A` in the clinic.
#[derive(Debug)]
pub(crate) struct Clerk<A> {
    /// Identity of the caller.
    pub(crate) identity: Identity,
    administered: PhantomData<A>,
}

impl<A: Administered> FromRequestParts<App> for Clerk<A> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let identities = Identities::from_request_parts(parts, app).await?;
        let mut refused = Err(Error::NotSignedIn);
        for identity in identities.all() {
            match administer(&identity.principal, A::ACTION) {
                Ok(()) => return Ok(Self { identity, administered: PhantomData }),
                Err(denial) => {
                    let entry =
                        AuditEntry::new(app.clock.now(), AuditAction::AccessDenied).with_detail(denial.as_str());
                    app.refusals.append(&*app.store, entry.by(identity.actor())).await?;
                    refused = Err(Error::NotAllowed);
                }
            }
        }
        refused
    }
}
