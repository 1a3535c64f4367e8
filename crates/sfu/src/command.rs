//! What goes into the machine.

use std::fmt;
use std::net::SocketAddr;

use bedside_visit::{Layer, UserId, VisitId};

/// One page's media connection. Drawn by the shell, never reused while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// How a datagram travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A UDP datagram.
    Udp,
    /// A frame of a TCP connection (RFC 4571, RFC 6544).
    Tcp,
}

/// An input of the machine. The time it happened goes beside it.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram {
        /// How it travelled.
        transport: Transport,
        /// Who sent it.
        source: SocketAddr,
        /// Which of our candidates it was sent to.
        destination: SocketAddr,
        /// The bytes.
        contents: &'a [u8],
    },
    /// The server wants something.
    Command(Command),
    /// The deadline has come.
    Timeout,
}

/// What the server wants.
#[derive(Debug, Clone)]
pub enum Command {
    /// A page connects. Answered by `Answered` or `Refused`.
    Join(Box<Join>),
    /// A page repeats its offer on the same connection, to restart ICE. Answered by `Answered` or
    /// `Refused`.
    Renegotiate {
        /// The connection.
        peer: PeerId,
        /// The page's new offer.
        offer: String,
        /// Our credentials from now on, used if the offer does restart ICE.
        ice: IceCredentials,
    },
    /// A connection ends.
    Leave {
        /// The connection.
        peer: PeerId,
    },
    /// A person may take part, or no longer may.
    Admit {
        /// The room.
        room: VisitId,
        /// The person.
        user: UserId,
        /// Whether media may flow to and from the person.
        admitted: bool,
    },
    /// A person's microphone and camera are on or off.
    Publish {
        /// The room.
        room: VisitId,
        /// The person.
        user: UserId,
        /// Whether the person may be heard.
        microphone: bool,
        /// Whether the person may be seen.
        camera: bool,
    },
    /// How large a person's page shows the others.
    Watch {
        /// The room.
        room: VisitId,
        /// The person.
        user: UserId,
        /// The largest layer that the page has a use for, of each of the others; `None`: it shows none of theirs. Of those
        /// who are not named it takes the largest there is.
        most: Vec<(UserId, Option<Layer>)>,
    },
}

/// A page connects.
#[derive(Debug, Clone)]
pub struct Join {
    /// The connection's name.
    pub peer: PeerId,
    /// The room.
    pub room: VisitId,
    /// The person.
    pub user: UserId,
    /// The others of the visit, in the order of the offer's receive slots.
    pub others: Vec<UserId>,
    /// The page's offer.
    pub offer: String,
    /// Our ICE credentials for this connection.
    pub ice: IceCredentials,
    /// What may be forwarded at first. Of a person who is in the room already, it can only take away:
    /// an offer travels for a while, and `Admit` and `Publish` may have overtaken it.
    pub forwarding: Forwarding,
}

/// What the server lets through for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarding {
    /// Media may flow to and from the person.
    pub admitted: bool,
    /// The person may be heard.
    pub microphone: bool,
    /// The person may be seen.
    pub camera: bool,
}

impl Forwarding {
    /// What both let through.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            admitted: self.admitted && other.admitted,
            microphone: self.microphone && other.microphone,
            camera: self.camera && other.camera,
        }
    }
}

/// ICE credentials (RFC 8839). The user name fragment also finds the peer of a first datagram, so it
/// must be unique. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// User name fragment: 8 to 256 characters of `[A-Za-z0-9+/]`.
    pub ufrag: String,
    /// Password: 24 to 256 such characters.
    pub password: String,
}

impl IceCredentials {
    /// Whether the credentials have the form and the length that RFC 8839 and uniqueness ask for.
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
