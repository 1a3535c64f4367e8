//! The table `appointments`, read together with the patient and the provider.

use std::time::Duration;

use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, Companion, Guarded, Participants, Private, Role,
    Timestamp, UserId,
};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::keys::{self, key_columns};
use super::row::{self, Columns, place};
use crate::{Keyring, StoreError};

const TABLE: &str = "appointments";

/// Selects appointments joined with patient, provider and data keys, with a given condition.
macro_rules! select_appointments {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.start_at, a.duration_minutes, a.kind, a.reason, a.status, a.call_backend, a.booked_by,
                    EXISTS (SELECT 1 FROM companions c WHERE c.appointment_id = a.id) AS accompanied,
                    p.id AS patient_id, p.name AS patient_name, p.specialty AS patient_specialty,
                    p.birth_date AS patient_birth_date, p.avatar_url AS patient_avatar_url,
                    d.id AS provider_id, d.name AS provider_name, d.specialty AS provider_specialty,
                    d.birth_date AS provider_birth_date, d.avatar_url AS provider_avatar_url,
                    pk.id AS patient_key_id, pk.root AS patient_key_root, pk.wrapped AS patient_key_wrapped,
                    dk.id AS provider_key_id, dk.root AS provider_key_root, dk.wrapped AS provider_key_wrapped, ",
            key_columns!(),
            "
             FROM appointments a
             JOIN users p ON p.id = a.patient_id
             JOIN users d ON d.id = a.provider_id
             LEFT JOIN data_keys pk ON pk.owner = a.patient_id
             LEFT JOIN data_keys dk ON dk.owner = a.provider_id
             LEFT JOIN data_keys k ON k.owner = a.id ",
            $rest
        )
    };
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    appointment: &Appointment,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (id, patient) = (appointment.id.to_string(), appointment.participants.patient.id.to_string());
    let key = keys::of_owner(connection, keyring, &patient, at).await?;
    let kind = key.seal(&place(TABLE, "kind", &id), &appointment.kind).map_err(StoreError::unsealable)?;
    let reason = match &appointment.reason {
        Some(reason) => {
            let key = keys::of_owner(connection, keyring, &id, at).await?;
            Some(key.seal(&place(TABLE, "reason", &id), reason.reveal()).map_err(StoreError::unsealable)?)
        }
        None => None,
    };
    sqlx::query(
        "INSERT INTO appointments
             (id, start_at, duration_minutes, kind, reason, status, patient_id, provider_id, call_backend, booked_by,
              created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id)
    .bind(appointment.start.as_millis())
    .bind(minutes(appointment.duration)?)
    .bind(kind)
    .bind(reason)
    .bind(appointment.status.as_str())
    .bind(patient)
    .bind(appointment.participants.provider.id.to_string())
    .bind(appointment.backend.as_str())
    .bind(appointment.booked_by.map(|user| user.to_string()))
    .bind(at.as_millis())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    id: AppointmentId,
) -> Result<Option<Guarded<Appointment>>, StoreError> {
    let row = sqlx::query(select_appointments!("WHERE a.id = ?"))
        .bind(id.to_string())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    match row {
        Some(row) => appointment(connection, keyring, &row).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    user: UserId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Guarded<Appointment>>, StoreError> {
    let rows = sqlx::query(select_appointments!(
        "WHERE ((a.patient_id = ?1 AND a.start_at >= ?2 AND a.start_at < ?3)
             OR (a.provider_id = ?1 AND a.start_at >= ?2 AND a.start_at < ?3)
             OR (a.id IN (SELECT appointment_id FROM companions WHERE user_id = ?1)
                 AND a.start_at >= ?2 AND a.start_at < ?3))
         ORDER BY a.start_at, a.id"
    ))
    .bind(user.to_string())
    .bind(from.as_millis())
    .bind(until.as_millis())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    appointments(connection, keyring, &rows).await
}

/// Returns all appointments, or those booked by one user.
pub(super) async fn list_booked(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    by: Option<UserId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Guarded<Appointment>>, StoreError> {
    let rows = sqlx::query(select_appointments!(
        "WHERE a.start_at >= ?2 AND a.start_at < ?3 AND (?1 IS NULL OR a.booked_by = ?1) ORDER BY a.start_at, a.id"
    ))
    .bind(by.map(|user| user.to_string()))
    .bind(from.as_millis())
    .bind(until.as_millis())
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    appointments(connection, keyring, &rows).await
}

pub(super) async fn insert_companion(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
    (user, role): (UserId, Role),
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO companions (appointment_id, user_id, role, added_at) VALUES (?, ?, ?, ?)")
        .bind(appointment.to_string())
        .bind(user.to_string())
        .bind(role.as_str())
        .bind(at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn delete_companion(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
    user: UserId,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM companions WHERE appointment_id = ? AND user_id = ?")
        .bind(appointment.to_string())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

/// Returns companions in the order in which they were added.
async fn list_companions(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    appointment: AppointmentId,
) -> Result<Vec<Companion>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT c.role, u.id, u.name, u.specialty, u.birth_date, u.avatar_url, ",
        key_columns!(),
        "
         FROM companions c JOIN users u ON u.id = c.user_id LEFT JOIN data_keys k ON k.owner = u.id
         WHERE c.appointment_id = ? ORDER BY c.added_at, c.user_id"
    ))
    .bind(appointment.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let role = Columns::of("companions", row).parsed("role")?;
            Ok(Companion { role, person: Columns::of("users", row).person(keyring)? })
        })
        .collect()
}

pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let counted =
        sqlx::query_scalar("SELECT count(*) FROM appointments").fetch_one(connection).await.map_err(failed)?;
    Ok(row::count(counted))
}

pub(super) async fn update_status(
    connection: &mut SqliteConnection,
    id: AppointmentId,
    status: AppointmentStatus,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE appointments SET status = ? WHERE id = ?")
        .bind(status.as_str())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn update_backend(
    connection: &mut SqliteConnection,
    id: AppointmentId,
    backend: CallBackend,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE appointments SET call_backend = ? WHERE id = ?")
        .bind(backend.as_str())
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

/// Returns whole minutes. The database checks the range.
fn minutes(duration: Duration) -> Result<i64, StoreError> {
    let whole = i64::try_from(duration.as_secs() / 60).ok();
    whole
        .filter(|minutes| duration == Duration::from_secs(minutes.unsigned_abs() * 60))
        .ok_or_else(|| StoreError::Invalid { rule: "duration_is_whole_minutes".into() })
}

async fn appointments(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    rows: &[SqliteRow],
) -> Result<Vec<Guarded<Appointment>>, StoreError> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(appointment(connection, keyring, row).await?);
    }
    Ok(all)
}

async fn appointment(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    row: &SqliteRow,
) -> Result<Guarded<Appointment>, StoreError> {
    let columns = Columns::of(TABLE, row);
    let accompanied = columns.value("accompanied")?;
    let companions =
        if accompanied { list_companions(connection, keyring, columns.parsed("id")?).await? } else { Vec::new() };
    let patient = Columns::prefixed("patient_", "users", row);
    let id: &str = columns.value("id")?;
    let (own_key, patients_key) = (columns.data_key(keyring, id)?, patient.data_key(keyring, patient.value("id")?)?);
    let minutes =
        u64::try_from(columns.value::<i64>("duration_minutes")?).map_err(|_| columns.corrupt("duration_minutes"))?;
    Ok(Guarded::new(Appointment {
        id: columns.parsed("id")?,
        start: columns.time("start_at")?,
        duration: Duration::from_secs(minutes * 60),
        kind: columns.opened("kind", id, patients_key.as_ref())?,
        reason: columns.opened_optional("reason", id, own_key.as_ref())?.map(Private::new),
        status: columns.parsed("status")?,
        participants: Participants {
            patient: patient.person(keyring)?,
            provider: Columns::prefixed("provider_", "users", row).person(keyring)?,
            companions,
        },
        backend: columns.parsed("call_backend")?,
        booked_by: columns.parsed_optional("booked_by")?,
    }))
}
