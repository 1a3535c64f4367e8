//! The status of a visit as the lists of the day show it.

use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{Appointment, AppointmentStatus, Role, Timestamp};

/// The status of a visit, for display.
pub(in crate::pages) struct Standing {
    pub(in crate::pages) words: &'static str,
    pub(in crate::pages) badge: &'static str,
    pub(in crate::pages) since: Option<Timestamp>,
    pub(in crate::pages) waiting: bool,
}

impl Standing {
    /// Returns the status, from the live visit if there is one and the appointment is not cancelled, otherwise from
    /// the booking.
    pub(in crate::pages) fn of(appointment: &Appointment, view: Option<&View>, role: Role) -> Self {
        let plain = |words, badge| Self { words, badge, since: None, waiting: false };
        // In a cancelled appointment no patient counts as waiting, even if a page is still open.
        if let Some(view) = view.filter(|_| appointment.status != AppointmentStatus::Cancelled) {
            let patient = view.counterpart().map_or(Presence::Absent, |patient| patient.presence);
            match (&view.stage, patient) {
                (Stage::Connected { since } | Stage::Reconnecting { since } | Stage::Alone { since }, _) => {
                    return Self { since: Some(*since), ..plain("In the visit", "badge--live") };
                }
                (Stage::Ended { .. }, _) => {}
                (_, Presence::Here { since }) if role == Role::Provider => {
                    return Self { since: Some(since), waiting: true, ..plain("Waiting", "badge--waiting") };
                }
                (_, Presence::Preparing { .. }) if role == Role::Provider => {
                    return plain("Joining", "badge--waiting");
                }
                (_, Presence::Away { .. }) if role == Role::Provider => {
                    return plain("Lost the connection", "badge--waiting");
                }
                (
                    _,
                    Presence::Absent
                    | Presence::Preparing { .. }
                    | Presence::Here { .. }
                    | Presence::Away { .. }
                    | Presence::Left { .. },
                ) => {}
            }
        }
        match appointment.status {
            AppointmentStatus::Booked => plain("Booked", ""),
            AppointmentStatus::Arrived => plain("Was here", ""),
            AppointmentStatus::Fulfilled => plain("Done", "badge--done"),
            AppointmentStatus::Cancelled => plain("Cancelled", "badge--done"),
            AppointmentStatus::NoShow => plain("Missed", "badge--done"),
        }
    }
}
