//! E-mail addresses that an earlier version took in another form than [`EmailAddress`] has now: such as with a domain that
//! is not written as DNS has it.

use bedside_visit::EmailAddress;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::errors::failed;
use super::row::Columns;
use crate::StoreError;

/// Gives each address the form that a sign-in looks for. An address whose form another account has already, and a text that
/// is no address any more, stay as they are: nobody signs in with them, and `bedside user` changes them.
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
