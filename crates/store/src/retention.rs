use bedside_visit::{AppointmentId, Timestamp, UserId};

/// An appointment that is old enough to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// Which.
    pub appointment: AppointmentId,
    /// Whose data it is.
    pub patient: UserId,
    /// When it was due.
    pub start: Timestamp,
    /// How many messages were written in its visits.
    pub messages: u64,
    /// Whether it has a reason that was written down.
    pub reason: bool,
    /// It is under legal hold, and stays.
    pub held: bool,
}
