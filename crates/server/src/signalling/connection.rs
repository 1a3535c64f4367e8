//! A page's connection, as the visit's task sees it.

use bedside_store::{Actor, SessionHash};
use bedside_visit::signalling::ServerMessage;
use bedside_visit::{Closing, ConnectionId, Role, Timestamp, UserId};
use tokio::sync::mpsc;

use crate::journeys::Journey;

/// How many messages may wait for a slow page before it is let go. It comes back to a snapshot.
pub(super) const OUTBOX: usize = 64;

/// Why the server closes a page's connection. The numbers are WebSocket close codes of the private
/// range (RFC 6455, section 7.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The seat is used elsewhere now.
    Moved,
    /// This page has a newer connection.
    Superseded,
    /// There is no seat left in the visit.
    Full,
    /// The session has ended.
    SignedOut,
    /// The right is not there, or not any more.
    Denied,
    /// The page sends what it should not.
    Protocol,
    /// The program is stopping. Come back: another takes over.
    Restarting,
    /// The visit's task could not take it. Try again.
    Unavailable,
}

impl From<Closing> for CloseReason {
    fn from(closing: Closing) -> Self {
        match closing {
            Closing::Moved => Self::Moved,
            Closing::Superseded => Self::Superseded,
            Closing::Full => Self::Full,
            Closing::Denied => Self::Denied,
        }
    }
}

impl CloseReason {
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Restarting => 1012,
            Self::Unavailable => 1013,
            Self::Moved => 4000,
            Self::Superseded => 4001,
            Self::Full => 4002,
            Self::SignedOut => 4401,
            Self::Denied => 4403,
            Self::Protocol => 4409,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Restarting => "the server is restarting",
            Self::Unavailable => "try again",
            Self::Moved => "this seat moved to another page",
            Self::Superseded => "this page has a newer connection",
            Self::Full => "the visit is full",
            Self::SignedOut => "the session has ended",
            Self::Denied => "not allowed",
            Self::Protocol => "unexpected message",
        }
    }
}

/// What a page's socket is told to do.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Boxed: a channel has room for 32 of them from the start.
    Send(Box<ServerMessage>),
    Close(CloseReason),
}

/// One page.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) user: UserId,
    /// Who they are to the audit log.
    pub(super) actor: Actor,
    pub(super) role: Role,
    pub(super) session: SessionHash,
    /// When it was asked for, until the page has offered media.
    pub(super) hello: Option<Timestamp>,
    /// What the page says it is on.
    pub(super) journey: Option<Journey>,
    /// Whether the page is on the machine that the program runs on.
    pub(super) near: bool,
    outbox: mpsc::Sender<Outgoing>,
}

impl Connection {
    pub(super) const fn new(
        id: ConnectionId,
        (actor, role): (Actor, Role),
        session: SessionHash,
        (hello, journey): (Timestamp, Option<Journey>),
        near: bool,
        outbox: mpsc::Sender<Outgoing>,
    ) -> Self {
        Self { id, user: actor.user, actor, role, session, hello: Some(hello), journey, near, outbox }
    }

    /// False if the page takes nothing any more.
    #[must_use]
    pub(super) fn send(&self, message: ServerMessage) -> bool {
        self.outbox.try_send(Outgoing::Send(Box::new(message))).is_ok()
    }

    /// After what was sent. A page that takes nothing ends by the loss of this value.
    pub(super) fn close(&self, reason: CloseReason) {
        let _ = self.outbox.try_send(Outgoing::Close(reason));
    }
}
