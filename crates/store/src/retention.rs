use bedside_visit::{AppointmentId, Timestamp, UserId};

/// An appointment whose retention period has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The appointment's ID.
    pub appointment: AppointmentId,
    /// The patient.
    pub patient: UserId,
    /// The scheduled start.
    pub start: Timestamp,
    /// The number of chat messages in its visits.
    pub messages: u64,
    /// Whether it has a stored reason.
    pub reason: bool,
    /// Whether it is under legal hold and must be kept.
    pub held: bool,
}
