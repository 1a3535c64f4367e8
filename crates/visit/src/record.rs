//! The durable state of a visit, and the actions recorded in the audit log.

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
    /// The provider marked the patient as missed.
    Missed,
    /// All participants were gone for longer than seats are held.
    Abandoned,
    /// It was never started before the join window closed.
    Closed,
    /// The appointment was cancelled.
    Cancelled,
}

/// The text is not an end reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown end reason")]
pub struct UnknownEndReason;

impl EndReason {
    /// Returns the name used on the wire and in the database.
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

/// The phase of a visit, the same for all participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitPhase {
    /// Not started. Participants may be waiting.
    Planned,
    /// The provider pressed "Start meeting".
    Started {
        /// When it started.
        at: Timestamp,
    },
    /// The visit is over.
    Ended {
        /// When it had started, if it had.
        started: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
        /// Why it ended.
        reason: EndReason,
    },
}

/// The durable state of a visit, from which it resumes after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitRecord {
    /// The visit's ID.
    pub id: VisitId,
    /// The appointment it belongs to.
    pub appointment: AppointmentId,
    /// Its phase.
    pub phase: VisitPhase,
    /// When patient and provider were first in the visit together.
    pub connected: Option<Timestamp>,
    /// When the provider is or was asked what to do about an absent patient. Absent if nobody is being called or the
    /// provider chose to keep waiting.
    pub ring_until: Option<Timestamp>,
    /// All participants that have a seat: patient, provider, then companions.
    pub participants: Vec<ParticipantRecord>,
}

/// The durable state of a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRecord {
    /// The user's ID.
    pub user: UserId,
    /// Their role.
    pub role: Role,
    /// When they joined, if they are in the visit. Kept while their connection is down.
    pub entered: Option<Timestamp>,
    /// When they left or their held seat expired.
    pub left: Option<Timestamp>,
    /// When they declined the call, if that still applies.
    pub declined: Option<Timestamp>,
    /// Whether their microphone may be forwarded.
    pub microphone: bool,
    /// Whether their camera may be forwarded.
    pub camera: bool,
    /// Their consent to the clinic's terms for video visits, unless withdrawn.
    pub consent: Option<Consent>,
    /// IDs of their most recent commands, oldest first, so that none is applied twice after a restart.
    pub commands: Vec<CommandId>,
}

/// An action recorded in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A user signed in. The detail names the method unless it was a password.
    SignedIn,
    /// A sign-in failed because of a wrong name or password.
    SignInFailed,
    /// A user signed out.
    SignedOut,
    /// A user ended one of their other sessions.
    SessionEnded,
    /// A user changed their password, which ends all their other sessions.
    PasswordChanged,
    /// A user entered a wrong current password while changing their password.
    PasswordChangeFailed,
    /// A user entered a wrong password while confirming another change to their sign-in methods.
    ConfirmationFailed,
    /// A password reset was requested, for a known or unknown address.
    PasswordResetAsked,
    /// A user set a new password with a reset link, which ends all their sessions.
    PasswordReset,
    /// A user's account was linked to an OpenID provider identity.
    ProviderLinked,
    /// A user's account was unlinked from an OpenID provider.
    ProviderUnlinked,
    /// A sign-in with an OpenID provider failed.
    ProviderRefused,
    /// A user added a passkey.
    PasskeyAdded,
    /// A user removed a passkey, which ends all their other sessions.
    PasskeyRemoved,
    /// A sign-in with a passkey failed.
    PasskeyRefused,
    /// A user was added.
    UserAdded,
    /// A user was disabled.
    UserDisabled,
    /// A user was enabled again.
    UserEnabled,
    /// A user's clinic role was changed.
    ClinicRoleChanged,
    /// Two-factor authentication was enabled for a user.
    SecondStepAdded,
    /// Two-factor authentication was disabled, by the user or by the operator.
    SecondStepRemoved,
    /// A sign-in had a wrong or reused one-time password.
    SecondStepFailed,
    /// An appointment was added.
    AppointmentAdded,
    /// A user viewed an appointment. Recorded once an hour per session, however often the page requests it.
    AppointmentViewed,
    /// A user viewed the list of people with their names and dates of birth. Recorded once an hour.
    PeopleViewed,
    /// An appointment was cancelled.
    AppointmentCancelled,
    /// Free text of an appointment and its chat messages were deleted by the retention policy.
    AppointmentForgotten,
    /// An appointment was put under legal hold, so that nothing of it is deleted.
    AppointmentHeld,
    /// A legal hold was lifted.
    AppointmentReleased,
    /// A link was created.
    InviteCreated,
    /// A link was used.
    InviteUsed,
    /// A participant's links to an appointment were revoked, which ends the sessions they opened.
    InviteRevoked,
    /// A request to join on a device other than the one that used the link.
    AdmissionAsked,
    /// The request was approved. The session on the first device ends.
    AdmissionGiven,
    /// The request was denied.
    AdmissionRefused,
    /// A guest, interpreter or observer was added to an appointment.
    CompanionAdded,
    /// A guest, interpreter or observer was removed from an appointment.
    CompanionRemoved,
    /// The operator added or revoked an integrator's client key or trusted signing key.
    IntegratorChanged,
    /// An access token was issued to an integrator.
    TokenIssued,
    /// An integrator sent a wrong client ID or secret.
    TokenRefused,
    /// A participant entered the waiting room, or the provider opened the visit.
    VisitEntered,
    /// The provider pressed "Start meeting".
    VisitStarted,
    /// The provider stopped calling an absent patient.
    VisitCallCancelled,
    /// The patient declined a call.
    VisitCallDeclined,
    /// Patient and provider were both in the started visit.
    VisitConnected,
    /// A participant left.
    VisitLeft,
    /// A held seat expired.
    VisitSeatExpired,
    /// A seat moved to another page or device.
    VisitSeatMoved,
    /// A participant came with a different session, i.e. on another device or by another link.
    VisitDeviceChanged,
    /// A participant changed what they send.
    VisitMediaChanged,
    /// A participant accepted the clinic's terms.
    ConsentGiven,
    /// A participant withdrew their consent.
    ConsentWithdrawn,
    /// A participant sent a message.
    VisitMessageSent,
    /// The provider moved the call to another backend.
    VisitBackendChanged,
    /// A page rejected a call that did not come from the other participant of its appointment.
    StrangerRefused,
    /// A backend's service reported an event of a call.
    BackendReported,
    /// The patient was marked as missed.
    VisitMissed,
    /// The visit ended.
    VisitEnded,
    /// All or some of the encrypted data keys were re-encrypted under a new root key.
    KeysRewrapped,
    /// Users and appointments were given new data keys.
    KeysRotated,
    /// The database was restored from a backup.
    DatabaseRestored,
    /// Access was denied.
    AccessDenied,
}

impl AuditAction {
    /// Returns the stable code used in the log.
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
