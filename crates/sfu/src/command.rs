//! Inputs of the SFU.

use std::fmt;
use std::net::SocketAddr;

use bedside_visit::{Layer, UserId, VisitId};

/// Identifies one page's media connection. Assigned by the caller and never reused while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// The transport of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A UDP datagram.
    Udp,
    /// A frame of a TCP connection (RFC 4571, RFC 6544).
    Tcp,
}

/// An input of the SFU. Its time is passed separately.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram was received.
    Datagram {
        /// Its transport.
        transport: Transport,
        /// The sender's address.
        source: SocketAddr,
        /// The local candidate it was sent to.
        destination: SocketAddr,
        /// The payload.
        contents: &'a [u8],
    },
    /// A command from the server.
    Command(Command),
    /// The deadline has passed.
    Timeout,
}

/// A command from the server.
#[derive(Debug, Clone)]
pub enum Command {
    /// Connects a page. Answered by `Answered` or `Refused`.
    Join(Box<Join>),
    /// Renegotiates an existing connection with an ICE restart. Answered by `Answered` or `Refused`.
    Renegotiate {
        /// The connection.
        peer: PeerId,
        /// The page's new offer.
        offer: String,
        /// The server's new credentials, used if the offer restarts ICE.
        ice: IceCredentials,
    },
    /// Closes a connection.
    Leave {
        /// The connection.
        peer: PeerId,
    },
    /// Starts or stops forwarding for a user.
    Admit {
        /// The room.
        room: VisitId,
        /// The user.
        user: UserId,
        /// Whether media may be forwarded to and from the user.
        admitted: bool,
    },
    /// Turns forwarding of a user's microphone and camera on or off.
    Publish {
        /// The room.
        room: VisitId,
        /// The user.
        user: UserId,
        /// Whether the user's audio may be forwarded.
        microphone: bool,
        /// Whether the user's video may be forwarded.
        camera: bool,
    },
    /// Sets how large a user's page displays the other participants.
    Watch {
        /// The room.
        room: VisitId,
        /// The user.
        user: UserId,
        /// The largest layer the page can use for each participant; `None` if it does not display their video.
        /// Participants not listed are forwarded at their largest layer.
        most: Vec<(UserId, Option<Layer>)>,
    },
}

/// A page that connects.
#[derive(Debug, Clone)]
pub struct Join {
    /// The connection's ID.
    pub peer: PeerId,
    /// The room.
    pub room: VisitId,
    /// The user.
    pub user: UserId,
    /// The other participants, in the order of the offer's receive slots.
    pub others: Vec<UserId>,
    /// The page's offer.
    pub offer: String,
    /// The server's ICE credentials for this connection.
    pub ice: IceCredentials,
    /// What may be forwarded at first. For a user who is already in the room it can only restrict forwarding: `Admit`
    /// and `Publish` may have been processed while the offer was on its way.
    pub forwarding: Forwarding,
}

/// What may be forwarded for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarding {
    /// Media may be forwarded to and from the user.
    pub admitted: bool,
    /// The user's audio may be forwarded.
    pub microphone: bool,
    /// The user's video may be forwarded.
    pub camera: bool,
}

impl Forwarding {
    /// Returns what both allow.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            admitted: self.admitted && other.admitted,
            microphone: self.microphone && other.microphone,
            camera: self.camera && other.camera,
        }
    }
}

/// ICE credentials (RFC 8839). The username fragment also identifies the peer of a first datagram, so it must be
/// unique. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// Username fragment: 8 to 256 characters of `[A-Za-z0-9+/]`.
    pub ufrag: String,
    /// Password: 24 to 256 characters of the same set.
    pub password: String,
}

impl IceCredentials {
    /// Returns whether the credentials have the format of RFC 8839 and sufficient length.
    #[must_use]
    pub fn are_valid(&self) -> bool {
        let ice_text = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        (8..=256).contains(&self.ufrag.len())
            && (24..=256).contains(&self.password.len())
            && ice_text(&self.ufrag)
            && ice_text(&self.password)
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
