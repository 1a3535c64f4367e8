//! Permission revocations, recorded by triggers.

use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::{RightChanges, StoreError};

pub(super) async fn get_epoch(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT epoch FROM rights").fetch_one(connection).await.map_err(failed)
}

pub(super) async fn get_changes(connection: &mut SqliteConnection, after: i64) -> Result<RightChanges, StoreError> {
    let epoch = get_epoch(connection).await?;
    if epoch == after {
        return Ok(RightChanges { epoch, of: Some(Vec::new()) });
    }
    let rows = sqlx::query("SELECT user_id FROM right_changes WHERE epoch > ? AND epoch <= ?")
        .bind(after)
        .bind(epoch)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    // Each epoch has one row, so none is missing if there are as many rows as epochs.
    let is_whole = i64::try_from(rows.len()).is_ok_and(|many| epoch - after == many);
    if !is_whole {
        return Ok(RightChanges { epoch, of: None });
    }
    let users = rows.iter().map(|row| Columns::of("right_changes", row).parsed("user_id")).collect::<Result<_, _>>()?;
    Ok(RightChanges { epoch, of: Some(users) })
}
