//! What one person's page is shown of a visit, and how a page's copy is kept up to date.
//!
//! A page gets a whole [`View`] when it connects and ordered [`Change`]s after that: applying
//! [`diff`]'s changes to the old view gives the new one.

use serde::{Deserialize, Serialize};

use crate::{CallBackend, Capture, ChatMessage, DeviceCheck, EndReason, Private, Role, Timestamp, UserId, VisitId};

/// Where the visit stands for the person who looks. Times are moments of the server's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Patient: the page is open, they have not come into the waiting room yet.
    Preparing,
    /// Patient: in the waiting room. They are connected by themselves when the provider starts.
    Waiting {
        /// When they came in.
        since: Timestamp,
    },
    /// Patient: the provider has started and asks them in, but they are not in the waiting room.
    Called {
        /// When the provider started.
        since: Timestamp,
    },
    /// Provider: nothing started yet.
    Idle,
    /// Provider: the patient is being waited for.
    Calling {
        /// Since when.
        since: Timestamp,
        /// When the provider will be asked what to do; absent if they chose to keep waiting.
        until: Option<Timestamp>,
    },
    /// Provider: the patient did not come within the ring time-out.
    Unanswered {
        /// When calling began.
        since: Timestamp,
    },
    /// Provider: the patient said that they cannot come now.
    Declined {
        /// When.
        at: Timestamp,
    },
    /// Both are in the visit and connected.
    Connected {
        /// When the provider started.
        since: Timestamp,
    },
    /// The other person's connection dropped. Their seat is held.
    Reconnecting {
        /// When it dropped.
        since: Timestamp,
    },
    /// The other person left. They may come back.
    Alone {
        /// When they left.
        since: Timestamp,
    },
    /// You left. You may come back.
    Left {
        /// When.
        at: Timestamp,
    },
    /// The visit is over.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// Where a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Presence {
    /// Their page is not open.
    Absent,
    /// Their page is open; they are not in the waiting room or the visit yet.
    Preparing {
        /// Since when the page is connected.
        since: Timestamp,
    },
    /// In the waiting room or the visit.
    Here {
        /// When they came in.
        since: Timestamp,
    },
    /// In, but their connection dropped.
    Away {
        /// When it dropped.
        since: Timestamp,
    },
    /// They left.
    Left {
        /// When.
        at: Timestamp,
    },
}

/// One person of the visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ParticipantView {
    /// Who.
    pub user: UserId,
    /// Their name.
    #[cfg_attr(test, ts(as = "String"))]
    pub name: Private<String>,
    /// As what.
    pub role: Role,
    /// Where they are.
    pub presence: Presence,
    /// Whether their microphone may be heard. The server's word, whatever a page sends.
    pub microphone: bool,
    /// Whether their camera may be seen. The server's word, whatever a page sends.
    pub camera: bool,
    /// Whether their media connection to the server carries; over another backend: whether they can be reached there.
    pub media: bool,
    /// What keeps their page from sending, although they have not switched it off.
    pub capture: Capture,
    /// When they agreed to the clinic's terms. Shown to the provider, and to the person themselves.
    pub consent: Option<Timestamp>,
    /// What their page reported of its device. Shown to the provider, and to the person themselves.
    pub check: Option<DeviceCheck>,
    /// When they came on another device than before, if they did. Shown to the provider, and to the person themselves.
    pub device_changed: Option<Timestamp>,
}

/// A visit as one person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct View {
    /// Which visit. A new meeting of the same appointment is another visit.
    pub visit: VisitId,
    /// Where it stands for you.
    pub stage: Stage,
    /// Who carries the media.
    pub backend: CallBackend,
    /// You.
    pub you: ParticipantView,
    /// Everyone else who has a seat, the person your page is about first.
    pub others: Vec<ParticipantView>,
    /// What was written, in order.
    pub messages: Vec<ChatMessage>,
}

/// A part of a [`View`] that has a new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Change {
    /// It is another visit now, in which nothing has been written yet.
    Visit {
        /// Which.
        visit: VisitId,
    },
    /// It stands elsewhere.
    Stage {
        /// Where.
        stage: Stage,
    },
    /// Another backend carries the media.
    Backend {
        /// Which.
        backend: CallBackend,
    },
    /// Something about you.
    You {
        /// All of it.
        you: ParticipantView,
    },
    /// Something about somebody else: who is known already, or comes last.
    Other {
        /// All of it.
        other: ParticipantView,
    },
    /// Somebody wrote.
    Said {
        /// What.
        message: ChatMessage,
    },
}

/// The changes that turn `old` into `new`, an earlier and a later view of one machine and person;
/// empty if they are equal.
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
    /// Takes over a changed part, as a page does.
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

    /// The person this page is about: for the provider the patient, for everyone else the provider.
    #[must_use]
    pub fn counterpart(&self) -> Option<&ParticipantView> {
        self.others.iter().find(|other| other.role == self.you.role.counterpart())
    }
}
