//! Requests to use a link on another device after it was used.

use bedside_visit::{AdmissionId, AppointmentId, Role, Timestamp, UserId};

use crate::{InviteHash, SessionHash};

/// A request to join from another device than the one that used the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRecord {
    /// Its ID.
    pub id: AdmissionId,
    /// The link that was used.
    pub invite: InviteHash,
    /// The appointment of the link. Read from the link, not stored here.
    pub appointment: AppointmentId,
    /// The user of the link. Read from the link, not stored here.
    pub user: UserId,
    /// The role of the link. Read from the link, not stored here.
    pub role: Role,
    /// The session that the other device will get.
    pub session: SessionHash,
    /// The other device as reported by its browser.
    pub device: Option<String>,
    /// When the request was made.
    pub asked_at: Timestamp,
    /// When it was answered, and whether it was approved.
    pub answered: Option<(Timestamp, bool)>,
}
