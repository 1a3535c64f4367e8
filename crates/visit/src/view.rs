//! The view of a visit for one participant, and how a page's copy is kept up to date.
//!
//! A page gets a whole [`View`] when it connects and ordered [`Change`]s after that. Applying the result of [`diff`] to
//! the old view gives the new one.

use serde::{Deserialize, Serialize};

use crate::{CallBackend, Capture, ChatMessage, DeviceCheck, EndReason, Private, Role, Timestamp, UserId, VisitId};

/// The stage of a visit as one participant sees it. Times are in the server's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Patient: the page is open, but the patient has not entered the waiting room yet.
    Preparing,
    /// Patient: in the waiting room. The patient is connected automatically when the provider starts the visit.
    Waiting {
        /// When they entered.
        since: Timestamp,
    },
    /// Patient: the provider has started the visit and is calling them, but they are not in the waiting room.
    Called {
        /// When the provider started.
        since: Timestamp,
    },
    /// Provider: not started yet.
    Idle,
    /// Provider: waiting for the patient.
    Calling {
        /// When calling began.
        since: Timestamp,
        /// When the provider will be asked what to do; absent if they chose to keep waiting.
        until: Option<Timestamp>,
    },
    /// Provider: the patient did not join before the ring timeout.
    Unanswered {
        /// When calling began.
        since: Timestamp,
    },
    /// Provider: the patient declined the call.
    Declined {
        /// When they declined.
        at: Timestamp,
    },
    /// Both are in the visit and connected.
    Connected {
        /// When the provider started.
        since: Timestamp,
    },
    /// The other participant's connection dropped. Their seat is held.
    Reconnecting {
        /// When it dropped.
        since: Timestamp,
    },
    /// The other participant left. They may come back.
    Alone {
        /// When they left.
        since: Timestamp,
    },
    /// You left. You may come back.
    Left {
        /// When you left.
        at: Timestamp,
    },
    /// The visit is over.
    Ended {
        /// When it ended.
        at: Timestamp,
        /// Why it ended.
        reason: EndReason,
    },
}

/// Where a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Presence {
    /// Their page is not open.
    Absent,
    /// Their page is open; they have not entered the waiting room or the visit yet.
    Preparing {
        /// When the page connected.
        since: Timestamp,
    },
    /// In the waiting room or the visit.
    Here {
        /// When they entered.
        since: Timestamp,
    },
    /// In the visit, but their connection dropped.
    Away {
        /// When it dropped.
        since: Timestamp,
    },
    /// They left.
    Left {
        /// When they left.
        at: Timestamp,
    },
}

/// One participant of the visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ParticipantView {
    /// The user's ID.
    pub user: UserId,
    /// Their display name.
    #[cfg_attr(test, ts(as = "String"))]
    pub name: Private<String>,
    /// Their role.
    pub role: Role,
    /// Where they are.
    pub presence: Presence,
    /// Whether their microphone may be forwarded. The server enforces this whatever the page sends.
    pub microphone: bool,
    /// Whether their camera may be forwarded. The server enforces this whatever the page sends.
    pub camera: bool,
    /// Whether their media connection to the server works. With another backend: whether they can be reached there.
    pub media: bool,
    /// Why their page cannot send media, although they have not turned it off.
    pub capture: Capture,
    /// When they accepted the clinic's terms. Visible to the provider and to the participant.
    pub consent: Option<Timestamp>,
    /// Their page's device check. Visible to the provider and to the participant.
    pub check: Option<DeviceCheck>,
    /// When they last came on another device, if they did. Visible to the provider and to the participant.
    pub device_changed: Option<Timestamp>,
}

/// A visit as one participant sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct View {
    /// The visit. A new meeting of the same appointment is another visit.
    pub visit: VisitId,
    /// The stage for you.
    pub stage: Stage,
    /// The call backend.
    pub backend: CallBackend,
    /// You.
    pub you: ParticipantView,
    /// Everyone else who has a seat, your counterpart first.
    pub others: Vec<ParticipantView>,
    /// The chat messages, in order.
    pub messages: Vec<ChatMessage>,
}

/// A part of a [`View`] that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Change {
    /// A new visit began, which has no messages yet.
    Visit {
        /// Its ID.
        visit: VisitId,
    },
    /// The stage changed.
    Stage {
        /// The new stage.
        stage: Stage,
    },
    /// The call moved to another backend.
    Backend {
        /// The new backend.
        backend: CallBackend,
    },
    /// Something about you changed.
    You {
        /// Your complete new state.
        you: ParticipantView,
    },
    /// Something about another participant changed. A new participant is added at the end.
    Other {
        /// Their complete new state.
        other: ParticipantView,
    },
    /// A message was sent.
    Said {
        /// The message.
        message: ChatMessage,
    },
}

/// Returns the changes that turn `old` into `new`, an earlier and a later view of the same machine and user; empty if
/// they are equal.
#[must_use]
pub fn diff(old: &View, new: &View) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.visit != new.visit {
        changes.push(Change::Visit { visit: new.visit });
    }
    if old.backend != new.backend {
        changes.push(Change::Backend { backend: new.backend });
    }
    if old.you != new.you {
        changes.push(Change::You { you: new.you.clone() });
    }
    let known = |other: &&ParticipantView| !old.others.contains(other);
    changes.extend(new.others.iter().filter(known).map(|other| Change::Other { other: other.clone() }));
    let said = if old.visit == new.visit { old.messages.len() } else { 0 };
    changes.extend(new.messages.iter().skip(said).map(|message| Change::Said { message: message.clone() }));
    if old.stage != new.stage {
        changes.push(Change::Stage { stage: new.stage.clone() });
    }
    changes
}

impl View {
    /// Applies a change, as a page does.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Visit { visit } => {
                self.visit = visit;
                self.messages.clear();
            }
            Change::Stage { stage } => self.stage = stage,
            Change::Backend { backend } => self.backend = backend,
            Change::You { you } => self.you = you,
            Change::Other { other } => match self.others.iter_mut().find(|known| known.user == other.user) {
                Some(known) => *known = other,
                None => self.others.push(other),
            },
            Change::Said { message } => self.messages.push(message),
        }
    }

    /// Returns the counterpart: the patient for the provider, the provider for everyone else.
    #[must_use]
    pub fn counterpart(&self) -> Option<&ParticipantView> {
        self.others.iter().find(|other| other.role == self.you.role.counterpart())
    }
}
