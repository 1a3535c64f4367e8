//! What comes out of the machine.

use std::net::SocketAddr;

use bedside_visit::{Layer, UserId, VisitId};

use crate::command::{PeerId, Transport};
use crate::offer::OfferRefusal;

/// An output of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// The answer to `Join` or `Renegotiate`.
    Answered {
        /// The connection.
        peer: PeerId,
        /// The answer for the page.
        sdp: String,
        /// Whose media each receive slot (`mid`) of the page carries.
        tracks: Vec<(String, UserId)>,
    },
    /// `Join` or `Renegotiate` did not happen. A connection that existed before goes on.
    Refused {
        /// The connection.
        peer: PeerId,
        /// Why.
        why: Refusal,
    },
    /// Media can flow: the first time, or again after `Lost`.
    Up {
        /// The connection.
        peer: PeerId,
    },
    /// Nothing has been heard from the page for a few seconds.
    Lost {
        /// The connection.
        peer: PeerId,
    },
    /// Which layers of a page's picture somebody has a use for. Of a page that offered several only.
    Wanted {
        /// The connection.
        peer: PeerId,
        /// The smallest first; at least one.
        layers: Vec<Layer>,
    },
    /// Who speaks, in a room of three and more, each time that changes.
    Speaking {
        /// The room.
        room: VisitId,
        /// Nobody, when there has been silence for a moment.
        user: Option<UserId>,
    },
    /// The connection has ended; its name means nothing any more.
    Gone {
        /// The connection.
        peer: PeerId,
        /// Why.
        why: GoneReason,
    },
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// How it travels.
    pub transport: Transport,
    /// Which of our candidates sends it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What it carries, so that a full queue drops video before audio.
    pub class: MediaClass,
    /// The bytes.
    pub contents: Vec<u8>,
}

/// What a datagram carries, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaClass {
    /// STUN, DTLS, RTCP.
    Control,
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoneReason {
    /// The server ended it with `Leave`.
    Left,
    /// The person connected again, from another page or after a reload.
    Replaced,
    /// It was lost and did not come back.
    TimedOut,
    /// It was never up.
    NeverCame,
    /// The page closed it (DTLS `close_notify`).
    Closed,
    /// It failed inside: the page should connect again.
    Failed,
}

/// Why `Join` or `Renegotiate` did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The offer is not one that a page of ours makes.
    #[error("the offer was refused: {0}")]
    Offer(#[from] OfferRefusal),
    /// The media engine did not accept the offer.
    #[error("the offer could not be answered")]
    Unanswerable,
    /// A limit of the server is reached.
    #[error("the media server is full")]
    Full,
    /// The shell's own mistake: a peer name or credentials that cannot be used.
    #[error("the connection's name or credentials cannot be used")]
    Unusable,
    /// `Renegotiate` for a connection that does not exist.
    #[error("there is no such connection")]
    UnknownPeer,
}
