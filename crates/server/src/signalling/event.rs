//! What an appointment's task is told.

use bedside_store::SessionHash;
use bedside_visit::signalling::{Command, Sdp, Watched};
use bedside_visit::{Arrival, CommandId, ConnectionId, Timestamp, UserId};

use super::connection::Connection;
use crate::media::MediaEvent;

/// How an offer was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// With a connection.
    New,
    /// With the connection that was there.
    Again,
    /// Not at all.
    Refused,
}

/// What an appointment's task is told.
pub(super) enum Event {
    Connected {
        connection: Box<Connection>,
        arrival: Arrival,
    },
    Disconnected {
        connection: ConnectionId,
        /// The page said goodbye.
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
    /// An answer is out: the room may have changed while it was made.
    Answered {
        user: UserId,
        peer: u32,
        answered: Answered,
    },
    /// Who asks to come in on another device has changed.
    Admissions,
    Media(MediaEvent),
    EndSession(SessionHash),
    /// The appointment was cancelled.
    Cancelled,
    /// Begin nothing new: the program stops then.
    Stopping {
        until: Timestamp,
    },
    Stop,
}
