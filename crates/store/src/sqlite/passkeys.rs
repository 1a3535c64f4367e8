//! The table `passkeys`.

use bedside_visit::{Private, Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{PasskeyRecord, StoreError};

pub(super) async fn insert(connection: &mut SqliteConnection, passkey: &PasskeyRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO passkeys (credential_id, user_id, name, credential, created_at, used_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(passkey.credential_id.as_slice())
    .bind(passkey.user.to_string())
    .bind(passkey.name.reveal())
    .bind(&passkey.credential)
    .bind(passkey.created_at.as_millis())
    .bind(passkey.used_at.map(Timestamp::as_millis))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    credential_id: &[u8],
) -> Result<Option<PasskeyRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT credential_id, user_id, name, credential, created_at, used_at FROM passkeys WHERE credential_id = ?",
    )
    .bind(credential_id)
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.as_ref().map(passkey).transpose()
}

pub(super) async fn list(connection: &mut SqliteConnection, user: UserId) -> Result<Vec<PasskeyRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT credential_id, user_id, name, credential, created_at, used_at FROM passkeys
         WHERE user_id = ? ORDER BY created_at, credential_id",
    )
    .bind(user.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(passkey).collect()
}

pub(super) async fn update_used(
    connection: &mut SqliteConnection,
    credential_id: &[u8],
    credential: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE passkeys SET credential = ?, used_at = ? WHERE credential_id = ?")
        .bind(credential)
        .bind(now.as_millis())
        .bind(credential_id)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    user: UserId,
    credential_id: &[u8],
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM passkeys WHERE user_id = ? AND credential_id = ?")
        .bind(user.to_string())
        .bind(credential_id)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

fn passkey(row: &SqliteRow) -> Result<PasskeyRecord, StoreError> {
    let columns = Columns::of("passkeys", row);
    Ok(PasskeyRecord {
        credential_id: columns.value("credential_id")?,
        user: columns.parsed("user_id")?,
        name: Private::new(columns.value("name")?),
        credential: columns.value("credential")?,
        created_at: columns.time("created_at")?,
        used_at: columns.time_optional("used_at")?,
    })
}
