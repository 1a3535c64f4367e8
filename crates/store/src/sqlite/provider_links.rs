//! The table `provider_links`.

use bedside_visit::UserId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::Columns;
use crate::{ProviderLink, StoreError};

pub(super) async fn insert(connection: &mut SqliteConnection, link: &ProviderLink) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO provider_links (issuer, subject, user_id, created_at) VALUES (?, ?, ?, ?)")
        .bind(&link.issuer)
        .bind(&link.subject)
        .bind(link.user.to_string())
        .bind(link.created_at.as_millis())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn get(
    connection: &mut SqliteConnection,
    issuer: &str,
    subject: &str,
) -> Result<Option<ProviderLink>, StoreError> {
    let row =
        sqlx::query("SELECT issuer, subject, user_id, created_at FROM provider_links WHERE issuer = ? AND subject = ?")
            .bind(issuer)
            .bind(subject)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
    row.as_ref().map(link).transpose()
}

pub(super) async fn get_of(
    connection: &mut SqliteConnection,
    user: UserId,
    issuer: &str,
) -> Result<Option<ProviderLink>, StoreError> {
    let row =
        sqlx::query("SELECT issuer, subject, user_id, created_at FROM provider_links WHERE user_id = ? AND issuer = ?")
            .bind(user.to_string())
            .bind(issuer)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
    row.as_ref().map(link).transpose()
}

pub(super) async fn list(connection: &mut SqliteConnection, issuer: &str) -> Result<Vec<ProviderLink>, StoreError> {
    let rows = sqlx::query(
        "SELECT issuer, subject, user_id, created_at FROM provider_links WHERE issuer = ? ORDER BY created_at, user_id",
    )
    .bind(issuer)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter().map(link).collect()
}

pub(super) async fn delete(connection: &mut SqliteConnection, user: UserId, issuer: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM provider_links WHERE user_id = ? AND issuer = ?")
        .bind(user.to_string())
        .bind(issuer)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

fn link(row: &SqliteRow) -> Result<ProviderLink, StoreError> {
    let columns = Columns::of("provider_links", row);
    Ok(ProviderLink {
        issuer: columns.value("issuer")?,
        subject: columns.value("subject")?,
        user: columns.parsed("user_id")?,
        created_at: columns.time("created_at")?,
    })
}
