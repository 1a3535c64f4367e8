//! Appointments and their join window.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AppointmentId, CallBackend, Participants, Private, TermsId, Timestamp, UserId};

/// The status of an appointment, as in FHIR R4 `Appointment.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AppointmentStatus {
    /// Booked; nobody has joined yet.
    Booked,
    /// The patient has been in the waiting room.
    Arrived,
    /// The visit took place.
    Fulfilled,
    /// Cancelled.
    Cancelled,
    /// The patient did not come.
    NoShow,
}

/// The appointment's status does not allow the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not possible while the appointment is {0}")]
pub struct TransitionError(
    /// The present status.
    pub AppointmentStatus,
);

/// The text is not an appointment status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown appointment status")]
pub struct UnknownStatus;

impl AppointmentStatus {
    /// Cancels the appointment.
    ///
    /// # Errors
    /// If the visit took place, the patient missed it, or it is already cancelled.
    pub const fn cancel(self) -> Result<Self, TransitionError> {
        match self {
            Self::Booked | Self::Arrived => Ok(Self::Cancelled),
            Self::Fulfilled | Self::Cancelled | Self::NoShow => Err(TransitionError(self)),
        }
    }

    /// The patient is in the waiting room. A patient who was marked as missed may still come.
    ///
    /// # Errors
    /// If the visit took place or the appointment is cancelled.
    pub const fn arrive(self) -> Result<Self, TransitionError> {
        match self {
            Self::Booked | Self::Arrived | Self::NoShow => Ok(Self::Arrived),
            Self::Fulfilled | Self::Cancelled => Err(TransitionError(self)),
        }
    }

    /// The patient did not come.
    ///
    /// # Errors
    /// If the visit took place, also if another meeting of the same appointment was missed afterwards, or the
    /// appointment is cancelled.
    pub const fn no_show(self) -> Result<Self, TransitionError> {
        match self {
            Self::Booked | Self::Arrived | Self::NoShow => Ok(Self::NoShow),
            Self::Fulfilled | Self::Cancelled => Err(TransitionError(self)),
        }
    }

    /// Patient and provider were connected, and the visit has ended.
    ///
    /// # Errors
    /// If the appointment is cancelled.
    pub const fn fulfil(self) -> Result<Self, TransitionError> {
        match self {
            Self::Booked | Self::Arrived | Self::NoShow | Self::Fulfilled => Ok(Self::Fulfilled),
            Self::Cancelled => Err(TransitionError(self)),
        }
    }

    /// Returns the FHIR code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Arrived => "arrived",
            Self::Fulfilled => "fulfilled",
            Self::Cancelled => "cancelled",
            Self::NoShow => "noshow",
        }
    }
}

impl fmt::Display for AppointmentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AppointmentStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        [Self::Booked, Self::Arrived, Self::Fulfilled, Self::Cancelled, Self::NoShow]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// An appointment of one patient with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Its ID.
    pub id: AppointmentId,
    /// Scheduled start.
    pub start: Timestamp,
    /// Scheduled length, 5 minutes to 24 hours.
    pub duration: Duration,
    /// Visit type, such as "Follow-up".
    pub kind: String,
    /// Reason for the visit, as entered when it was booked.
    pub reason: Option<Private<String>>,
    /// Its status.
    pub status: AppointmentStatus,
    /// Its participants.
    pub participants: Participants,
    /// The call backend that was chosen for it.
    pub backend: CallBackend,
    /// The front-desk user or integrator that booked it; `None` if the operator did.
    pub booked_by: Option<UserId>,
}

/// The operator's settings for visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitRules {
    /// How long before the scheduled start a patient may enter the waiting room.
    pub early: Duration,
    /// How long after the scheduled end participants may still join.
    pub late: Duration,
    /// How long an absent patient is called before the provider is asked what to do.
    pub ring: Duration,
    /// How long a seat is held for a participant whose connection dropped.
    pub seat_held: Duration,
    /// Whether a CometChat account is configured.
    pub cometchat: bool,
    /// The terms that participants are asked to accept; `None` if there are none.
    pub terms: Option<TermsId>,
}

impl Default for VisitRules {
    fn default() -> Self {
        Self {
            early: Duration::from_secs(60 * 60),
            late: Duration::from_secs(4 * 60 * 60),
            ring: Duration::from_secs(45),
            seat_held: Duration::from_secs(10 * 60),
            cometchat: false,
            terms: None,
        }
    }
}

impl VisitRules {
    /// Returns whether a backend is available on this server.
    #[must_use]
    pub const fn offers(&self, backend: CallBackend) -> bool {
        match backend {
            CallBackend::Embedded => true,
            CallBackend::CometChat => self.cometchat,
        }
    }
}

/// The state of an appointment's join window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinWindow {
    /// It opens at this time.
    Early(Timestamp),
    /// Participants may join.
    Open,
    /// It has closed.
    Closed,
}

impl Appointment {
    /// Returns the backend that carries the call. Falls back to the embedded SFU if the chosen one is no longer
    /// available.
    #[must_use]
    pub const fn carrier(&self, rules: &VisitRules) -> CallBackend {
        if rules.offers(self.backend) { self.backend } else { CallBackend::Embedded }
    }

    /// Returns the scheduled end.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }

    /// Returns when the join window closes.
    #[must_use]
    pub fn closes(&self, rules: &VisitRules) -> Timestamp {
        self.end() + rules.late
    }

    /// Returns the state of the join window at `now`.
    #[must_use]
    pub fn window(&self, rules: &VisitRules, now: Timestamp) -> JoinWindow {
        let opens = self.start - rules.early;
        if now < opens {
            JoinWindow::Early(opens)
        } else if now < self.closes(rules) {
            JoinWindow::Open
        } else {
            JoinWindow::Closed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_possible_from_these_statuses_only() {
        use AppointmentStatus::{Arrived, Booked, Cancelled, Fulfilled, NoShow};
        type Change = fn(AppointmentStatus) -> Result<AppointmentStatus, TransitionError>;
        let changes: [(Change, AppointmentStatus, &[AppointmentStatus]); 4] = [
            (AppointmentStatus::cancel, Cancelled, &[Booked, Arrived]),
            (AppointmentStatus::arrive, Arrived, &[Booked, Arrived, NoShow]),
            (AppointmentStatus::no_show, NoShow, &[Booked, Arrived, NoShow]),
            (AppointmentStatus::fulfil, Fulfilled, &[Booked, Arrived, NoShow, Fulfilled]),
        ];
        for (change, to, from) in changes {
            for status in [Booked, Arrived, Fulfilled, Cancelled, NoShow] {
                let expected = if from.contains(&status) { Ok(to) } else { Err(TransitionError(status)) };
                assert_eq!(change(status), expected, "{status} to {to}");
            }
        }
    }
}
