//! Exports the audit log.

use std::io::{self, Write};

use bedside_store::{AuditRow, Store, StoreError};
use bedside_visit::UserId;
use serde_json::{Value, json};

use crate::text::rfc3339_exact;

/// Number of entries read at a time.
const BATCH: u32 = 1_000;

/// Export format. Both write one JSON object per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFormat {
    /// The columns of the log.
    Lines,
    /// FHIR R4 AuditEvent resources.
    Fhir,
}

/// Reason that an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The audit log could not be read.
    #[error("the audit log cannot be read")]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Exports the entries after sequence number `after` (0: all), oldest first.
///
/// # Errors
/// [`ExportError`].
pub async fn export_audit(
    store: &dyn Store,
    format: AuditFormat,
    mut after: i64,
    out: &mut (impl Write + Send),
) -> Result<(), ExportError> {
    loop {
        let lines = store.list_audit(after, BATCH).await?;
        let Some(last) = lines.last() else { return Ok(out.flush()?) };
        after = last.sequence;
        for line in &lines {
            let value = match format {
                AuditFormat::Lines => plain(line),
                AuditFormat::Fhir => event(line),
            };
            writeln!(out, "{value}")?;
        }
    }
}

fn plain(line: &AuditRow) -> Value {
    json!({
        "sequence": line.sequence,
        "at": rfc3339_exact(line.at),
        "actor": line.actor.map(|id| id.to_string()),
        "client": line.client.map(|id| id.to_string()),
        "on_behalf_of": line.on_behalf_of.map(|id| id.to_string()),
        "link_made_by": line.link_made_by.map(|id| id.to_string()),
        "action": line.action,
        "subject": line.subject.map(|id| id.to_string()),
        "appointment": line.appointment.map(|id| id.to_string()),
        "visit": line.visit.map(|id| id.to_string()),
        "detail": line.detail,
        "hash": line.hash.map(|hash| hash.to_string()),
    })
}

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Returns code and display name of the event type: DICOM PS3.15, annex A.5, as in FHIR's value set.
fn kind(action: &str) -> (&'static str, &'static str) {
    match action.split('.').next().unwrap_or_default() {
        "session" | "token" => ("110114", "User Authentication"),
        "access" => ("110113", "Security Alert"),
        "user" | "invite" | "companion" | "admission" | "integrator" | "keys" | "database" => {
            ("110137", "User Security Attributes Changed")
        }
        _ => ("110110", "Patient Record"),
    }
}

/// Returns the FHIR action code: create, read, update, delete or execute.
fn interaction(action: &str) -> &'static str {
    match action {
        "user.added" | "appointment.added" | "invite.created" | "companion.added" | "visit.message_sent"
        | "consent.given" => "C",
        "appointment.viewed" | "people.viewed" => "R",
        "appointment.cancelled"
        | "appointment.held"
        | "appointment.released"
        | "visit.missed"
        | "visit.media_changed"
        | "visit.backend_changed"
        | "keys.rewrapped"
        | "keys.rotated"
        | "database.restored" => "U",
        "consent.withdrawn" | "appointment.forgotten" | "invite.revoked" | "companion.removed" => "D",
        _ => "E",
    }
}

/// Returns the entity type of the entry's subject.
fn person_type() -> Value {
    json!({ "system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1", "display": "Person" })
}

/// Returns whether an entry without an actor was made from the command line: it has the detail `operator`, or an action
/// that only the command line performs without an actor.
fn is_operators(line: &AuditRow) -> bool {
    line.detail.as_deref() == Some("operator")
        || matches!(
            line.action.as_str(),
            "integrator.changed" | "invite.created" | "keys.rewrapped" | "keys.rotated" | "database.restored"
        )
}

/// Converts an entry to a FHIR R4 AuditEvent (hl7.org/fhir/R4/auditevent.html).
fn event(line: &AuditRow) -> Value {
    let (code, display) = kind(&line.action);
    let refused = matches!(
        line.action.as_str(),
        "access.denied"
            | "session.sign_in_failed"
            | "session.second_step_failed"
            | "session.provider_refused"
            | "session.passkey_refused"
            | "session.confirmation_failed"
            | "user.password_change_failed"
            | "token.refused"
            | "visit.stranger_refused"
    );
    let identified =
        |system: &str, id: String| json!({ "identifier": { "system": format!("urn:bedside:{system}"), "value": id } });
    let entity = |kind: &str, id: String| json!({ "what": identified(kind, id) });
    let person = |id: UserId| json!({ "what": identified("user", id.to_string()), "type": person_type() });
    let entities: Vec<Value> = [
        line.subject.map(person),
        line.appointment.map(|id| entity("appointment", id.to_string())),
        line.visit.map(|id| entity("visit", id.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect();
    let who = match line.actor {
        Some(user) if line.client.is_some() => json!({
            "type": { "coding": [{ "system": DICOM, "code": "110150", "display": "Application" }] },
            "requestor": true,
            "who": identified("user", user.to_string()),
            "altId": line.client.map(|id| id.to_string()),
        }),
        Some(user) => json!({ "requestor": true, "who": identified("user", user.to_string()) }),
        None if is_operators(line) => json!({ "requestor": true, "name": "the operator" }),
        None => json!({ "requestor": false, "name": "unknown user, or the server" }),
    };
    let mut agents = vec![who];
    agents.extend(line.on_behalf_of.map(|user| {
        json!({ "type": { "text": "on behalf of" }, "requestor": false, "who": identified("user", user.to_string()) })
    }));
    agents.extend(line.link_made_by.map(|user| {
        let kind = "created the link of the requestor's session";
        json!({ "type": { "text": kind }, "requestor": false, "who": identified("user", user.to_string()) })
    }));
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": line.sequence.to_string(),
        "type": { "system": DICOM, "code": code, "display": display },
        "subtype": [{ "system": "urn:bedside:audit-action", "code": line.action }],
        "action": interaction(&line.action),
        "recorded": rfc3339_exact(line.at),
        "outcome": if refused { "4" } else { "0" },
        "agent": agents,
        "source": { "observer": { "display": "Bedside" } },
    });
    if let Some(detail) = &line.detail {
        event["outcomeDesc"] = json!(detail);
    }
    if !entities.is_empty() {
        event["entity"] = json!(entities);
    }
    event
}
