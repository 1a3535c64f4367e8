//! What a visit is.
//!
//! Everything that decides lives here: who a person is to an appointment ([`permission`]), what a
//! visit does when something happens ([`Visit`]), what each page is shown ([`view`]), and the words
//! page and server exchange ([`signalling`]).
//!
//! Nothing here does input or output. Time comes in as a [`Timestamp`], random identifiers come in
//! as arguments, and effects go out as [`Output`]s: the same crate compiles for a target without an
//! operating system.

mod appointment;
mod backend;
mod chat;
mod id;
mod layer;
mod machine;
pub mod permission;
mod person;
mod private;
mod record;
mod sealed;
mod seat;
pub mod signalling;
mod stage;
mod terms;
pub mod text;
mod time;
#[cfg(test)]
mod typescript;
pub mod view;

pub use appointment::{Appointment, AppointmentStatus, JoinWindow, UnknownStatus, VisitRules};
pub use backend::{CallBackend, UnknownCallBackend};
pub use chat::{ChatMessage, ChatText, InvalidChatText};
pub use id::{AdmissionId, AppointmentId, CommandId, ConnectionId, InvalidId, PageId, UserId, VisitId};
pub use layer::Layer;
pub use machine::{Arrival, Closing, Context, Input, MAX_PARTICIPANTS, Output, Visit};
pub use person::{BirthDate, Companion, EmailAddress, InvalidEmailAddress, Participants, Person, Role, age_on};
pub use private::Private;
pub use record::{AuditAction, EndReason, ParticipantRecord, UnknownEndReason, VisitPhase, VisitRecord};
pub use sealed::{OwnWork, Sealed};
pub use seat::{Capture, Check, DeviceCheck};
pub use terms::{Consent, ConsentRecord, InvalidTermsId, TermsId};
pub use time::{Clock, Timestamp};
