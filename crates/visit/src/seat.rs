//! Seats. A seat belongs to a user, not to a connection.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{CommandId, ConnectionId, Consent, ParticipantRecord, Private, Role, Timestamp, UserId};

/// The result of one of a page's device checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The browser is asking for permission.
    Asking,
    /// It works.
    Works,
    /// It is denied, in use or missing.
    Blocked,
}

/// The result of a page's device check, shown to the provider as the patient's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct DeviceCheck {
    /// The browser supports video calls.
    pub browser: Check,
    /// The camera.
    pub camera: Check,
    /// The microphone.
    pub microphone: Check,
    /// The microphone has picked up sound.
    pub heard: bool,
    /// The camera has delivered a picture that is not black. Pages loaded before this field was added do not send it.
    #[serde(default)]
    pub seen: bool,
}

/// Why a page cannot send camera or microphone although the user has not turned them off. The provider sees this as
/// text instead of a frozen picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Nothing prevents it.
    #[default]
    Live,
    /// The page is in the background and the operating system stopped capture.
    Hidden,
    /// The operating system took the devices, e.g. for a phone call or another app.
    Interrupted,
    /// A device was unplugged or failed; the page is looking for another.
    Lost,
    /// The page is waiting for the user's tap.
    Blocked,
}

/// The state of a participant's signalling connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// No page has connected yet.
    Never,
    /// A page is connected.
    Up { connection: ConnectionId, since: Timestamp },
    /// The connection dropped; the seat is held.
    Down { since: Timestamp },
}

/// Whether a participant is in the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// Has not joined.
    Out,
    /// In the waiting room or the visit since this time.
    In { since: Timestamp },
    /// Left at this time, either by choice or because the held seat expired.
    Left { at: Timestamp },
    /// Declined a call while not in the visit.
    Declined { at: Timestamp },
}

/// The state of a participant's media connection to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaLink {
    None,
    Up,
    Lost { since: Timestamp },
}

#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) user: UserId,
    pub(crate) name: Private<String>,
    pub(crate) role: Role,
    pub(crate) link: Link,
    pub(crate) attendance: Attendance,
    pub(crate) media: MediaLink,
    pub(crate) microphone: bool,
    pub(crate) camera: bool,
    pub(crate) consent: Option<Consent>,
    pub(crate) check: DeviceCheck,
    pub(crate) capture: Capture,
    /// The session of the last page. `None` before the first page and after a restart.
    pub(crate) session: Option<u64>,
    /// When the participant last came with a different session, i.e. on another device.
    pub(crate) device_changed: Option<Timestamp>,
    /// Whether their media is currently forwarded.
    pub(crate) admitted: bool,
    /// IDs of the most recent commands that changed durable state, saved so that none is applied twice, even after a
    /// restart.
    pub(crate) done: VecDeque<CommandId>,
    /// IDs of the most recent other commands.
    pub(crate) heeded: VecDeque<CommandId>,
}

/// How many command IDs of each kind are remembered.
const REMEMBERED: usize = 16;

impl Seat {
    pub(crate) fn new(user: UserId, name: Private<String>, role: Role) -> Self {
        Self {
            user,
            name,
            role,
            link: Link::Never,
            attendance: Attendance::Out,
            media: MediaLink::None,
            microphone: role.publishes(),
            camera: role.publishes(),
            consent: None,
            check: DeviceCheck::default(),
            capture: Capture::Live,
            session: None,
            device_changed: None,
            admitted: false,
            done: VecDeque::new(),
            heeded: VecDeque::new(),
        }
    }

    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            Link::Up { connection, .. } => Some(connection),
            Link::Never | Link::Down { .. } => None,
        }
    }

    /// Returns when the participant joined, if they are in.
    pub(crate) const fn entered(&self) -> Option<Timestamp> {
        match self.attendance {
            Attendance::In { since } => Some(since),
            Attendance::Out | Attendance::Left { .. } | Attendance::Declined { .. } => None,
        }
    }

    /// Returns since when the participant has been unreachable. A participant whose media still flows is present even
    /// though the signalling connection dropped.
    pub(crate) const fn link_lost(&self) -> Option<Timestamp> {
        match (self.link, self.media) {
            (Link::Down { since }, MediaLink::None | MediaLink::Lost { .. }) => Some(since),
            (Link::Down { .. }, MediaLink::Up) | (Link::Up { .. } | Link::Never, _) => None,
        }
    }

    /// Returns since when the participant's media has been lost because of the network.
    pub(crate) const fn away(&self) -> Option<Timestamp> {
        match self.media {
            MediaLink::Lost { since } => Some(since),
            MediaLink::Up | MediaLink::None => self.link_lost(),
        }
    }

    /// Returns whether a command with this ID was already applied.
    pub(crate) fn has_done(&self, id: &CommandId) -> bool {
        self.done.contains(id) || self.heeded.contains(id)
    }

    /// Remembers a command that was applied.
    pub(crate) fn remember(&mut self, id: CommandId, durable: bool) {
        let list = if durable { &mut self.done } else { &mut self.heeded };
        if list.len() == REMEMBERED {
            list.pop_front();
        }
        list.push_back(id);
    }

    #[cfg(test)]
    pub(crate) fn forget_commands(&mut self) {
        self.done.clear();
        self.heeded.clear();
    }

    pub(crate) fn record(&self) -> ParticipantRecord {
        ParticipantRecord {
            user: self.user,
            role: self.role,
            entered: self.entered(),
            left: match self.attendance {
                Attendance::Left { at } => Some(at),
                Attendance::Out | Attendance::In { .. } | Attendance::Declined { .. } => None,
            },
            declined: match self.attendance {
                Attendance::Declined { at } => Some(at),
                Attendance::Out | Attendance::In { .. } | Attendance::Left { .. } => None,
            },
            microphone: self.microphone,
            camera: self.camera,
            consent: self.consent,
            commands: self.done.iter().cloned().collect(),
        }
    }

    /// Restores the durable state. After a restart, participants who were in have a dropped connection.
    pub(crate) fn restore(&mut self, record: &ParticipantRecord, now: Timestamp) {
        self.microphone = record.microphone;
        self.camera = record.camera;
        self.consent = record.consent;
        self.done = record.commands.iter().cloned().collect();
        if let Some(since) = record.entered {
            self.attendance = Attendance::In { since };
            self.link = Link::Down { since: now };
        } else if let Some(at) = record.left {
            self.attendance = Attendance::Left { at };
        } else if let Some(at) = record.declined {
            self.attendance = Attendance::Declined { at };
        }
    }
}
