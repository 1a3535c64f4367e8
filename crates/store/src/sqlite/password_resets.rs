//! The table `password_resets`.

use bedside_visit::{Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{PasswordReset, ResetHash, StoreError};

pub(super) async fn replace(connection: &mut SqliteConnection, reset: &PasswordReset) -> Result<(), StoreError> {
    delete_links(connection, reset.user).await?;
    sqlx::query("INSERT INTO password_resets (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)")
        .bind(reset.token_hash.as_bytes().as_slice())
        .bind(reset.user.to_string())
        .bind(reset.created_at.as_millis())
        .bind(reset.expires_at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    hash: &ResetHash,
) -> Result<Option<PasswordReset>, StoreError> {
    let row = sqlx::query(
        "SELECT r.token_hash, r.user_id, r.created_at, r.expires_at
         FROM password_resets r JOIN users u ON u.id = r.user_id
         WHERE r.token_hash = ? AND u.disabled_at IS NULL",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(reset).transpose()
}

/// A single statement, so that only one of two concurrent uses of a link succeeds.
pub(super) async fn use_up(
    connection: &mut SqliteConnection,
    hash: &ResetHash,
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let row = sqlx::query(
        "DELETE FROM password_resets WHERE token_hash = ?1 AND expires_at > ?2
             AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_id AND u.disabled_at IS NULL)
         RETURNING token_hash, user_id, created_at, expires_at",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now.as_millis())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    Ok(row.as_ref().map(reset).transpose()?.map(|reset| reset.user))
}

/// Also removes queued reset mails.
pub(super) async fn delete_of(connection: &mut SqliteConnection, user: UserId) -> Result<u64, StoreError> {
    sqlx::query("DELETE FROM jobs WHERE user_id = ? AND kind = 'reset'")
        .bind(user.to_string())
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    delete_links(connection, user).await
}

async fn delete_links(connection: &mut SqliteConnection, user: UserId) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM password_resets WHERE user_id = ?")
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

fn reset(row: &SqliteRow) -> Result<PasswordReset, StoreError> {
    let columns = Columns::of("password_resets", row);
    Ok(PasswordReset {
        token_hash: ResetHash::new(columns.hash("token_hash")?),
        user: columns.parsed("user_id")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time("expires_at")?,
    })
}

pub(super) async fn delete_all(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM jobs").execute(&mut *connection).await.map_err(failed)?;
    sqlx::query("DELETE FROM password_resets").execute(connection).await.map_err(failed)?;
    Ok(())
}
