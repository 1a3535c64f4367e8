//! Who is asking, and what they may do.

mod access;
mod cookies;
mod delay;
mod device;
mod identity;
mod origin;
mod password;
mod second_step;
mod throttle;
mod token;
mod workers;

pub(crate) use access::{Access, Conversing, Inviting, PatientPage, ProviderPage, Viewing};
pub(crate) use cookies::{CookieKind, Cookies};
pub(crate) use device::device_of;
pub(crate) use identity::{Identities, Identity, live_identity};
pub(crate) use origin::{is_own, refuse_foreign_origins};
pub use password::PasswordError;
pub(crate) use password::Passwords;
pub(crate) use second_step::{Offered, SecondStep};
pub(crate) use throttle::Throttle;
pub use token::SecretToken;
