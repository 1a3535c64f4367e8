//! The program: configuration, sign-in, pages, API, signalling and the media server's shell.
//!
//! [`Program::start`] makes all of it from a [`config::Config`]; [`Program::serve`] answers requests
//! until told to stop. `main` and the tests start it in the same way.

mod api;
mod app;
mod assets;
mod audit;
mod auth;
mod clock;
mod cometchat;
pub mod config;
pub mod demo;
mod edge;
mod error;
mod invites;
mod keys;
mod log;
pub mod media;
pub mod operator;
mod pages;
mod program;
mod reads;
mod router;
mod signalling;
mod text;
mod tls;

pub use audit::{AuditFault, AuditFormat, AuditReport, ExportError, Head, export_audit, verify_audit};
pub use auth::{PasswordError, SecretToken};
pub use clock::SystemClock;
pub use cometchat::check_cometchat;
pub use keys::{KeyError, RootKey};
pub use log::log_filter;
pub use program::{Program, StartError, check_build, listen, open_store};
pub use tls::local_address;
