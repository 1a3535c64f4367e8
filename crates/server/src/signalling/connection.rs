//! A page's WebSocket connection, as seen by the visit task.

use bedside_store::{Actor, SessionHash};
use bedside_visit::signalling::ServerMessage;
use bedside_visit::{Closing, ConnectionId, Role, Timestamp, UserId};
use tokio::sync::mpsc;

use crate::telemetry::traces::TraceContext;

/// Maximum number of messages queued for a slow page before it is disconnected. It receives a snapshot when it
/// reconnects.
pub(super) const OUTBOX: usize = 64;

/// Why the server closes a page's connection. The codes are WebSocket close codes of the private range (RFC 6455,
/// section 7.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The participant's seat moved to another page.
    Moved,
    /// This page has a newer connection.
    Superseded,
    /// All seats of the visit are taken.
    Full,
    /// The session has ended.
    SignedOut,
    /// The user has no permission, or it was revoked.
    Denied,
    /// The page violated the protocol.
    Protocol,
    /// The server is restarting. The page should reconnect.
    Restarting,
    /// The visit task could not handle the request. The page should retry.
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

/// What the visit task sends to a page's socket.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Boxed, because a channel allocates room for 32 entries at once.
    Send(Box<ServerMessage>),
    Close(CloseReason),
}

/// The connection of one page.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) user: UserId,
    /// The user's identity in the audit log.
    pub(super) actor: Actor,
    pub(super) role: Role,
    pub(super) session: SessionHash,
    /// When the page requested the connection. Taken when the page first offers media.
    pub(super) hello: Option<Timestamp>,
    /// The join trace that the page belongs to.
    pub(super) journey: Option<TraceContext>,
    /// Whether the page runs on the same machine as the server.
    pub(super) near: bool,
    outbox: mpsc::Sender<Outgoing>,
}

impl Connection {
    pub(super) const fn new(
        id: ConnectionId,
        (actor, role): (Actor, Role),
        session: SessionHash,
        (hello, journey): (Timestamp, Option<TraceContext>),
        near: bool,
        outbox: mpsc::Sender<Outgoing>,
    ) -> Self {
        Self { id, user: actor.user, actor, role, session, hello: Some(hello), journey, near, outbox }
    }

    /// Queues a message. Returns false if the page no longer accepts messages.
    #[must_use]
    pub(super) fn send(&self, message: ServerMessage) -> bool {
        self.outbox.try_send(Outgoing::Send(Box::new(message))).is_ok()
    }

    /// Queues a close after earlier messages. If the outbox is full, dropping this handle closes the socket.
    pub(super) fn close(&self, reason: CloseReason) {
        let _ = self.outbox.try_send(Outgoing::Close(reason));
    }
}
