//! Messages handled by a visit task.

use bedside_store::SessionHash;
use bedside_visit::signalling::{Command, Sdp, Watched};
use bedside_visit::{Arrival, CommandId, ConnectionId, Timestamp, UserId};

use super::connection::Connection;
use crate::media::MediaEvent;

/// How an offer was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// With a new media connection.
    New,
    /// With the existing media connection.
    Again,
    /// The offer was refused.
    Refused,
}

/// A message to a visit task.
pub(super) enum Event {
    Connected {
        connection: Box<Connection>,
        arrival: Arrival,
    },
    Disconnected {
        connection: ConnectionId,
        /// Whether the page announced that it is leaving.
        goodbye: bool,
    },
    Command {
        connection: ConnectionId,
        id: CommandId,
        command: Command,
    },
    Offer {
        connection: ConnectionId,
        peer: u32,
        sdp: Sdp,
    },
    Watch {
        connection: ConnectionId,
        pictures: Vec<Watched>,
    },
    /// An answer was sent. The room may have changed while the answer was being made.
    Answered {
        user: UserId,
        peer: u32,
        answered: Answered,
    },
    /// The list of device requests has changed.
    Admissions,
    Media(MediaEvent),
    EndSession(SessionHash),
    /// The appointment was cancelled.
    Cancelled,
    /// The server shuts down at this time. Start nothing new.
    Stopping {
        until: Timestamp,
    },
    Stop,
}
