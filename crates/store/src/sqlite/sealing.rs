//! All encrypted columns: encrypts values of older versions, rotates data keys, and counts values.

use bedside_visit::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

use super::errors::failed;
use super::keys;
use super::row::{self, Columns};
use crate::{Keyring, SealingReport, StoreError};

/// How many plain-text values are encrypted per transaction.
const BATCH: u32 = 500;

/// An encrypted column. Its rows are named as in the place that a value is encrypted for.
struct Sealed {
    table: &'static str,
    column: &'static str,
    /// Selects the values encrypted with an owner's data key, with their rows.
    of_owner: &'static str,
    update: &'static str,
    count: &'static str,
}

const SEALED: [Sealed; 5] = [
    Sealed {
        table: "users",
        column: "name",
        of_owner: "SELECT id AS row, name AS value FROM users WHERE id = ? AND name IS NOT NULL",
        update: "UPDATE users SET name = ?1 WHERE id = ?2",
        count: "SELECT count(name) FROM users",
    },
    Sealed {
        table: "users",
        column: "birth_date",
        of_owner: "SELECT id AS row, birth_date AS value FROM users WHERE id = ? AND birth_date IS NOT NULL",
        update: "UPDATE users SET birth_date = ?1 WHERE id = ?2",
        count: "SELECT count(birth_date) FROM users",
    },
    Sealed {
        table: "appointments",
        column: "kind",
        of_owner: "SELECT id AS row, kind AS value FROM appointments WHERE patient_id = ? AND kind IS NOT NULL",
        update: "UPDATE appointments SET kind = ?1 WHERE id = ?2",
        count: "SELECT count(kind) FROM appointments",
    },
    Sealed {
        table: "appointments",
        column: "reason",
        of_owner: "SELECT id AS row, reason AS value FROM appointments WHERE id = ? AND reason IS NOT NULL",
        update: "UPDATE appointments SET reason = ?1 WHERE id = ?2",
        count: "SELECT count(reason) FROM appointments",
    },
    Sealed {
        table: "messages",
        column: "text",
        of_owner:
            "SELECT m.visit_id || '/' || m.number AS row, m.text AS value
                   FROM messages m JOIN visits v ON v.id = m.visit_id WHERE v.appointment_id = ? AND m.text IS NOT NULL",
        update: "UPDATE messages SET text = ?1
                 WHERE visit_id = substr(?2, 1, 36) AND number = CAST(substr(?2, 38) AS INTEGER)",
        count: "SELECT count(text) FROM messages",
    },
];

/// Encrypts the values that migration 0011 found in plain text, and ensures that no plain text is left in the files. If
/// interrupted, it continues at the next start.
pub(super) async fn seal_plain(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<(), StoreError> {
    if !keys::has_table(connection, "unsealed").await? {
        return Ok(());
    }
    let used: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&mut *connection).await.map_err(failed)?;
    if used {
        while seal_batch(connection, keyring).await? {}
        sqlx::query("VACUUM").execute(&mut *connection).await.map_err(failed)?;
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await.map_err(failed)?;
        let blocked: i64 = row.try_get(0).map_err(failed)?;
        if blocked != 0 {
            return Err(StoreError::Busy);
        }
    }
    // Another process that started at the same time may have dropped it already.
    sqlx::query("DROP TABLE IF EXISTS unsealed").execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Returns `false` if there was nothing to encrypt.
async fn seal_batch(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<bool, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let rows = sqlx::query("SELECT place, row, owner, at, text FROM unsealed LIMIT ?")
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    for row in &rows {
        let columns = Columns::of("unsealed", row);
        let (at, name): (&str, &str) = (columns.value("place")?, columns.value("row")?);
        let named = |sealed: &&Sealed| at == [sealed.table, ".", sealed.column].concat();
        let sealed = SEALED.iter().find(named).ok_or_else(|| columns.corrupt("place"))?;
        let key = keys::of_owner(&mut transaction, keyring, columns.value("owner")?, columns.time("at")?).await?;
        let place = row::place(sealed.table, sealed.column, name);
        let value = key.seal(&place, columns.value("text")?).map_err(StoreError::unsealable)?;
        write(&mut transaction, sealed, name, value).await?;
        sqlx::query("DELETE FROM unsealed WHERE place = ? AND row = ?")
            .bind(at)
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(!rows.is_empty())
}

/// Gives at most `limit` owners a new data key, those with the oldest keys first. Returns their number.
pub(super) async fn rotate(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    before: Timestamp,
    at: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let old = keys::list_older(connection, before, limit).await?;
    for keys::Owned { owner, key } in &old {
        let unwrapped =
            keyring.unwrap(key, owner).map_err(|why| row::unopened(keyring, "data_keys", "wrapped", key.root, why))?;
        keys::destroy(connection, keyring, owner).await?;
        let new = keys::make(connection, keyring, owner, at).await?;
        for sealed in &SEALED {
            let rows = sqlx::query(sealed.of_owner).bind(owner).fetch_all(&mut *connection).await.map_err(failed)?;
            for row in &rows {
                let columns = Columns::of(sealed.table, row);
                let name: &str = columns.value("row")?;
                let place = row::place(sealed.table, sealed.column, name);
                let value = unwrapped.open(&place, columns.value("value")?);
                let value = value.ok_or_else(|| columns.corrupt(sealed.column))?;
                let value = new.seal(&place, &value).map_err(StoreError::unsealable)?;
                write(connection, sealed, name, value).await?;
            }
        }
    }
    Ok(old.len() as u64)
}

pub(super) async fn report(connection: &mut SqliteConnection) -> Result<SealingReport, StoreError> {
    let roots = keys::roots(connection).await?;
    let oldest = keys::oldest(connection).await?;
    let mut values = Vec::new();
    for sealed in &SEALED {
        let counted = sqlx::query_scalar(sealed.count).fetch_one(&mut *connection).await.map_err(failed)?;
        values.push((sealed.table, sealed.column, row::count(counted)));
    }
    Ok(SealingReport { roots, oldest, values })
}

async fn write(
    connection: &mut SqliteConnection,
    sealed: &Sealed,
    row: &str,
    value: Vec<u8>,
) -> Result<(), StoreError> {
    sqlx::query(sealed.update).bind(value).bind(row).execute(connection).await.map_err(failed)?;
    Ok(())
}
