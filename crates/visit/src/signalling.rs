//! The signalling protocol: messages that a page and the server exchange over a WebSocket, one JSON text message each.
//!
//! The first message of a connection is a [`ServerMessage::Snapshot`], followed by changes whose `sequence` increases
//! by one. A reconnecting page sends the last number it received. If the server still has the later changes, the
//! connection starts with [`ServerMessage::Resumed`] and the missed changes instead. A page sends [`Command`]s under
//! IDs it chooses, and sends them again after a reconnect until they are answered. Each is applied once: acknowledged
//! (and then durable) or refused. The TypeScript version of these types is generated into
//! `web/src/signalling/messages.ts`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::view::{Change, View};
use crate::{AdmissionId, CallBackend, Capture, ChatText, CommandId, DeviceCheck, Layer, TermsId, UserId};

/// Maximum size in bytes of a message from a page. A browser's SDP offer is about 6 KB.
pub const MAX_CLIENT_MESSAGE: usize = 64 * 1024;

/// Maximum size in bytes of a message from the server: a snapshot of a visit in which every participant has used up
/// their message quota.
pub const MAX_SERVER_MESSAGE: usize = 768 * 1024;

/// A message from a page to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// A command. Answered with `acknowledged` or `refused` under the same ID.
    Command {
        /// The ID, chosen by the page. Sending the command again under the same ID has no effect.
        id: CommandId,
        /// The command.
        command: Command,
    },
    /// An SDP offer for this page's media connection (RFC 8829). Answered with `answer` or `media_failed` under the
    /// same `peer`.
    Offer {
        /// The page's number for its `RTCPeerConnection`, drawn at random so that it differs from that of the user's
        /// other pages. The number of the current connection renegotiates it (an ICE restart); a new number replaces
        /// it.
        peer: u32,
        /// The session description.
        sdp: Sdp,
    },
    /// The size at which this page displays each other participant's video. Sent whenever it changes and after every
    /// `answer`. Not answered.
    Watch {
        /// The sizes. Videos of participants not listed may be forwarded at full size.
        pictures: Vec<Watched>,
    },
    /// A keep-alive. Answered with `pong`.
    Ping,
}

/// The size at which a page displays a participant's video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The participant.
    pub user: UserId,
    /// The largest layer the page can use; absent if it does not display the video.
    pub most: Option<Layer>,
}

/// A command of a participant in a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Join. Sent automatically by a page once its devices are ready. Has no effect if the user has left or the visit
    /// is over.
    Enter,
    /// Join again, or enter a new waiting room after the end. Sent when the user clicks.
    Rejoin,
    /// Leave. The visit continues, and the user may rejoin.
    Leave,
    /// Decline a call while not in the waiting room. Patient only.
    Decline,
    /// Start the meeting. Provider only.
    Start,
    /// Stop calling an absent patient. Provider only.
    Cancel,
    /// Keep waiting after the ring timeout. Provider only.
    KeepWaiting,
    /// End the visit because the patient did not come. Provider only.
    MarkMissed,
    /// End the visit for everyone. Provider only.
    End,
    /// Set which of your media may be forwarded.
    SetMedia {
        /// Your microphone.
        microphone: bool,
        /// Your camera.
        camera: bool,
    },
    /// Report the result of your page's device check.
    ReportCheck {
        /// The complete result.
        check: DeviceCheck,
    },
    /// Report why your page cannot send media.
    ReportCapture {
        /// The reason.
        capture: Capture,
    },
    /// Report whether you can be reached over a backend other than the embedded SFU: the page is ready to receive a
    /// call, or is in one.
    ReportMedia {
        /// Whether you can be reached.
        carries: bool,
    },
    /// Report that your page rejected a call that did not come from the other participant of this appointment.
    ReportStranger,
    /// Move the call to another backend, before or during the visit. Provider only.
    MoveCall {
        /// The backend.
        backend: CallBackend,
    },
    /// Accept the clinic's terms for video visits, or withdraw consent.
    SetConsent {
        /// `true` to accept, `false` to withdraw.
        given: bool,
        /// The terms as they were displayed. Only the current terms can be accepted.
        terms: TermsId,
    },
    /// Send a chat message to everyone in the visit.
    Say {
        /// The text.
        text: ChatText,
    },
}

/// A message from the server to a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The complete state. The first message of a connection that does not resume.
    Snapshot {
        /// Its number. The first `changed` has the next one.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// The server's clock, for displaying durations.
        now: crate::Timestamp,
        /// The state.
        view: View,
    },
    /// The first message of a resumed connection, instead of a snapshot. The page's state up to `sequence` is still
    /// valid, and the missed changes follow.
    Resumed {
        /// The last number the page received. The first `changed` has the next one.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// The number of the last missed `changed`; equal to `sequence` if none was missed.
        #[cfg_attr(test, ts(type = "number"))]
        latest: u64,
        /// The server's clock, for displaying durations.
        now: crate::Timestamp,
    },
    /// Parts of the state that changed.
    Changed {
        /// The previous message's number plus one.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// The changes, to be applied in order.
        changes: Vec<Change>,
    },
    /// The command was applied and is durable.
    Acknowledged {
        /// The command's ID.
        id: CommandId,
    },
    /// The command was refused and nothing changed.
    Refused {
        /// The command's ID.
        id: CommandId,
        /// The reason.
        refusal: Refusal,
    },
    /// The SDP answer to an offer.
    Answer {
        /// The page's number for its connection.
        peer: u32,
        /// The session description.
        sdp: Sdp,
        /// The user whose media each receiving section of the offer carries.
        tracks: Vec<Track>,
    },
    /// An offer was rejected, or the server's side of the connection is gone. The page may offer a new connection.
    MediaFailed {
        /// The page's number for its connection.
        peer: u32,
        /// The reason.
        reason: MediaFailure,
    },
    /// The layers of this page's video that at least one receiver uses. The page can stop sending the others. A page
    /// sends all layers until it gets this message.
    Layers {
        /// The page's number for its connection.
        peer: u32,
        /// The layers, smallest first; at least one.
        wanted: Vec<Layer>,
    },
    /// The active speaker, in a visit of three or more participants. Sent to everyone in the visit whenever it changes.
    Speaking {
        /// The speaker; absent after a period of silence.
        user: Option<UserId>,
    },
    /// The answer to `ping`.
    Pong,
    /// A message from this page could not be parsed, and is not a command that could be refused under its ID. The
    /// connection stays open.
    Malformed {
        /// Details for developers.
        detail: String,
    },
    /// This seat has moved to another page or device. The connection closes, and the page must not reconnect
    /// automatically.
    Moved,
    /// The pending requests to join from another device than the one that used the link. The complete list, sent to the
    /// provider's page whenever it changes.
    Admissions {
        /// The requests, oldest first.
        waiting: Vec<Admission>,
    },
    /// The server is shutting down. It starts no new meeting. Visits under way continue until they end or until that
    /// time; then the connection closes and the page reconnects to the restarted server.
    Stopping {
        /// The latest time at which the connection closes.
        until: crate::Timestamp,
    },
}

/// A request to join from another device than the one that used the link. Answered over the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Admission {
    /// Its ID.
    pub id: AdmissionId,
    /// The user the link belongs to. The provider decides whether the request really comes from this user.
    pub user: UserId,
    /// The other device as reported by its browser, e.g. "Safari on iPhone".
    pub device: Option<String>,
    /// When the request was made.
    pub since: crate::Timestamp,
}

/// Maps a receiving media section to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Track {
    /// The section's `a=mid` (RFC 5888).
    pub mid: String,
    /// The user whose media it carries.
    pub user: UserId,
}

/// Why a command was refused. The page displays a sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The command is for another role.
    #[error("this command is for another role")]
    WrongRole,
    /// The command is not possible at the current stage of the visit.
    #[error("not possible at this stage of the visit")]
    NotNow,
    /// The join window has not opened yet.
    #[error("too early to join")]
    TooEarly,
    /// The join window has closed.
    #[error("the join window has closed")]
    Closed,
    /// The appointment was cancelled.
    #[error("the appointment was cancelled")]
    Cancelled,
    /// The session ended or the user's access was revoked.
    #[error("no longer signed in")]
    SignedOut,
    /// The change could not be saved. The page may try again.
    #[error("the change could not be saved")]
    NotSaved,
    /// The server is shutting down and starts nothing new. The page may try again in a minute.
    #[error("the server is about to restart")]
    Stopping,
    /// The backend is not available on this server.
    #[error("the call backend is not available")]
    NoBackend,
    /// The user's message quota for this visit is used up.
    #[error("the message quota is used up")]
    Full,
    /// The command is unknown or has an invalid value.
    #[error("the command is malformed")]
    Malformed,
}

/// Why there is no media connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MediaFailure {
    /// The server could not accept the SDP offer.
    BadOffer,
    /// The user is not in this visit, or no longer in it.
    NotAllowed,
    /// The connection failed, or the server closed it.
    Lost,
    /// The server is at capacity.
    Busy,
}

/// An SDP session description. It contains addresses and keys, so `Debug` output is redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct Sdp(pub String);

impl fmt::Debug for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(SDP, {} bytes)", self.0.len())
    }
}
