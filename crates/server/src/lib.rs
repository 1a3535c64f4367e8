//! The Bedside server: configuration, sign-in, pages, API, signalling and the runtime of the media server.
//!
//! [`Program::start`] builds all components from a [`config::Config`]; [`Program::serve`] serves requests until
//! shutdown. `main` and the tests use the same functions.

mod admissions;
mod api;
mod app;
mod aside;
mod assets;
mod audit;
mod auth;
mod backup;
mod bookings;
mod claim;
mod clock;
mod cometchat;
pub mod config;
pub mod demo;
mod edge;
mod error;
mod form;
mod health;
mod integrators;
mod invites;
mod jobs;
mod journeys;
mod key_work;
mod keys;
mod log;
mod mail;
pub mod media;
mod metrics;
mod oidc;
mod once;
pub mod operator;
mod pages;
mod people;
mod program;
mod reads;
mod resets;
mod router;
mod signalling;
mod tasks;
mod text;
mod tls;

pub use audit::{AuditFault, AuditFormat, AuditReport, ExportError, Head, export_audit, verify_audit};
pub use auth::{PasswordError, SecretToken};
pub use backup::{BackupError, Made, Restored, back_up, restore};
pub use claim::{Claim, ClaimError};
pub use clock::{SteadyClock, SystemClock};
pub use cometchat::check_cometchat;
pub use integrators::NewKey;
pub use key_work::{KeyWorkError, Rewrapped, describe_keys, rewrap_keys, rotate_keys};
pub use keys::{KeyError, Keys, RootKey};
pub use log::{LogOutput, LogWriter, log_filter};
pub use mail::check_mail;
pub use program::{Program, Reloader, StartError, check_build, claim, listen, open_store, open_to_serve};
pub use tls::{check_tls, local_address};
