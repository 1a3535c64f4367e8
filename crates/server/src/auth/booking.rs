//! The right to do something about an appointment, or in the clinic, from outside of a visit, as an argument's type.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bedside_store::AuditEntry;
use bedside_visit::permission::{Arrangement, ClinicAction, administer};
use bedside_visit::{Appointment, AuditAction};

use super::access::open_named;
use super::{Identities, Identity};
use crate::app::App;
use crate::error::Error;
use crate::reads::note_reads;

/// What a handler wants to do about an appointment.
pub(crate) trait Arranged: Send + Sync {
    const ARRANGEMENT: Arrangement;
}

/// What a handler wants to do in the clinic.
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
    /// To see its data.
    Reading = Arrangement::Read;
    /// To make links, and take them away.
    Linking = Arrangement::Link;
    /// To say who else may come.
    Accompanying = Arrangement::Companion;
    /// To call it off.
    CallingOff = Arrangement::CallOff;
}

wanted! { Administered, ACTION: ClinicAction;
    /// To see which appointments there are.
    ListingAppointments = ClinicAction::ListAppointments;
    /// To book one.
    Booking = ClinicAction::Book;
    /// To see who there is.
    ListingPeople = ClinicAction::ListPeople;
    /// To add somebody.
    AddingPeople = ClinicAction::AddPerson;
    /// To shut somebody out, or let them in again.
    ShuttingOut = ClinicAction::ShutOut;
}

/// Proof that somebody may do `A` about an appointment.
#[derive(Debug)]
pub(crate) struct Arranging<A> {
    pub(crate) appointment: Appointment,
    /// Who they are.
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

/// Proof that somebody may do `A` in the clinic.
#[derive(Debug)]
pub(crate) struct Clerk<A> {
    /// Who they are.
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
