//! What the rest of the server and the media server tell each other.

use bedside_visit::{Layer, UserId, VisitId};

/// A page's request to send and receive media.
#[derive(Debug, Clone)]
pub struct MediaJoin {
    /// The visit.
    pub room: VisitId,
    /// The user.
    pub user: UserId,
    /// The page's number for this connection. A known number renegotiates that connection; a new number creates a
    /// connection.
    pub page_peer: u32,
    /// The other participants of the visit, in the order of the offer's receive slots.
    pub others: Vec<UserId>,
    /// The SDP offer.
    pub offer: String,
    /// Whether media may flow to and from the user.
    pub admitted: bool,
    /// Whether the user's audio is forwarded.
    pub microphone: bool,
    /// Whether the user's video is forwarded.
    pub camera: bool,
    /// Whether the page runs on this machine. Only such pages receive loopback candidates.
    pub near: bool,
}

/// The response to a [`MediaJoin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaAnswer {
    /// The SDP answer.
    pub sdp: String,
    /// The user whose media each receive slot (`mid`) carries.
    pub tracks: Vec<(String, UserId)>,
    /// Whether the answer renegotiates an existing connection.
    pub again: bool,
}

/// Why a page cannot connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// The offer was not made by a Bedside page, or it cannot be answered.
    #[error("the offer was refused")]
    BadOffer,
    /// The media server is full, overloaded or stopping. The page may retry later.
    #[error("the media server is busy")]
    Busy,
}

/// An event in the media of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaEvent {
    /// The visit.
    pub room: VisitId,
    /// The event.
    pub news: MediaNews,
}

/// The content of a [`MediaEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaNews {
    /// The state of a page's connection has changed.
    Connection {
        /// The user.
        user: UserId,
        /// The page's number for its connection.
        page_peer: u32,
        /// The change.
        kind: MediaEventKind,
    },
    /// The active speaker has changed. `None` if no participant speaks.
    Speaking(Option<UserId>),
}

/// A change in the state of a page's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEventKind {
    /// Media can flow, for the first time or again.
    Up,
    /// Nothing has been received from the page for a few seconds.
    Lost,
    /// The connection has ended.
    Gone {
        /// Whether another connection of the user remains.
        replaced: bool,
    },
    /// The simulcast layers of the page's video that other participants need.
    Wanted(Vec<Layer>),
}
