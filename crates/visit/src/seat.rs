//! A participant's held place. It belongs to a person, not to a connection.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{CommandId, ConnectionId, Consent, ParticipantRecord, Private, Role, Timestamp, UserId};

/// How far one of a page's own checks has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The person is being asked.
    Asking,
    /// It works.
    Works,
    /// It is refused, in use or missing.
    Blocked,
}

/// What a page found out about its device, so that the provider sees how far the patient has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct DeviceCheck {
    /// The browser can hold a video call.
    pub browser: Check,
    /// The camera.
    pub camera: Check,
    /// The microphone.
    pub microphone: Check,
    /// The microphone has been heard making a sound.
    pub heard: bool,
    /// The camera has been seen to deliver more than a dark picture. Pages that were loaded before this was there do not
    /// say.
    #[serde(default)]
    pub seen: bool,
}

/// What keeps a page from sending camera and microphone although its person has not switched them
/// off. Shown to the provider in words, instead of a frozen picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Nothing.
    #[default]
    Live,
    /// The page is in the background, and the system has stopped it.
    Hidden,
    /// The system took the devices: a phone call, another app.
    Interrupted,
    /// A device was unplugged or has failed; the page is looking for another.
    Lost,
    /// The page waits for the person's tap.
    Blocked,
}

/// Whether a person's page is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// No page of theirs has been connected.
    Never,
    /// A page is connected.
    Up { connection: ConnectionId, since: Timestamp },
    /// It was connected and dropped; the seat is held.
    Down { since: Timestamp },
}

/// Whether a person is in the visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// Not come in.
    Out,
    /// In the waiting room or the visit since then.
    In { since: Timestamp },
    /// Left at that time, of their own accord or because the held seat ran out.
    Left { at: Timestamp },
    /// Asked to come while out, and said not now.
    Declined { at: Timestamp },
}

/// Whether a person's media connection to the server carries.
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
    /// The session of their last page. `None` before the first, and after a restart.
    pub(crate) session: Option<u64>,
    /// When they came with another session than before: on another device.
    pub(crate) device_changed: Option<Timestamp>,
    /// Whether their media is forwarded now.
    pub(crate) admitted: bool,
    /// The last commands that changed something durable, so that none is done twice, not even over
    /// a restart.
    pub(crate) done: VecDeque<CommandId>,
    /// The last other commands that were done.
    pub(crate) heeded: VecDeque<CommandId>,
}

/// How many command ids are remembered of each kind.
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

    /// When they came in, if they are in.
    pub(crate) const fn entered(&self) -> Option<Timestamp> {
        match self.attendance {
            Attendance::In { since } => Some(since),
            Attendance::Out | Attendance::Left { .. } | Attendance::Declined { .. } => None,
        }
    }

    /// Since when their page is out of reach. Somebody who is seen and heard is there, although their
    /// signalling connection dropped.
    pub(crate) const fn link_lost(&self) -> Option<Timestamp> {
        match (self.link, self.media) {
            (Link::Down { since }, MediaLink::None | MediaLink::Lost { .. }) => Some(since),
            (Link::Down { .. }, MediaLink::Up) | (Link::Up { .. } | Link::Never, _) => None,
        }
    }

    /// Since when they are neither seen nor heard for the network's sake.
    pub(crate) const fn away(&self) -> Option<Timestamp> {
        match self.media {
            MediaLink::Lost { since } => Some(since),
            MediaLink::Up | MediaLink::None => self.link_lost(),
        }
    }

    /// Whether a command of this name was done already.
    pub(crate) fn has_done(&self, id: &CommandId) -> bool {
        self.done.contains(id) || self.heeded.contains(id)
    }

    /// Remembers a command that was done.
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

    /// Puts back what was durable. Whoever was in has, after a restart, a dropped connection.
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
