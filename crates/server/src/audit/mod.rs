//! The audit log beyond the database: signed heads of it, its check, and its export.

mod export;
mod head;
mod keeper;
mod verify;

pub use export::{AuditFormat, ExportError, export_audit};
pub use head::Head;
pub(crate) use keeper::HeadKeeper;
pub use verify::{AuditFault, AuditReport, verify_audit};
