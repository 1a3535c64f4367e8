//! The tables `data_keys` and `retired_roots`.

use bedside_visit::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::{self, Columns, unopened};
use crate::seal::{DataKey, KeyId, WrappedKey};
use crate::{Keyring, RetiredRoot, RootId, SealedSecret, StoreError};

const TABLE: &str = "data_keys";

/// The columns that [`Columns::data_key`] reads.
macro_rules! key_columns {
    () => {
        "k.id AS key_id, k.root AS key_root, k.wrapped AS key_wrapped"
    };
}
pub(super) use key_columns;

/// A wrapped data key and its owner.
pub(super) struct Owned {
    pub(super) owner: String,
    pub(super) key: WrappedKey,
}

/// Returns an owner's data key, creating it if there is none.
pub(super) async fn of_owner(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    owner: &str,
    at: Timestamp,
) -> Result<DataKey, StoreError> {
    let row = sqlx::query(concat!("SELECT ", key_columns!(), " FROM data_keys k WHERE k.owner = ?"))
        .bind(owner)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let known = row.map(|row| Columns::of(TABLE, &row).data_key(keyring, owner)).transpose()?.flatten();
    match known {
        Some(key) => Ok(key),
        None => make(connection, keyring, owner, at).await,
    }
}

/// Creates a data key for an owner who has none. Fails if the loaded root key was replaced, because a server with only
/// the new root key could not unwrap the data key.
pub(super) async fn make(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    owner: &str,
    at: Timestamp,
) -> Result<DataKey, StoreError> {
    let drawn = keyring.draw(owner).map_err(StoreError::unsealable)?;
    let (key, wrapped) = drawn.ok_or(StoreError::NoKey)?;
    let replaced: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM retired_roots WHERE root = ?)")
        .bind(wrapped.root.as_bytes().as_slice())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if replaced {
        return Err(StoreError::ReplacedKey { has: wrapped.root });
    }
    sqlx::query("INSERT INTO data_keys (id, owner, root, wrapped, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(wrapped.id.0.as_slice())
        .bind(owner)
        .bind(wrapped.root.as_bytes().as_slice())
        .bind(wrapped.wrapped)
        .bind(at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(key)
}

/// Deletes an owner's data key, which makes everything encrypted with it permanently unreadable.
pub(super) async fn destroy(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    owner: &str,
) -> Result<(), StoreError> {
    let id: Option<Vec<u8>> = sqlx::query_scalar("DELETE FROM data_keys WHERE owner = ? RETURNING id")
        .bind(owner)
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    if let Some(id) = id.and_then(|id| id.try_into().ok()) {
        keyring.forget(KeyId(id));
    }
    Ok(())
}

/// Re-wraps at most `limit` keys with the current root key, and returns their number.
pub(super) async fn rewrap(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    limit: u32,
) -> Result<u64, StoreError> {
    let current = keyring.current().ok_or(StoreError::NoKey)?;
    let rows = sqlx::query(concat!(
        "SELECT k.owner, ",
        key_columns!(),
        " FROM data_keys k WHERE k.root < ?1 OR k.root > ?1 LIMIT ?2"
    ))
    .bind(current.as_bytes().as_slice())
    .bind(limit)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    for row in &rows {
        let Owned { owner, key } = owned(row)?;
        let moved = keyring.rewrap(&key, &owner).map_err(|why| unopened(keyring, TABLE, "wrapped", key.root, why))?;
        let moved = moved.ok_or(StoreError::NoKey)?;
        sqlx::query("UPDATE data_keys SET root = ?, wrapped = ? WHERE id = ?")
            .bind(moved.root.as_bytes().as_slice())
            .bind(moved.wrapped)
            .bind(moved.id.0.as_slice())
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(rows.len() as u64)
}

/// Returns at most `limit` keys created before `before`, oldest first.
pub(super) async fn list_older(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Owned>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT k.owner, ",
        key_columns!(),
        " FROM data_keys k WHERE k.created_at < ? ORDER BY k.created_at LIMIT ?"
    ))
    .bind(before.as_millis())
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(owned).collect()
}

/// Returns the root keys in use, with the number of data keys wrapped by each.
pub(super) async fn roots(connection: &mut SqliteConnection) -> Result<Vec<(RootId, u64)>, StoreError> {
    let rows = sqlx::query("SELECT root, count(*) AS keys FROM data_keys GROUP BY root ORDER BY root")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let root = |row| {
        let columns = Columns::of(TABLE, row);
        Ok((RootId::new(columns.bytes("root")?), row::count(columns.value("keys")?)))
    };
    rows.iter().map(root).collect()
}

/// Returns when the oldest data key was created.
pub(super) async fn oldest(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let oldest: Option<i64> =
        sqlx::query_scalar("SELECT min(created_at) FROM data_keys").fetch_one(connection).await.map_err(failed)?;
    Ok(oldest.map(Timestamp::from_millis))
}

pub(super) async fn list_retired(connection: &mut SqliteConnection) -> Result<Vec<RetiredRoot>, StoreError> {
    let rows = sqlx::query("SELECT root, at, sealed FROM retired_roots ORDER BY at, root")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let retired = |row| {
        let columns = Columns::of("retired_roots", row);
        Ok(RetiredRoot {
            root: RootId::new(columns.bytes("root")?),
            at: columns.time("at")?,
            sealed: SealedSecret(columns.value("sealed")?),
        })
    };
    rows.iter().map(retired).collect()
}

pub(super) async fn save_retired(connection: &mut SqliteConnection, retired: &RetiredRoot) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO retired_roots (root, at, sealed) VALUES (?, ?, ?)
         ON CONFLICT (root) DO UPDATE SET at = excluded.at, sealed = excluded.sealed",
    )
    .bind(retired.root.as_bytes().as_slice())
    .bind(retired.at.as_millis())
    .bind(retired.sealed.0.as_slice())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Returns whether a table exists.
pub(super) async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(failed)
}

fn owned(row: &sqlx::sqlite::SqliteRow) -> Result<Owned, StoreError> {
    let columns = Columns::of(TABLE, row);
    let key = columns.wrapped_key()?.ok_or_else(|| columns.corrupt("wrapped"))?;
    Ok(Owned { owner: columns.value("owner")?, key })
}
