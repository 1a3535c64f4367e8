//! The booking, and the time in which people may come in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AppointmentId, CallBackend, Participants, Private, TermsId, Timestamp, UserId};

/// The state of a booking, as in FHIR R4 `Appointment.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AppointmentStatus {
    /// Made; nobody has come yet.
    Booked,
    /// The patient has been in the waiting room.
    Arrived,
    /// The visit took place.
    Fulfilled,
    /// Called off.
    Cancelled,
    /// The patient did not come.
    NoShow,
}

/// A text that is no appointment status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown appointment status")]
pub struct UnknownStatus;

impl AppointmentStatus {
    /// Whether an appointment that stands so can be cancelled: not one that took place, that the patient missed, or that
    /// was cancelled before.
    #[must_use]
    pub const fn may_be_cancelled(self) -> bool {
        match self {
            Self::Booked | Self::Arrived => true,
            Self::Fulfilled | Self::Cancelled | Self::NoShow => false,
        }
    }

    /// The FHIR code.
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

/// A booking of one patient with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Which.
    pub id: AppointmentId,
    /// When it is due.
    pub start: Timestamp,
    /// Planned length, 5 minutes to 24 hours.
    pub duration: Duration,
    /// What kind of visit, such as "Follow-up".
    pub kind: String,
    /// Why, in the words of whoever booked it.
    pub reason: Option<Private<String>>,
    /// Where it stands.
    pub status: AppointmentStatus,
    /// Who meets.
    pub participants: Participants,
    /// Who is to carry the media.
    pub backend: CallBackend,
    /// Who booked it: somebody at the front desk, or another program. `None`: the operator.
    pub booked_by: Option<UserId>,
}

/// How an operator wants visits run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitRules {
    /// How long before its time a patient may come into the waiting room.
    pub early: Duration,
    /// How long after its planned end people may still come in.
    pub late: Duration,
    /// How long an absent patient is called before the provider is asked what to do.
    pub ring: Duration,
    /// How long a seat is held for a person whose connection dropped.
    pub seat_held: Duration,
    /// Whether there is an account at CometChat.
    pub cometchat: bool,
    /// The terms that people are asked to agree to; `None`: nobody is asked.
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
    /// Whether visits can go over a backend here.
    #[must_use]
    pub const fn offers(&self, backend: CallBackend) -> bool {
        match backend {
            CallBackend::Embedded => true,
            CallBackend::CometChat => self.cometchat,
        }
    }
}

/// Whether the door is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinWindow {
    /// It opens at this moment.
    Early(Timestamp),
    /// Come in.
    Open,
    /// It has closed.
    Closed,
}

impl Appointment {
    /// Who carries the media here: what is not offered any more falls back to the embedded server.
    #[must_use]
    pub const fn carrier(&self, rules: &VisitRules) -> CallBackend {
        if rules.offers(self.backend) { self.backend } else { CallBackend::Embedded }
    }

    /// When it is planned to end.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }

    /// When the door closes for good.
    #[must_use]
    pub fn closes(&self, rules: &VisitRules) -> Timestamp {
        self.end() + rules.late
    }

    /// Whether people may come in at `now`.
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
