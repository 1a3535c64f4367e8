//! Authentication and authorization.

mod access;
mod access_token;
mod bearer;
mod booking;
mod cookies;
mod delay;
mod demo_sign_in;
mod device;
mod identity;
pub(crate) mod idp;
mod join_token;
mod origin;
mod passkeys;
mod password;
mod pending_flow;
mod repeats;
mod second_step;
mod seen;
mod sessions;
mod throttle;
mod token;
mod workers;

pub(crate) use access::{Access, Conversing, PatientPage, ProviderPage, Viewing};
pub(crate) use access_token::{AccessTokens, LIFETIME as ACCESS_TOKEN_LIFETIME};
pub(crate) use bearer::bearer;
pub(crate) use booking::{
    Accompanying, AddingPeople, Arranging, Booking, CallingOff, Clerk, Linking, ListingAppointments, ListingPeople,
    Reading, ShuttingOut,
};
pub(crate) use cookies::{CookieKind, Cookies};
pub use demo_sign_in::DemoSignIn;
pub(crate) use device::{DEVICE_REQUEST_EXPIRES, device_of};
pub(crate) use identity::Identities;
pub(crate) use join_token::{check_keys, is_join_token, read_join_token};
pub(crate) use origin::{is_own, refuse_foreign_origins};
pub(crate) use passkeys::Passkeys;
pub use password::PasswordError;
pub(crate) use password::Passwords;
pub(crate) use pending_flow::PendingFlows;
pub(crate) use repeats::{Followed, Repeats};
pub(crate) use second_step::{Offered, SecondStep, Waits, place as place_of_second_step};
pub(crate) use seen::Seen;
pub(crate) use sessions::{Identity, Sessions};
pub(crate) use throttle::{Kind, Throttle};
pub use token::SecretToken;
