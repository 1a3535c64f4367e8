//! Whose rights may have gone. Triggers write it down.

use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::{RightChanges, StoreError};

pub(super) async fn get_epoch(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT epoch FROM rights").fetch_one(connection).await.map_err(failed)
}

pub(super) async fn get_changes(connection: &mut SqliteConnection, after: i64) -> Result<RightChanges, StoreError> {
    let rows = sqlx::query("SELECT epoch, user_id FROM right_changes WHERE epoch > ? ORDER BY epoch")
        .bind(after)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let mut changes = RightChanges { epoch: after, of: None };
    let mut users = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns::of("right_changes", row);
        changes.epoch = columns.value("epoch")?;
        users.push(columns.parsed("user_id")?);
    }
    // Each has a number of its own: none of them is missing if there are as many as numbers.
    let is_whole = i64::try_from(users.len()).is_ok_and(|many| changes.epoch - after == many);
    changes.of = is_whole.then_some(users);
    Ok(changes)
}
