//! A participant's held place. It belongs to a person, not to a connection.

use serde::{Deserialize, Serialize};

use crate::{ConnectionId, ParticipantRecord, Role, Timestamp, UserId};

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) link: Link,
    pub(crate) attendance: Attendance,
    pub(crate) media: MediaLink,
    pub(crate) microphone: bool,
    pub(crate) camera: bool,
    pub(crate) check: DeviceCheck,
}

impl Seat {
    pub(crate) const fn new(user: UserId, role: Role) -> Self {
        Self {
            user,
            role,
            link: Link::Never,
            attendance: Attendance::Out,
            media: MediaLink::None,
            microphone: true,
            camera: true,
            check: DeviceCheck {
                browser: Check::Unknown,
                camera: Check::Unknown,
                microphone: Check::Unknown,
                heard: false,
            },
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

    pub(crate) fn record(&self) -> ParticipantRecord {
        ParticipantRecord {
            user: self.user,
            role: self.role,
            entered: self.entered(),
            left: match self.attendance {
                Attendance::Left { at } => Some(at),
                Attendance::Out | Attendance::In { .. } | Attendance::Declined { .. } => None,
            },
            microphone: self.microphone,
            camera: self.camera,
        }
    }

    /// Puts back what was durable. Whoever was in has, after a restart, a dropped connection.
    pub(crate) fn restore(&mut self, record: &ParticipantRecord, now: Timestamp) {
        self.microphone = record.microphone;
        self.camera = record.camera;
        if let Some(since) = record.entered {
            self.attendance = Attendance::In { since };
            self.link = Link::Down { since: now };
        } else if let Some(at) = record.left {
            self.attendance = Attendance::Left { at };
        }
    }
}
