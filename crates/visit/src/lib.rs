//! The domain model of a video visit.
//!
//! All decisions are made here: a user's role in an appointment ([`permission`]), the state machine of a visit
//! ([`Visit`]), what each page displays ([`view`]), and the messages between page and server ([`signalling`]).
//!
//! This crate performs no I/O. Time is passed in as a [`Timestamp`], random identifiers are passed in as arguments, and
//! effects are returned as [`Output`]s, so it also compiles for targets without an operating system.

mod appointment;
mod backend;
mod chat;
mod guarded;
mod id;
mod layer;
mod machine;
pub mod permission;
mod person;
mod private;
mod record;
mod seat;
pub mod signalling;
mod stage;
mod terms;
pub mod text;
mod time;
#[cfg(test)]
mod typescript;
pub mod view;

pub use appointment::{Appointment, AppointmentStatus, JoinWindow, TransitionError, UnknownStatus, VisitRules};
pub use backend::{CallBackend, UnknownCallBackend};
pub use chat::{ChatMessage, ChatText, InvalidChatText};
pub use guarded::{Guarded, OwnWork};
pub use id::{AdmissionId, AppointmentId, CommandId, ConnectionId, InvalidId, PageId, UserId, VisitId};
pub use layer::Layer;
pub use machine::{Arrival, Closing, Context, Input, MAX_PARTICIPANTS, Output, Visit};
pub use person::{BirthDate, Companion, EmailAddress, InvalidEmailAddress, Participants, Person, Role, age_on};
pub use private::Private;
pub use record::{AuditAction, EndReason, ParticipantRecord, UnknownEndReason, VisitPhase, VisitRecord};
pub use seat::{Capture, Check, DeviceCheck};
pub use terms::{Consent, ConsentRecord, InvalidTermsId, TermsId};
pub use time::{Clock, Timestamp};
