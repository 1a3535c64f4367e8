//! The tables `client_keys` and `issuers`.

use bedside_visit::{Timestamp, UserId};
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::errors::failed;
use super::row::Columns;
use crate::{ClientKey, ClientKeyHash, Issuer, StoreError};

pub(super) async fn insert_key(connection: &mut SqliteConnection, key: &ClientKey) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO client_keys (id, user_id, secret_hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(key.id.to_string())
        .bind(key.user.to_string())
        .bind(key.secret_hash.as_bytes().as_slice())
        .bind(key.grants.to_string())
        .bind(key.created_at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Excludes keys of disabled users and of users that are no longer integrators.
pub(super) async fn get_key(connection: &mut SqliteConnection, id: Uuid) -> Result<Option<ClientKey>, StoreError> {
    let row = sqlx::query(
        "SELECT k.id, k.user_id, k.secret_hash, k.scopes, k.created_at
         FROM client_keys k JOIN users u ON u.id = k.user_id
         WHERE k.id = ? AND u.disabled_at IS NULL AND u.clinic_role = 'integrator'",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.map(|row| {
        let columns = Columns::of("client_keys", &row);
        Ok(ClientKey {
            id: columns.parsed("id")?,
            user: columns.parsed("user_id")?,
            secret_hash: ClientKeyHash::new(columns.hash("secret_hash")?),
            grants: columns.parsed("scopes")?,
            created_at: columns.time("created_at")?,
        })
    })
    .transpose()
}

pub(super) async fn delete_key(connection: &mut SqliteConnection, id: Uuid) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM client_keys WHERE id = ?")
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn save_issuer(
    connection: &mut SqliteConnection,
    issuer: &Issuer,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO issuers (issuer, user_id, jwks, updated_at, vouches_for_providers) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (issuer) DO UPDATE SET jwks = ?3, updated_at = ?4, vouches_for_providers = ?5 WHERE user_id = ?2",
    )
    .bind(&issuer.issuer)
    .bind(issuer.user.to_string())
    .bind(&issuer.jwks)
    .bind(at.as_millis())
    .bind(issuer.vouches_for_providers)
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

/// Excludes issuers of disabled users and of users that are no longer integrators.
pub(super) async fn get_issuer(connection: &mut SqliteConnection, name: &str) -> Result<Option<Issuer>, StoreError> {
    let row = sqlx::query(
        "SELECT i.issuer, i.user_id, i.jwks, i.vouches_for_providers FROM issuers i JOIN users u ON u.id = i.user_id
         WHERE i.issuer = ? AND u.disabled_at IS NULL AND u.clinic_role = 'integrator'",
    )
    .bind(name)
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.map(|row| {
        let columns = Columns::of("issuers", &row);
        Ok(Issuer {
            issuer: columns.value("issuer")?,
            user: columns.parsed("user_id")?,
            jwks: columns.value("jwks")?,
            vouches_for_providers: columns.value("vouches_for_providers")?,
        })
    })
    .transpose()
}

pub(super) async fn delete_issuer(
    connection: &mut SqliteConnection,
    name: &str,
    user: UserId,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM issuers WHERE issuer = ? AND user_id = ?")
        .bind(name)
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}
