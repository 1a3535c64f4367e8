//! Storage for users, sessions, patient links, appointments, visits and the audit log.
//!
//! This is the only crate that contains SQL. The server holds an `Arc<dyn Store>`. [`Store`] reads; [`Store::begin`]
//! returns a [`Transaction`], which writes and must be committed explicitly. Dropping it rolls back, so a handler that
//! fails half-way changes nothing, and a change and its audit row are committed together or not at all.
//!
//! ```no_run
//! # use bedside_store::{AuditEntry, SqliteStore, Store, StoreError};
//! # use bedside_visit::{AppointmentId, AppointmentStatus, AuditAction, Timestamp, UserId};
//! # async fn cancel(id: AppointmentId, actor: UserId, now: Timestamp) -> Result<(), StoreError> {
//! let store = SqliteStore::open("/var/lib/bedside/bedside.db".as_ref()).await?;
//! store.migrate().await?;
//!
//! let mut transaction = store.begin().await?;
//! transaction.update_appointment_status(id, AppointmentStatus::Cancelled).await?;
//! let entry = AuditEntry::new(now, AuditAction::AppointmentCancelled).by(actor).of_appointment(id);
//! transaction.append_audit(&entry).await?;
//! transaction.commit().await
//! # }
//! ```
//!
//! Committed data survives a power failure. A missing row is `None`, not an error. Nothing here reads a clock: `now`
//! and `at` are arguments.
//!
//! [`SqliteStore`] is the implementation for a single server. Another database would be another directory beside
//! `sqlite/` with the same files, and `tests/story` would run against it.

mod admission;
mod audit;
mod audit_chain;
mod audit_hash;
mod backend_report;
mod done_request;
mod error;
mod hash;
mod integrator;
mod invite;
mod job;
mod passkey;
mod password_reset;
mod provider_link;
mod retention;
mod rights;
mod seal;
mod sealing_report;
mod session;
mod sqlite;
mod statistics;
mod store;
mod terms;
mod user;

pub use admission::AdmissionRecord;
pub use audit::{Actor, AuditEntry, AuditRow};
pub use audit_chain::{Chain, ChainFault};
pub use audit_hash::{AuditHash, NoHash};
pub use backend_report::{BackendReport, Receipt, ReportedVisit};
pub use done_request::DoneRequest;
pub use error::{Conflict, StorageFault, StoreError};
pub use hash::{ClientKeyHash, InviteHash, RequestHash, ResetHash, SessionHash};
pub use integrator::{ClientKey, Issuer};
pub use invite::Invite;
pub use job::Job;
pub use passkey::PasskeyRecord;
pub use password_reset::PasswordReset;
pub use provider_link::ProviderLink;
pub use retention::Expired;
pub use rights::RightChanges;
pub use seal::{CannotSeal, Keyring, RootId, SealingKey};
pub use sealing_report::{RetiredRoot, SealingReport};
pub use session::SessionRecord;
pub use sqlite::SqliteStore;
pub use statistics::{LATENCY_BOUNDS, Latencies, StoreStatistics};
pub use store::{Store, Transaction};
pub use terms::Terms;
pub use user::{Account, Listed, NewUser, PasswordHash, SealedSecret};
