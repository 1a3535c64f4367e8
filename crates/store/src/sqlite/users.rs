//! The table `users`.

use bedside_visit::permission::ClinicRole;
use bedside_visit::{EmailAddress, Person, Private, Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::row::{self, Columns};
use crate::{Account, Listed, NewUser, PasswordHash, SealedSecret, StoreError};

const TABLE: &str = "users";

pub(super) async fn insert(connection: &mut SqliteConnection, user: &NewUser, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, email, password_hash, name, specialty, birth_date, avatar_url, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.person.id.to_string())
    .bind(user.email.as_ref().map(EmailAddress::reveal))
    .bind(user.password_hash.as_ref().map(PasswordHash::reveal))
    .bind(user.person.name.reveal())
    .bind(&user.person.specialty)
    .bind(user.person.birth_date.as_ref().map(|date| date.reveal().to_string()))
    .bind(&user.person.avatar_url)
    .bind(at.as_millis())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get_person(connection: &mut SqliteConnection, id: UserId) -> Result<Option<Person>, StoreError> {
    let row = sqlx::query("SELECT id, name, specialty, birth_date, avatar_url FROM users WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.map(|row| Columns::of(TABLE, &row).person()).transpose()
}

pub(super) async fn get_account(
    connection: &mut SqliteConnection,
    email: &EmailAddress,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT id, name, email, password_hash, totp_secret, disabled_at FROM users WHERE email = ?")
        .bind(email.reveal())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn get_account_of(
    connection: &mut SqliteConnection,
    user: UserId,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT id, name, email, password_hash, totp_secret, disabled_at FROM users WHERE id = ?")
        .bind(user.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn list(connection: &mut SqliteConnection) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, name, specialty, birth_date, avatar_url, email, clinic_role, disabled_at,
                EXISTS (SELECT 1 FROM appointments a WHERE a.provider_id = users.id) AS provides
         FROM users WHERE clinic_role IS NOT 'integrator'",
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let columns = Columns::of(TABLE, row);
            Ok(Listed {
                person: columns.person()?,
                email: columns.parsed_optional("email")?,
                clinic_role: columns.parsed_optional("clinic_role")?,
                provides: columns.value("provides")?,
                disabled_at: columns.time_optional("disabled_at")?,
            })
        })
        .collect()
}

pub(super) async fn update_clinic_role(
    connection: &mut SqliteConnection,
    user: UserId,
    role: Option<ClinicRole>,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET clinic_role = ? WHERE id = ?")
        .bind(role.map(ClinicRole::as_str))
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let counted = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(connection).await.map_err(failed)?;
    Ok(row::count(counted))
}

pub(super) async fn update_password(
    connection: &mut SqliteConnection,
    user: UserId,
    password: &PasswordHash,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
        .bind(password.reveal())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn update_disabled(
    connection: &mut SqliteConnection,
    user: UserId,
    disabled_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET disabled_at = ? WHERE id = ?")
        .bind(disabled_at.map(Timestamp::as_millis))
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn update_second_step(
    connection: &mut SqliteConnection,
    user: UserId,
    secret: Option<&SealedSecret>,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET totp_secret = ?, totp_step = NULL WHERE id = ?")
        .bind(secret.map(|secret| secret.0.as_slice()))
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn use_second_step(
    connection: &mut SqliteConnection,
    user: UserId,
    step: u64,
) -> Result<bool, StoreError> {
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    let done = sqlx::query("UPDATE users SET totp_step = ?1 WHERE id = ?2 AND (totp_step IS NULL OR totp_step < ?1)")
        .bind(step)
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    let columns = Columns::of(TABLE, row);
    Ok(Account {
        user: columns.parsed("id")?,
        name: Private::new(columns.value("name")?),
        email: columns.parsed_optional("email")?,
        password_hash: columns.optional("password_hash")?.map(PasswordHash::new),
        second_step: columns.optional("totp_secret")?.map(SealedSecret),
        disabled_at: columns.time_optional("disabled_at")?,
    })
}
