//! Outputs of the SFU.

use std::net::SocketAddr;

use bedside_visit::{Layer, UserId, VisitId};

use crate::command::{PeerId, Transport};
use crate::offer::OfferRefusal;

/// An output of the SFU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// The answer to `Join` or `Renegotiate`.
    Answered {
        /// The connection.
        peer: PeerId,
        /// The SDP answer for the page.
        sdp: String,
        /// The user whose media each receive slot (`mid`) of the page carries.
        tracks: Vec<(String, UserId)>,
    },
    /// `Join` or `Renegotiate` failed. An existing connection is unaffected.
    Refused {
        /// The connection.
        peer: PeerId,
        /// The reason.
        why: Refusal,
    },
    /// Media can flow, for the first time or again after `Lost`.
    Up {
        /// The connection.
        peer: PeerId,
    },
    /// Nothing has been received from the page for a few seconds.
    Lost {
        /// The connection.
        peer: PeerId,
    },
    /// The layers of a page's video that at least one receiver uses. Only for pages that offered several.
    Wanted {
        /// The connection.
        peer: PeerId,
        /// The layers, smallest first; at least one.
        layers: Vec<Layer>,
    },
    /// The active speaker in a room of three or more participants changed.
    Speaking {
        /// The room.
        room: VisitId,
        /// The speaker; `None` after a period of silence.
        user: Option<UserId>,
    },
    /// The connection has ended, and its ID is no longer valid.
    Gone {
        /// The connection.
        peer: PeerId,
        /// The reason.
        why: GoneReason,
    },
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Its transport.
    pub transport: Transport,
    /// The local candidate to send from.
    pub source: SocketAddr,
    /// The destination.
    pub destination: SocketAddr,
    /// What it carries, so that a full queue drops video before audio.
    pub class: MediaClass,
    /// The payload.
    pub contents: Vec<u8>,
}

/// What a datagram carries, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaClass {
    /// STUN, DTLS or RTCP.
    Control,
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoneReason {
    /// The server closed it with `Leave`.
    Left,
    /// The user connected again, from another page or after a reload.
    Replaced,
    /// It was lost and did not recover.
    TimedOut,
    /// It was never established.
    NeverCame,
    /// The page closed it (DTLS `close_notify`).
    Closed,
    /// An internal error. The page should connect again.
    Failed,
}

/// Why `Join` or `Renegotiate` failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The offer is not one that a Bedside page creates.
    #[error("the offer was refused: {0}")]
    Offer(#[from] OfferRefusal),
    /// The media engine rejected the offer.
    #[error("the offer could not be answered")]
    Unanswerable,
    /// A limit of the server is reached.
    #[error("the media server is at capacity")]
    Full,
    /// The caller's mistake: an invalid peer ID or invalid credentials.
    #[error("the connection's ID or credentials are invalid")]
    Unusable,
    /// `Renegotiate` for a connection that does not exist.
    #[error("there is no such connection")]
    UnknownPeer,
}
