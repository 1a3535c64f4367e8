//! Audit log features beyond the database: signed heads, verification and export.

pub(crate) mod access_log;
mod export;
mod head;
mod keeper;
mod reads;
mod refusals;
mod signers;
mod verify;

pub use export::{AuditFormat, ExportError, export_audit};
pub use head::Head;
pub(crate) use keeper::{HeadKeeper, HeadState};
pub(crate) use reads::RecentReads;
pub(crate) use refusals::Refusals;
pub(crate) use signers::{RetiredSigner, place as place_of_retired};
pub(crate) use verify::last_signed;
pub use verify::{AuditFault, AuditReport, verify_audit};
