//! Reports from a call backend's service (webhooks).

use bedside_visit::{AppointmentId, Timestamp, UserId, VisitId};

/// A stored report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendReport {
    /// SHA-256 of the fields that identify duplicates of a report.
    pub key: [u8; 32],
    /// When it was received.
    pub at: Timestamp,
    /// The event: a code of at most 64 characters.
    pub event: &'static str,
    /// The service's ID of the call, at most 200 characters.
    pub call_session: Option<String>,
    /// The two users of the call, if the report names them.
    pub between: Option<[UserId; 2]>,
}

/// The result of storing a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// A duplicate; nothing was changed.
    Known,
    /// Stored, with the visit it concerns if that could be determined.
    New(Option<ReportedVisit>),
}

/// The visit that a report concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedVisit {
    /// The appointment.
    pub appointment: AppointmentId,
    /// Its visit.
    pub visit: VisitId,
}
