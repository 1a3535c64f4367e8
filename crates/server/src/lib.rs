//! The Bedside server: configuration, sign-in, pages, API, signalling and the runtime of the media server.
//!
//! [`Program::start`] builds all components from a [`config::Config`]; [`Program::serve`] serves requests until
//! shutdown. `main` and the tests use the same functions.

mod api;
mod app;
mod audit;
mod auth;
mod calls;
mod clinic;
pub mod config;
mod http;
mod keys;
mod mail;
pub mod media;
pub mod operator;
mod pages;
mod signalling;
mod telemetry;
mod text;
mod tls;

pub use app::claim::{Claim, ClaimError};
pub use app::clock::{SteadyClock, SystemClock};
pub use app::program::{Program, Reloader, StartError, check_build, claim, listen, open_store, open_to_serve};
pub use audit::{AuditFault, AuditFormat, AuditReport, ExportError, Head, export_audit, verify_audit};
pub use auth::{PasswordError, SecretToken};
pub use calls::cometchat::check_cometchat;
pub use clinic::demo;
pub use clinic::integrators::NewKey;
pub use keys::rotation::{KeyWorkError, Rewrapped, describe_keys, rewrap_keys, rotate_keys};
pub use keys::{KeyError, Keys, RootKey};
pub use mail::check_mail;
pub use operator::backup::{BackupError, Made, Restored, back_up, restore};
pub use telemetry::log::{LogOutput, LogWriter, log_filter};
pub use tls::{check_tls, local_address};
