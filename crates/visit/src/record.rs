//! What of a visit must outlive the program, and what is written down about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AppointmentId, CommandId, Consent, Role, Timestamp, UserId, VisitId};

/// Why a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The provider ended it for everyone.
    Ended,
    /// The provider marked the patient as not having come.
    Missed,
    /// Everyone was gone for longer than seats are held.
    Abandoned,
    /// It was never started, and the door has closed.
    Closed,
    /// The appointment was cancelled.
    Cancelled,
}

/// A text that is no reason for an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown end reason")]
pub struct UnknownEndReason;

impl EndReason {
    /// The word used on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Missed => "missed",
            Self::Abandoned => "abandoned",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for EndReason {
    type Err = UnknownEndReason;

    fn from_str(text: &str) -> Result<Self, UnknownEndReason> {
        [Self::Ended, Self::Missed, Self::Abandoned, Self::Closed, Self::Cancelled]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or(UnknownEndReason)
    }
}

/// Where a visit stands, whoever looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitPhase {
    /// Not started: people may be waiting.
    Planned,
    /// The provider pressed "Start meeting".
    Started {
        /// When.
        at: Timestamp,
    },
    /// Over.
    Ended {
        /// When it had started, if it had.
        started: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// The durable part of a visit: what a restarted program continues from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRecord {
    /// Which.
    pub id: VisitId,
    /// Of which booking.
    pub appointment: AppointmentId,
    /// Where it stands.
    pub phase: VisitPhase,
    /// When patient and provider were first in it together.
    pub connected: Option<Timestamp>,
    /// When the provider is asked, or was asked, what to do about a patient who does not come;
    /// absent if nobody is called, or for as long as it takes.
    pub ring_until: Option<Timestamp>,
    /// Everyone who has a seat in it: patient, provider, then the others.
    pub participants: Vec<ParticipantRecord>,
}

/// The durable part of a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRecord {
    /// Whose.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// When they came in, if they are in the visit (also while their connection is down).
    pub entered: Option<Timestamp>,
    /// When they left of their own accord, or their held seat ran out.
    pub left: Option<Timestamp>,
    /// When they said "not now", if that still stands.
    pub declined: Option<Timestamp>,
    /// Whether their microphone may be forwarded.
    pub microphone: bool,
    /// Whether their camera may be forwarded.
    pub camera: bool,
    /// That they agreed to the clinic's terms for video visits, if they did and have not taken it back.
    pub consent: Option<Consent>,
    /// The names of their last commands, oldest first, so that none is done again after a restart.
    pub commands: Vec<CommandId>,
}

/// Something that is written into the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// Somebody signed in. The detail says how, unless it was with a password.
    SignedIn,
    /// A sign-in with a wrong name or password.
    SignInFailed,
    /// Somebody signed out.
    SignedOut,
    /// Somebody ended a sign-in of theirs from elsewhere.
    SessionEnded,
    /// Somebody changed their password, which ends all their other sign-ins.
    PasswordChanged,
    /// Somebody gave a wrong password when they were to change it.
    PasswordChangeFailed,
    /// Somebody gave a wrong password when they were to confirm another change of how they sign in.
    ConfirmationFailed,
    /// Somebody asked for a link to set a new password, for an address that is known or not.
    PasswordResetAsked,
    /// Somebody set a new password with such a link, which ends all their sign-ins.
    PasswordReset,
    /// Somebody was connected with who they are at an OpenID provider.
    ProviderLinked,
    /// Somebody was disconnected from an OpenID provider.
    ProviderUnlinked,
    /// What an OpenID provider said let nobody in.
    ProviderRefused,
    /// Somebody added a passkey.
    PasskeyAdded,
    /// Somebody removed a passkey, which ends all their other sign-ins.
    PasskeyRemoved,
    /// A sign-in with a passkey that let nobody in.
    PasskeyRefused,
    /// A user was added.
    UserAdded,
    /// A user was shut out.
    UserDisabled,
    /// A user was let in again.
    UserEnabled,
    /// A user was given another place in the clinic.
    ClinicRoleChanged,
    /// Somebody was given a second step of signing in.
    SecondStepAdded,
    /// A second step was taken away, by the person or by the operator.
    SecondStepRemoved,
    /// A wrong or used one-time password at a sign-in.
    SecondStepFailed,
    /// An appointment was added.
    AppointmentAdded,
    /// Somebody was shown an appointment. Once an hour for a session, however often it asks.
    AppointmentViewed,
    /// Somebody looked at the list of people, with their names and dates of birth; noted once an hour.
    PeopleViewed,
    /// An appointment was called off.
    AppointmentCancelled,
    /// What people wrote about an appointment, and in it, was removed for its age.
    AppointmentForgotten,
    /// An appointment was put under legal hold: nothing of it is removed.
    AppointmentHeld,
    /// A legal hold was lifted.
    AppointmentReleased,
    /// A link was made.
    InviteCreated,
    /// A link was used.
    InviteUsed,
    /// Somebody's links to an appointment were taken away, and whoever came by them is out.
    InviteRevoked,
    /// Somebody asked to come in on another device than the one that used their link.
    AdmissionAsked,
    /// They were let in on it, and are out on the other.
    AdmissionGiven,
    /// They were not.
    AdmissionRefused,
    /// A guest, interpreter or observer was added to an appointment.
    CompanionAdded,
    /// A guest, interpreter or observer may not come any more.
    CompanionRemoved,
    /// The operator gave another program a key, or trusts what it signs, or does so no more.
    IntegratorChanged,
    /// Another program was given an access token.
    TokenIssued,
    /// Another program gave a wrong name or key.
    TokenRefused,
    /// Somebody came into the waiting room or onto the provider's page.
    VisitEntered,
    /// The provider pressed "Start meeting".
    VisitStarted,
    /// The provider stopped calling an absent patient.
    VisitCallCancelled,
    /// The patient declined a call.
    VisitCallDeclined,
    /// Both people were in the started visit.
    VisitConnected,
    /// Somebody left.
    VisitLeft,
    /// A held seat ran out.
    VisitSeatExpired,
    /// A seat moved to another page or device.
    VisitSeatMoved,
    /// A person came with another session than before: on another device, or by another link.
    VisitDeviceChanged,
    /// Somebody changed what they send.
    VisitMediaChanged,
    /// Somebody agreed to the clinic's terms.
    ConsentGiven,
    /// Somebody took their agreement back.
    ConsentWithdrawn,
    /// Somebody wrote a message.
    VisitMessageSent,
    /// The provider moved the call to another backend.
    VisitBackendChanged,
    /// A page refused a call that did not come from the other person of its appointment.
    StrangerRefused,
    /// A backend's own service reported something about a call.
    BackendReported,
    /// The patient was marked as missed.
    VisitMissed,
    /// The visit ended.
    VisitEnded,
    /// Everything sealed was put under another root key, or a part of it.
    KeysRewrapped,
    /// People and appointments were given other data keys.
    KeysRotated,
    /// The database was put back as it was earlier, from a backup.
    DatabaseRestored,
    /// Somebody was refused.
    AccessDenied,
}

impl AuditAction {
    /// The stable code in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "session.signed_in",
            Self::SignInFailed => "session.sign_in_failed",
            Self::SignedOut => "session.signed_out",
            Self::SessionEnded => "session.ended",
            Self::PasswordChanged => "user.password_changed",
            Self::PasswordChangeFailed => "user.password_change_failed",
            Self::ConfirmationFailed => "session.confirmation_failed",
            Self::PasswordResetAsked => "user.password_reset_asked",
            Self::PasswordReset => "user.password_reset",
            Self::ProviderLinked => "user.provider_linked",
            Self::ProviderUnlinked => "user.provider_unlinked",
            Self::ProviderRefused => "session.provider_refused",
            Self::PasskeyAdded => "user.passkey_added",
            Self::PasskeyRemoved => "user.passkey_removed",
            Self::PasskeyRefused => "session.passkey_refused",
            Self::UserAdded => "user.added",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::ClinicRoleChanged => "user.clinic_role_changed",
            Self::SecondStepAdded => "user.second_step_added",
            Self::SecondStepRemoved => "user.second_step_removed",
            Self::SecondStepFailed => "session.second_step_failed",
            Self::AppointmentAdded => "appointment.added",
            Self::AppointmentViewed => "appointment.viewed",
            Self::PeopleViewed => "people.viewed",
            Self::AppointmentCancelled => "appointment.cancelled",
            Self::AppointmentForgotten => "appointment.forgotten",
            Self::AppointmentHeld => "appointment.held",
            Self::AppointmentReleased => "appointment.released",
            Self::InviteCreated => "invite.created",
            Self::InviteUsed => "invite.used",
            Self::InviteRevoked => "invite.revoked",
            Self::AdmissionAsked => "admission.asked",
            Self::AdmissionGiven => "admission.given",
            Self::AdmissionRefused => "admission.refused",
            Self::CompanionAdded => "companion.added",
            Self::CompanionRemoved => "companion.removed",
            Self::IntegratorChanged => "integrator.changed",
            Self::TokenIssued => "token.issued",
            Self::TokenRefused => "token.refused",
            Self::VisitEntered => "visit.entered",
            Self::VisitStarted => "visit.started",
            Self::VisitCallCancelled => "visit.call_cancelled",
            Self::VisitCallDeclined => "visit.call_declined",
            Self::VisitConnected => "visit.connected",
            Self::VisitLeft => "visit.left",
            Self::VisitSeatExpired => "visit.seat_expired",
            Self::VisitSeatMoved => "visit.seat_moved",
            Self::VisitDeviceChanged => "visit.device_changed",
            Self::VisitMediaChanged => "visit.media_changed",
            Self::ConsentGiven => "consent.given",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::VisitMessageSent => "visit.message_sent",
            Self::VisitBackendChanged => "visit.backend_changed",
            Self::StrangerRefused => "visit.stranger_refused",
            Self::BackendReported => "visit.backend_reported",
            Self::VisitMissed => "visit.missed",
            Self::VisitEnded => "visit.ended",
            Self::KeysRewrapped => "keys.rewrapped",
            Self::KeysRotated => "keys.rotated",
            Self::DatabaseRestored => "database.restored",
            Self::AccessDenied => "access.denied",
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
