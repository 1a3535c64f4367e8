//! The table `users`.

use bedside_visit::permission::ClinicRole;
use bedside_visit::{EmailAddress, Person, Private, Timestamp, UserId};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::errors::failed;
use super::keys::{self, key_columns};
use super::row::{self, Columns, place};
use crate::{Account, Keyring, Listed, NewUser, PasswordHash, SealedSecret, StoreError};

const TABLE: &str = "users";

/// Selects accounts joined with their data keys, with a given condition.
macro_rules! select_account {
    ($where:literal) => {
        concat!(
            "SELECT u.id, u.name, u.email, u.password_hash, u.totp_secret, u.disabled_at,
                    u.clinic_role IS NOT NULL OR u.specialty IS NOT NULL
                        OR EXISTS (SELECT 1 FROM appointments a WHERE a.provider_id = u.id) AS works_here, ",
            key_columns!(),
            " FROM users u LEFT JOIN data_keys k ON k.owner = u.id ",
            $where
        )
    };
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    user: &NewUser,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (id, name) = (user.person.id.to_string(), user.person.name.reveal());
    // Users may type 200 characters, some of which become two or three in composed form.
    if name.is_empty() || name.chars().count() > 600 {
        return Err(StoreError::Invalid { rule: "name_has_1_to_600_characters".into() });
    }
    let key = keys::of_owner(connection, keyring, &id, at).await?;
    let seal = |column, value: &str| key.seal(&place(TABLE, column, &id), value).map_err(StoreError::unsealable);
    let birth_date = user.person.birth_date.as_ref().map(|date| seal("birth_date", &date.reveal().to_string()));
    sqlx::query(
        "INSERT INTO users (id, email, password_hash, name, specialty, birth_date, avatar_url, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(user.email.as_ref().map(EmailAddress::reveal))
    .bind(user.password_hash.as_ref().map(PasswordHash::reveal))
    .bind(seal("name", name)?)
    .bind(&user.person.specialty)
    .bind(birth_date.transpose()?)
    .bind(&user.person.avatar_url)
    .bind(at.as_millis())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn get_person(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    id: UserId,
) -> Result<Option<Person>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT u.id, u.name, u.specialty, u.birth_date, u.avatar_url, ",
        key_columns!(),
        " FROM users u LEFT JOIN data_keys k ON k.owner = u.id WHERE u.id = ?"
    ))
    .bind(id.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    row.map(|row| Columns::of(TABLE, &row).person(keyring)).transpose()
}

pub(super) async fn get_account(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    email: &EmailAddress,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query(select_account!("WHERE u.email = ?"))
        .bind(email.reveal())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(|row| account(row, keyring)).transpose()
}

pub(super) async fn get_account_of(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    user: UserId,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query(select_account!("WHERE u.id = ?"))
        .bind(user.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    row.as_ref().map(|row| account(row, keyring)).transpose()
}

pub(super) async fn list(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(concat!(
        "SELECT u.id, u.name, u.specialty, u.birth_date, u.avatar_url, u.email, u.clinic_role, u.disabled_at,
                EXISTS (SELECT 1 FROM appointments a WHERE a.provider_id = u.id) AS provides, ",
        key_columns!(),
        " FROM users u LEFT JOIN data_keys k ON k.owner = u.id WHERE u.clinic_role IS NOT 'integrator'"
    ))
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let columns = Columns::of(TABLE, row);
            Ok(Listed {
                person: columns.person(keyring)?,
                email: columns.optional("email")?.map(EmailAddress::stored),
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

pub(super) async fn insert_second_step(
    connection: &mut SqliteConnection,
    user: UserId,
    secret: &SealedSecret,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET totp_secret = ?, totp_step = NULL WHERE id = ? AND totp_secret IS NULL")
        .bind(secret.0.as_slice())
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

/// Returns at most `limit` TOTP secrets of users after `after`, ordered by user.
pub(super) async fn list_second_steps(
    connection: &mut SqliteConnection,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<(UserId, SealedSecret)>, StoreError> {
    let rows =
        sqlx::query("SELECT id, totp_secret FROM users WHERE id > ? AND totp_secret IS NOT NULL ORDER BY id LIMIT ?")
            .bind(after.map_or_else(String::new, |user| user.to_string()))
            .bind(limit)
            .fetch_all(connection)
            .await
            .map_err(failed)?;
    let second_step = |row| {
        let columns = Columns::of(TABLE, row);
        Ok((columns.parsed("id")?, SealedSecret(columns.value("totp_secret")?)))
    };
    rows.iter().map(second_step).collect()
}

pub(super) async fn reseal_second_step(
    connection: &mut SqliteConnection,
    user: UserId,
    secret: &SealedSecret,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE users SET totp_secret = ? WHERE id = ? AND totp_secret IS NOT NULL")
        .bind(secret.0.as_slice())
        .bind(user.to_string())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() == 1)
}

fn account(row: &SqliteRow, keyring: &Keyring) -> Result<Account, StoreError> {
    let columns = Columns::of(TABLE, row);
    let id: &str = columns.value("id")?;
    let key = columns.data_key(keyring, id)?;
    Ok(Account {
        user: columns.parsed("id")?,
        name: Private::new(columns.opened("name", id, key.as_ref())?),
        email: columns.optional("email")?.map(EmailAddress::stored),
        password_hash: columns.optional("password_hash")?.map(PasswordHash::new),
        second_step: columns.optional("totp_secret")?.map(SealedSecret),
        works_here: columns.value("works_here")?,
        disabled_at: columns.time_optional("disabled_at")?,
    })
}
