//! What a call backend's own service reported.

use bedside_visit::{AppointmentId, Timestamp, UserId, VisitId};

/// A report, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendReport {
    /// SHA-256 of what makes two reports the same.
    pub key: [u8; 32],
    /// When it came.
    pub at: Timestamp,
    /// What happened: a code of at most 64 characters.
    pub event: &'static str,
    /// The service's own name for the call, at most 200 characters.
    pub call_session: Option<String>,
    /// Which two people it is about, if it says so.
    pub between: Option<[UserId; 2]>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// The same has come before; nothing has changed.
    Known,
    /// It is remembered, with what it is about where that could be found.
    New(Option<ReportedVisit>),
}

/// What a report was found to be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedVisit {
    /// The booking.
    pub appointment: AppointmentId,
    /// Its visit.
    pub visit: VisitId,
}
