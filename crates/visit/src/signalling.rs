//! The words a page and the server exchange over a WebSocket, one JSON text message each.
//!
//! The first message of a connection is a [`ServerMessage::Snapshot`], then come changes whose
//! `sequence` rises by one. A page that was connected before says up to which number it has heard; if
//! the server still holds what came after, the connection begins with [`ServerMessage::Resumed`] and
//! the missed changes instead. A page sends [`Command`]s under ids of its own, again after a break
//! until it is answered, and each is done once: acknowledged (and then durable) or refused. TypeScript's view of these types is generated into
//! `web/src/signalling/messages.ts`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::view::{Change, View};
use crate::{AdmissionId, CallBackend, Capture, ChatText, CommandId, DeviceCheck, Layer, TermsId, UserId};

/// The longest message a page may send, bytes. An SDP offer of a browser is about 6 KB.
pub const MAX_CLIENT_MESSAGE: usize = 64 * 1024;

/// The longest message that the server sends, bytes: a snapshot of a visit in which everybody wrote all that they may.
pub const MAX_SERVER_MESSAGE: usize = 768 * 1024;

/// From a page to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Something to do. Answered with `acknowledged` or `refused` under the same id.
    Command {
        /// The page's name for it. Sending it again under the same id changes nothing.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// An SDP offer for this page's media connection (RFC 8829). Answered with `answer` or
    /// `media_failed` under the same `peer`.
    Offer {
        /// The page's number for its `RTCPeerConnection`, drawn at random so that another page of the
        /// same person does not have it. The number of the connection that is there renegotiates it
        /// (an ICE restart); another number replaces it.
        peer: u32,
        /// The description.
        sdp: Sdp,
    },
    /// How large this page shows the others, each time that changes and after every `answer`. Not answered.
    Watch {
        /// Whom. Those it does not name may come as large as they are sent.
        pictures: Vec<Watched>,
    },
    /// Are you there? Answered with `pong`.
    Ping,
}

/// How large a page shows somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Whose picture.
    pub user: UserId,
    /// The largest layer it has a use for; nothing: it shows none of them.
    pub most: Option<Layer>,
}

/// What a person can do in a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Come in. Sent by a page by itself as soon as its devices are settled; has no effect for
    /// someone who left, or once the visit is over.
    Enter,
    /// Come in again, or into a new waiting room after the end. Sent for a person's own click.
    Rejoin,
    /// Go. The visit goes on, and the door stays open.
    Leave,
    /// Say "not now" to a call while not in the waiting room. Patient.
    Decline,
    /// Start the meeting. Provider.
    Start,
    /// Stop calling an absent patient. Provider.
    Cancel,
    /// Go on waiting after the ring time-out. Provider.
    KeepWaiting,
    /// Close the visit because the patient did not come. Provider.
    MarkMissed,
    /// End the visit for everyone. Provider.
    End,
    /// What of yours may be forwarded.
    SetMedia {
        /// Your microphone.
        microphone: bool,
        /// Your camera.
        camera: bool,
    },
    /// What your page found out about your device.
    ReportCheck {
        /// All of it.
        check: DeviceCheck,
    },
    /// What keeps your page from sending.
    ReportCapture {
        /// That.
        capture: Capture,
    },
    /// Whether you can be reached over a backend that is not the server's own: a call of the other
    /// person's would be heard, or there is one.
    ReportMedia {
        /// You can.
        carries: bool,
    },
    /// Your page refused a call that did not come from the other person of this appointment.
    ReportStranger,
    /// Move the call to another backend, before the visit or during it. Provider.
    MoveCall {
        /// Which.
        backend: CallBackend,
    },
    /// Agree to the clinic's terms for video visits, or take it back.
    SetConsent {
        /// Agree?
        given: bool,
        /// To which, as they were shown. Others than those of now cannot be agreed to.
        terms: TermsId,
    },
    /// Write something to everyone in the visit.
    Say {
        /// What.
        text: ChatText,
    },
}

/// From the server to a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The whole state, first on every connection.
    Snapshot {
        /// Its number. The first `changed` has the next one.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// The server's clock, for showing durations.
        now: crate::Timestamp,
        /// The state.
        view: View,
    },
    /// First on a connection, instead of a snapshot: the page's state up to `sequence` still holds,
    /// and what it missed follows.
    Resumed {
        /// The last number the page has heard. The first `changed` has the next one.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// The number of the last `changed` that was missed; the same as `sequence` if none was.
        #[cfg_attr(test, ts(type = "number"))]
        latest: u64,
        /// The server's clock, for showing durations.
        now: crate::Timestamp,
    },
    /// Parts of the state that have new values.
    Changed {
        /// One more than the message before.
        #[cfg_attr(test, ts(type = "number"))]
        sequence: u64,
        /// To apply in order.
        changes: Vec<Change>,
    },
    /// Done, and durable.
    Acknowledged {
        /// The command.
        id: CommandId,
    },
    /// Not done, and nothing changed.
    Refused {
        /// The command.
        id: CommandId,
        /// Why.
        refusal: Refusal,
    },
    /// The SDP answer to an offer.
    Answer {
        /// The page's number for its connection.
        peer: u32,
        /// The description.
        sdp: Sdp,
        /// What each receiving section of the offer is there for.
        tracks: Vec<Track>,
    },
    /// An offer was not accepted, or the server's side of the connection is gone. A fresh
    /// connection may be offered.
    MediaFailed {
        /// The page's number for its connection.
        peer: u32,
        /// Why.
        reason: MediaFailure,
    },
    /// Which layers of its picture somebody has a use for: what the page sends of the others is for nothing. A page that
    /// has not been told sends all.
    Layers {
        /// The page's number for its connection.
        peer: u32,
        /// The smallest first; at least one.
        wanted: Vec<Layer>,
    },
    /// Who speaks, in a visit of three and more, each time that changes. To everyone who is in it.
    Speaking {
        /// Nobody, when there has been silence for a moment.
        user: Option<UserId>,
    },
    /// I am here.
    Pong,
    /// A message of this page could not be read, and is no command that could be refused under its id. The connection
    /// stays.
    Malformed {
        /// What is wrong, for a developer.
        detail: String,
    },
    /// This seat has moved to another page or device. The connection closes; do not come back by
    /// yourself.
    Moved,
    /// Who asks to come in on another device than the one that used their link: all of them, each time that changes. To
    /// the provider's page.
    Admissions {
        /// The oldest first.
        waiting: Vec<Admission>,
    },
    /// The server is about to stop. It begins no new meeting; what is under way goes on until it ends
    /// or that moment, then the connection closes and the page comes back to the next server.
    Stopping {
        /// The latest moment.
        until: crate::Timestamp,
    },
}

/// Somebody whose link was used on one device, and who asks to come in on another. Answered over the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Admission {
    /// Which.
    pub id: AdmissionId,
    /// Whose link it is. Whether it is them is what the provider is asked.
    pub user: UserId,
    /// The other device, as far as its browser said: "Safari on iPhone".
    pub device: Option<String>,
    /// When they asked.
    pub since: crate::Timestamp,
}

/// What a receiving media section carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Track {
    /// The section's `a=mid` (RFC 5888).
    pub mid: String,
    /// Whose media it carries.
    pub user: UserId,
}

/// Why a command was not done. Each has a sentence in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It is for the other role.
    #[error("this is for the other person of the visit")]
    WrongRole,
    /// It makes no sense where the visit stands.
    #[error("the visit has moved on")]
    NotNow,
    /// The door has not opened yet.
    #[error("it is too early")]
    TooEarly,
    /// The door has closed.
    #[error("the time for this visit has passed")]
    Closed,
    /// The appointment was called off.
    #[error("the appointment was cancelled")]
    Cancelled,
    /// The session ended, or the right was withdrawn.
    #[error("you are not signed in any more")]
    SignedOut,
    /// It could not be written down. Try again.
    #[error("it could not be saved")]
    NotSaved,
    /// The server is about to stop and begins nothing new. Try again in a minute.
    #[error("the server is about to restart")]
    Stopping,
    /// There is no such backend here.
    #[error("there is no such backend here")]
    NoBackend,
    /// There is no room for more messages of this person in this visit.
    #[error("there is no room for more")]
    Full,
    /// The server cannot take it as it is: an unknown command, or a value that cannot be.
    #[error("the command is malformed")]
    Malformed,
}

/// Why a media connection is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MediaFailure {
    /// The offer was not one the server takes.
    BadOffer,
    /// You are not in this visit, or not any more.
    NotAllowed,
    /// The connection broke, or the server gave it up.
    Lost,
    /// The server has no room for it.
    Busy,
}

/// A session description. It holds addresses and keys and does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct Sdp(pub String);

impl fmt::Debug for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(SDP, {} bytes)", self.0.len())
    }
}
