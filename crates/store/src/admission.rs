//! Links that were used, and are opened on another device.

use bedside_visit::{AdmissionId, AppointmentId, Role, Timestamp, UserId};

use crate::{InviteHash, SessionHash};

/// Somebody's wish to come in on another device than the one that used their link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRecord {
    /// Which.
    pub id: AdmissionId,
    /// The link that was used.
    pub invite: InviteHash,
    /// The appointment that it lets into. Not stored: the link's.
    pub appointment: AppointmentId,
    /// Whose link it is. Not stored: the link's.
    pub user: UserId,
    /// As what it lets in. Not stored: the link's.
    pub role: Role,
    /// The session that the other device is to have.
    pub session: SessionHash,
    /// The other device, as far as its browser said.
    pub device: Option<String>,
    /// When they asked.
    pub asked_at: Timestamp,
    /// When it was answered, and whether they were let in.
    pub answered: Option<(Timestamp, bool)>,
}
