//! The audit log.

use bedside_visit::{AppointmentId, AuditAction, Timestamp, UserId, VisitId};
use uuid::Uuid;

use crate::AuditHash;

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The person, or the program.
    pub user: UserId,
    /// A program's client id (RFC 6749, section 2.2): with which of its keys.
    pub client: Option<Uuid>,
    /// For whom a program says that it does so. It gives no right.
    pub on_behalf_of: Option<UserId>,
    /// For a session that began with a link: who made the link.
    pub link_made_by: Option<UserId>,
}

impl From<UserId> for Actor {
    fn from(user: UserId) -> Self {
        Self { user, client: None, on_behalf_of: None, link_made_by: None }
    }
}

/// Something to be written into the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it. `None`: the passing of time, or somebody unknown.
    pub actor: Option<Actor>,
    /// What.
    pub action: AuditAction,
    /// To whom: whose account or link it is, or whose data it is about. `None`: nobody in particular, or somebody
    /// unknown.
    pub subject: Option<UserId>,
    /// Concerning which appointment.
    pub appointment: Option<AppointmentId>,
    /// Concerning which visit.
    pub visit: Option<VisitId>,
    /// A code of at most 64 characters that tells more. Written in the program's text, so that
    /// nothing about a patient can get in.
    pub detail: Option<&'static str>,
}

impl AuditEntry {
    /// That something happened. The rest is added with the methods below.
    #[must_use]
    pub const fn new(at: Timestamp, action: AuditAction) -> Self {
        Self { at, actor: None, action, subject: None, appointment: None, visit: None, detail: None }
    }

    /// By whom.
    #[must_use]
    pub fn by(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Done to a person, or to what is theirs.
    #[must_use]
    pub const fn about(mut self, subject: UserId) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Concerning an appointment.
    #[must_use]
    pub const fn of_appointment(mut self, appointment: AppointmentId) -> Self {
        self.appointment = Some(appointment);
        self
    }

    /// Concerning a visit.
    #[must_use]
    pub const fn of_visit(mut self, visit: VisitId) -> Self {
        self.visit = Some(visit);
        self
    }

    /// With a code that tells more.
    #[must_use]
    pub const fn with_detail(mut self, code: &'static str) -> Self {
        self.detail = Some(code);
        self
    }
}

/// A line of the audit log.
///
/// Codes are text here: a log outlives the list of actions of the version that reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place: 1 and up, never used twice.
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it. `None`: the passing of time, or somebody unknown.
    pub actor: Option<UserId>,
    /// With which of its keys, if it was a program.
    pub client: Option<Uuid>,
    /// On whose behalf, if a program said so.
    pub on_behalf_of: Option<UserId>,
    /// Who made the link that the actor's session began with, if it began with one.
    pub link_made_by: Option<UserId>,
    /// The code of an [`AuditAction`].
    pub action: String,
    /// To whom. `None`: nobody in particular, somebody unknown, or the line is older than that was noted.
    pub subject: Option<UserId>,
    /// Concerning which appointment.
    pub appointment: Option<AppointmentId>,
    /// Concerning which visit.
    pub visit: Option<VisitId>,
    /// A code that tells more.
    pub detail: Option<String>,
    /// The hash of this line and all before it. `None`: it is older than the chain.
    pub hash: Option<AuditHash>,
}

impl AuditRow {
    /// For a line that the database was put back as it was earlier: the last line that is known to have been written after
    /// that, 0 if none is known. Such lines are missing since. `None`: it is another line.
    #[must_use]
    pub fn restored_over(&self) -> Option<i64> {
        if self.action != AuditAction::DatabaseRestored.as_str() {
            return None;
        }
        self.detail.as_deref()?.strip_prefix("through_")?.parse().ok()
    }

    /// A line that is to be written.
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
