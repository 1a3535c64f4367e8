//! Normalizes e-mail addresses that an earlier version stored in another form than [`EmailAddress`] has now, e.g. with a
//! domain that is not in its DNS form.

use bedside_visit::EmailAddress;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::StoreError;

/// Normalizes all addresses as sign-in does. An address whose normalized form belongs to another account, and a text that is
/// no longer a valid address, are kept. They cannot be used to sign in.
pub(super) async fn normalize(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let rows = sqlx::query("SELECT id, email FROM users WHERE email GLOB '*[^ -~]*' ORDER BY created_at, id")
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    for row in rows {
        let columns = Columns::of("users", &row);
        let (id, written): (String, String) = (columns.value("id")?, columns.value("email")?);
        let Ok(address) = written.parse::<EmailAddress>() else { continue };
        if address.reveal() == written {
            continue;
        }
        sqlx::query("UPDATE users SET email = ?1 WHERE id = ?2 AND NOT EXISTS (SELECT 1 FROM users WHERE email = ?1)")
            .bind(address.reveal())
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
