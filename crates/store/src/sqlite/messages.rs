//! The table `messages`.

use bedside_visit::{ChatMessage, ChatText, VisitId};
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::StoreError;

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    visit: VisitId,
    message: &ChatMessage,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO messages (visit_id, number, user_id, at, text) VALUES (?, ?, ?, ?, ?)")
        .bind(visit.to_string())
        .bind(message.number)
        .bind(message.from.to_string())
        .bind(message.at.as_millis())
        .bind(message.text.reveal())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn list(connection: &mut SqliteConnection, visit: VisitId) -> Result<Vec<ChatMessage>, StoreError> {
    let rows = sqlx::query("SELECT number, user_id, at, text FROM messages WHERE visit_id = ? ORDER BY number")
        .bind(visit.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let message = |row| {
        let columns = Columns::of("messages", row);
        Ok(ChatMessage {
            number: columns.value("number")?,
            from: columns.parsed("user_id")?,
            at: columns.time("at")?,
            text: ChatText::try_from(columns.value::<String>("text")?).map_err(|_| columns.corrupt("text"))?,
        })
    };
    rows.iter().map(message).collect()
}
