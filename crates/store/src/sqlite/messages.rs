//! The table `messages`.

use bedside_visit::{ChatMessage, ChatText, VisitId};
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::keys::{self, key_columns};
use super::row::{Columns, place};
use crate::{Conflict, Keyring, StoreError};

const TABLE: &str = "messages";

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    visit: VisitId,
    message: &ChatMessage,
) -> Result<(), StoreError> {
    let appointment: Option<String> = sqlx::query_scalar("SELECT appointment_id FROM visits WHERE id = ?")
        .bind(visit.to_string())
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let appointment = appointment.ok_or(Conflict::MissingReference)?;
    let key = keys::of_owner(connection, keyring, &appointment, message.at).await?;
    let place = place(TABLE, "text", &row_name(visit, message.number));
    sqlx::query("INSERT INTO messages (visit_id, number, user_id, at, text) VALUES (?, ?, ?, ?, ?)")
        .bind(visit.to_string())
        .bind(message.number)
        .bind(message.from.to_string())
        .bind(message.at.as_millis())
        .bind(key.seal(&place, message.text.reveal()).map_err(StoreError::unsealable)?)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    visit: VisitId,
) -> Result<Vec<ChatMessage>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT m.number, m.user_id, m.at, m.text, v.appointment_id, ",
        key_columns!(),
        " FROM messages m JOIN visits v ON v.id = m.visit_id LEFT JOIN data_keys k ON k.owner = v.appointment_id
         WHERE m.visit_id = ? ORDER BY m.number"
    ))
    .bind(visit.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let message = |row| {
        let columns = Columns::of(TABLE, row);
        let (number, key) = (columns.value("number")?, columns.data_key(keyring, columns.value("appointment_id")?)?);
        let text = columns.opened("text", &row_name(visit, number), key.as_ref())?;
        Ok(ChatMessage {
            number,
            from: columns.parsed("user_id")?,
            at: columns.time("at")?,
            text: ChatText::stored(text),
        })
    };
    rows.iter().map(message).collect()
}

fn row_name(visit: VisitId, number: u32) -> String {
    format!("{visit}/{number}")
}
