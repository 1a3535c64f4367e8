//! The tables `visits` and `participants`, read in one query so that they are consistent.

use bedside_visit::{
    AppointmentId, CommandId, Consent, EndReason, ParticipantRecord, Timestamp, VisitId, VisitPhase, VisitRecord,
};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{Conflict, StoreError};

const TABLE: &str = "visits";

/// Selects visits in the order in which they began, with one row per participant.
macro_rules! select_visits {
    ($where:literal) => {
        concat!(
            "SELECT v.id, v.appointment_id, v.phase, v.started_at, v.ended_at, v.end_reason, v.is_cancelled, v.connected_at,
                    v.ring_until,
                    p.user_id, p.role, p.entered_at, p.left_at, p.declined_at, p.microphone, p.camera, p.consent_at,
                    p.consent_terms, p.commands
             FROM visits v LEFT JOIN participants p ON p.visit_id = v.id ",
            $where,
            " ORDER BY v.sequence"
        )
    };
}

pub(super) async fn get_open(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
) -> Result<Option<VisitRecord>, StoreError> {
    let rows = sqlx::query(select_visits!("WHERE v.appointment_id = ? AND v.ended_at IS NULL"))
        .bind(appointment.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    Ok(visits(&rows)?.pop())
}

pub(super) async fn get_latest(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
) -> Result<Option<VisitRecord>, StoreError> {
    let rows =
        sqlx::query(select_visits!("WHERE v.sequence = (SELECT max(sequence) FROM visits WHERE appointment_id = ?)"))
            .bind(appointment.to_string())
            .fetch_all(connection)
            .await
            .map_err(failed)?;
    Ok(visits(&rows)?.pop())
}

pub(super) async fn list_started(connection: &mut SqliteConnection) -> Result<Vec<VisitRecord>, StoreError> {
    let rows = sqlx::query(select_visits!("WHERE v.phase = 'started'")).fetch_all(connection).await.map_err(failed)?;
    visits(&rows)
}

pub(super) async fn save(connection: &mut SqliteConnection, visit: &VisitRecord) -> Result<(), StoreError> {
    let phase = PhaseColumns::from(visit.phase);
    let done = sqlx::query(
        "INSERT INTO visits (id, appointment_id, phase, started_at, ended_at, end_reason, is_cancelled, connected_at,
                             ring_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
             phase = excluded.phase, started_at = excluded.started_at, ended_at = excluded.ended_at,
             end_reason = excluded.end_reason, is_cancelled = excluded.is_cancelled, connected_at = excluded.connected_at,
             ring_until = excluded.ring_until
         WHERE appointment_id = excluded.appointment_id",
    )
    .bind(visit.id.to_string())
    .bind(visit.appointment.to_string())
    .bind(phase.phase)
    .bind(phase.started.map(Timestamp::as_millis))
    .bind(phase.ended.map(Timestamp::as_millis))
    .bind(phase.reason)
    .bind(phase.is_cancelled)
    .bind(visit.connected.map(Timestamp::as_millis))
    .bind(visit.ring_until.map(Timestamp::as_millis))
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 0 {
        return Err(Conflict::AlreadyExists.into());
    }

    sqlx::query("DELETE FROM participants WHERE visit_id = ?")
        .bind(visit.id.to_string())
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    for participant in &visit.participants {
        insert_participant(connection, visit.id, participant).await?;
    }
    Ok(())
}

async fn insert_participant(
    connection: &mut SqliteConnection,
    visit: VisitId,
    participant: &ParticipantRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO participants
             (visit_id, user_id, role, entered_at, left_at, declined_at, microphone, camera, consent_at, consent_terms,
              commands)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(visit.to_string())
    .bind(participant.user.to_string())
    .bind(participant.role.as_str())
    .bind(participant.entered.map(Timestamp::as_millis))
    .bind(participant.left.map(Timestamp::as_millis))
    .bind(participant.declined.map(Timestamp::as_millis))
    .bind(participant.microphone)
    .bind(participant.camera)
    .bind(participant.consent.map(|consent| consent.at.as_millis()))
    .bind(participant.consent.map(|consent| consent.terms.to_string()))
    .bind(participant.commands.iter().map(CommandId::as_str).collect::<Vec<_>>().join(" "))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// A [`VisitPhase`] as columns.
struct PhaseColumns {
    phase: &'static str,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    reason: Option<&'static str>,
    /// Stored as a kind of `closed`, which older versions know.
    is_cancelled: bool,
}

impl From<VisitPhase> for PhaseColumns {
    fn from(phase: VisitPhase) -> Self {
        match phase {
            VisitPhase::Planned => Self::open("planned", None),
            VisitPhase::Started { at } => Self::open("started", Some(at)),
            VisitPhase::Ended { started, at, reason } => {
                let is_cancelled = reason == EndReason::Cancelled;
                let reason = if is_cancelled { EndReason::Closed } else { reason };
                Self { phase: "ended", started, ended: Some(at), reason: Some(reason.as_str()), is_cancelled }
            }
        }
    }
}

impl PhaseColumns {
    const fn open(phase: &'static str, started: Option<Timestamp>) -> Self {
        Self { phase, started, ended: None, reason: None, is_cancelled: false }
    }
}

/// Groups consecutive rows of the same visit.
fn visits(rows: &[SqliteRow]) -> Result<Vec<VisitRecord>, StoreError> {
    let mut visits: Vec<VisitRecord> = Vec::new();
    for row in rows {
        let id = Columns::of(TABLE, row).parsed("id")?;
        if visits.last().is_none_or(|last| last.id != id) {
            visits.push(visit(id, row)?);
        }
        if let (Some(last), Some(participant)) = (visits.last_mut(), participant(row)?) {
            last.participants.push(participant);
        }
    }
    for visit in &mut visits {
        visit.participants.sort_by_key(|participant| (participant.role, participant.user));
    }
    Ok(visits)
}

fn visit(id: VisitId, row: &SqliteRow) -> Result<VisitRecord, StoreError> {
    let columns = Columns::of(TABLE, row);
    let phase = match columns.value("phase")? {
        "planned" => VisitPhase::Planned,
        "started" => VisitPhase::Started { at: columns.time("started_at")? },
        "ended" => VisitPhase::Ended {
            started: columns.time_optional("started_at")?,
            at: columns.time("ended_at")?,
            reason: match columns.value("is_cancelled")? {
                true => EndReason::Cancelled,
                false => columns.parsed("end_reason")?,
            },
        },
        _ => return Err(columns.corrupt("phase")),
    };
    Ok(VisitRecord {
        id,
        appointment: columns.parsed("appointment_id")?,
        phase,
        connected: columns.time_optional("connected_at")?,
        ring_until: columns.time_optional("ring_until")?,
        participants: Vec::new(),
    })
}

/// Returns `None` for the single row of a visit without participants.
fn participant(row: &SqliteRow) -> Result<Option<ParticipantRecord>, StoreError> {
    let columns = Columns::of("participants", row);
    let Some(user) = columns.parsed_optional("user_id")? else {
        return Ok(None);
    };
    let names = columns.value::<String>("commands")?;
    let commands = names.split_ascii_whitespace().map(|name| CommandId::try_from(name.to_owned()));
    let commands = commands.collect::<Result<_, _>>().map_err(|_| columns.corrupt("commands"))?;
    let consent = columns.time_optional("consent_at")?.zip(columns.parsed_optional("consent_terms")?);
    Ok(Some(ParticipantRecord {
        user,
        role: columns.parsed("role")?,
        entered: columns.time_optional("entered_at")?,
        left: columns.time_optional("left_at")?,
        declined: columns.time_optional("declined_at")?,
        microphone: columns.value("microphone")?,
        camera: columns.value("camera")?,
        consent: consent.map(|(at, terms)| Consent { at, terms }),
        commands,
    }))
}
