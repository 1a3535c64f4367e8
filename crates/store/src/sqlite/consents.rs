//! The tables `terms` and `consents`.

use bedside_visit::{AppointmentId, ConsentRecord, TermsId, Timestamp};
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::{StoreError, Terms};

/// Adds terms. Existing terms are not changed.
pub(super) async fn insert_terms(
    connection: &mut SqliteConnection,
    terms: &Terms,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO terms (id, language, text, first_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
        .bind(terms.id.to_string())
        .bind(&terms.language)
        .bind(&terms.text)
        .bind(at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn get_terms(connection: &mut SqliteConnection, id: TermsId) -> Result<Option<Terms>, StoreError> {
    let row = sqlx::query("SELECT language, text FROM terms WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    let terms = |row| {
        let columns = Columns::of("terms", row);
        Ok(Terms { id, language: columns.value("language")?, text: columns.value("text")? })
    };
    row.as_ref().map(terms).transpose()
}

pub(super) async fn insert(connection: &mut SqliteConnection, record: &ConsentRecord) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO consents (visit_id, user_id, terms_id, given, method, at) VALUES (?, ?, ?, ?, 'page', ?)")
        .bind(record.visit.to_string())
        .bind(record.user.to_string())
        .bind(record.terms.to_string())
        .bind(record.given)
        .bind(record.at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Returns the consents given and withdrawn in an appointment's visits, in order.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    appointment: AppointmentId,
) -> Result<Vec<ConsentRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.visit_id, c.user_id, c.terms_id, c.given, c.at
         FROM consents c JOIN visits v ON v.id = c.visit_id WHERE v.appointment_id = ? ORDER BY c.sequence",
    )
    .bind(appointment.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let record = |row| {
        let columns = Columns::of("consents", row);
        Ok(ConsentRecord {
            visit: columns.parsed("visit_id")?,
            user: columns.parsed("user_id")?,
            given: columns.value("given")?,
            terms: columns.parsed("terms_id")?,
            at: columns.time("at")?,
        })
    };
    rows.iter().map(record).collect()
}
