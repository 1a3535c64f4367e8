//! The audit log.

use bedside_visit::{AppointmentId, AuditAction, Timestamp, UserId, VisitId};
use uuid::Uuid;

use crate::AuditHash;

/// The actor of an audit event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The user or integrator.
    pub user: UserId,
    /// The client ID (RFC 6749, section 2.2) of the key an integrator used.
    pub client: Option<Uuid>,
    /// The user on whose behalf an integrator says it acts. Grants no permissions.
    pub on_behalf_of: Option<UserId>,
    /// For a session that was opened by a link: the user or integrator that created the link.
    pub link_made_by: Option<UserId>,
}

impl From<UserId> for Actor {
    fn from(user: UserId) -> Self {
        Self { user, client: None, on_behalf_of: None, link_made_by: None }
    }
}

/// An event to be appended to the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it happened.
    pub at: Timestamp,
    /// The actor; `None` for a timeout or an unauthenticated client.
    pub actor: Option<Actor>,
    /// The action.
    pub action: AuditAction,
    /// The user affected: the owner of the account, link or data. `None` if there is none or they are unknown.
    pub subject: Option<UserId>,
    /// The appointment concerned.
    pub appointment: Option<AppointmentId>,
    /// The visit concerned.
    pub visit: Option<VisitId>,
    /// A code of at most 64 characters with further detail. A static string, so that no patient data can get into it.
    pub detail: Option<&'static str>,
}

impl AuditEntry {
    /// Creates an entry for an action. The other fields are set with the methods below.
    #[must_use]
    pub const fn new(at: Timestamp, action: AuditAction) -> Self {
        Self { at, actor: None, action, subject: None, appointment: None, visit: None, detail: None }
    }

    /// Sets the actor.
    #[must_use]
    pub fn by(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the affected user.
    #[must_use]
    pub const fn about(mut self, subject: UserId) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Sets the appointment.
    #[must_use]
    pub const fn of_appointment(mut self, appointment: AppointmentId) -> Self {
        self.appointment = Some(appointment);
        self
    }

    /// Sets the visit.
    #[must_use]
    pub const fn of_visit(mut self, visit: VisitId) -> Self {
        self.visit = Some(visit);
        self
    }

    /// Sets the detail code.
    #[must_use]
    pub const fn with_detail(mut self, code: &'static str) -> Self {
        self.detail = Some(code);
        self
    }
}

/// A row of the audit log.
///
/// Codes are strings here, because a log may contain actions that the version reading it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its sequence number, from 1. Never reused.
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The actor; `None` for a timeout or an unauthenticated client.
    pub actor: Option<UserId>,
    /// The client key, if the actor is an integrator.
    pub client: Option<Uuid>,
    /// The user on whose behalf an integrator says it acted.
    pub on_behalf_of: Option<UserId>,
    /// The creator of the link that opened the actor's session, if a link did.
    pub link_made_by: Option<UserId>,
    /// The code of an [`AuditAction`].
    pub action: String,
    /// The user affected. `None` if there is none, they are unknown, or the row was written before subjects were
    /// recorded.
    pub subject: Option<UserId>,
    /// The appointment concerned.
    pub appointment: Option<AppointmentId>,
    /// The visit concerned.
    pub visit: Option<VisitId>,
    /// A code with further detail.
    pub detail: Option<String>,
    /// The hash of this row and all rows before it; `None` if it was written before the hash chain was introduced.
    pub hash: Option<AuditHash>,
}

impl AuditRow {
    /// For a row that records a restore from backup, returns the last row known to have been written after that backup,
    /// or 0 if none is known. Rows up to that number are missing since the restore. Returns `None` for any other row.
    #[must_use]
    pub fn restored_over(&self) -> Option<i64> {
        if self.action != AuditAction::DatabaseRestored.as_str() {
            return None;
        }
        self.detail.as_deref()?.strip_prefix("through_")?.parse().ok()
    }

    /// Creates the row for an entry.
    #[must_use]
    pub fn of(sequence: i64, entry: &AuditEntry) -> Self {
        Self {
            sequence,
            at: entry.at,
            actor: entry.actor.map(|actor| actor.user),
            client: entry.actor.and_then(|actor| actor.client),
            on_behalf_of: entry.actor.and_then(|actor| actor.on_behalf_of),
            link_made_by: entry.actor.and_then(|actor| actor.link_made_by),
            action: entry.action.as_str().to_owned(),
            subject: entry.subject,
            appointment: entry.appointment,
            visit: entry.visit,
            detail: entry.detail.map(str::to_owned),
            hash: None,
        }
    }
}
