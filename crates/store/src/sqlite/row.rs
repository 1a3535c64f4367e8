//! Reads rows. Errors name the table and column of an invalid value, never the value.

use std::str::FromStr;

use bedside_visit::{Person, Private, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use crate::seal::{DataKey, KeyId, Unopened, WrappedKey};
use crate::{Keyring, RootId, StoreError};

/// The columns of one table in a row.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    table: &'static str,
    prefix: &'static str,
}

impl<'r> Columns<'r> {
    /// Reads columns by their own names.
    pub(super) const fn of(table: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, table, prefix: "" }
    }

    /// Reads columns that a join renamed with a prefix.
    pub(super) const fn prefixed(prefix: &'static str, table: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, table, prefix }
    }

    /// Returns a column's value, or `None` for NULL.
    pub(super) fn optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let value = if self.prefix.is_empty() {
            self.row.try_get(column)
        } else {
            self.row.try_get([self.prefix, column].concat().as_str())
        };
        value.map_err(|_| self.corrupt(column))
    }

    /// Returns a column's value.
    pub(super) fn value<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.optional(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// Parses a text column that is not encrypted, such as an ID or a status.
    pub(super) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.parsed_optional(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// Parses a text column that is not encrypted; `None` for NULL.
    pub(super) fn parsed_optional<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.optional(column)?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(column))).transpose()
    }

    /// Returns a timestamp.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.value(column).map(Timestamp::from_millis)
    }

    /// Returns a timestamp, or `None` for NULL.
    pub(super) fn time_optional(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional(column)?.map(Timestamp::from_millis))
    }

    /// Returns a SHA-256.
    pub(super) fn hash(&self, column: &'static str) -> Result<[u8; 32], StoreError> {
        self.hash_optional(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// Returns a SHA-256, or `None` for NULL.
    pub(super) fn hash_optional(&self, column: &'static str) -> Result<Option<[u8; 32]>, StoreError> {
        let bytes: Option<&[u8]> = self.optional(column)?;
        bytes.map(|bytes| bytes.try_into().map_err(|_| self.corrupt(column))).transpose()
    }

    /// Returns an eight-byte ID.
    pub(super) fn bytes(&self, column: &'static str) -> Result<[u8; 8], StoreError> {
        self.value::<&[u8]>(column)?.try_into().map_err(|_| self.corrupt(column))
    }

    /// Returns the joined data key in wrapped form, if any.
    pub(super) fn wrapped_key(&self) -> Result<Option<WrappedKey>, StoreError> {
        let Some(wrapped) = self.optional("key_wrapped")? else { return Ok(None) };
        Ok(Some(WrappedKey { id: KeyId(self.bytes("key_id")?), root: RootId::new(self.bytes("key_root")?), wrapped }))
    }

    /// Returns the joined data key, if any.
    pub(super) fn data_key(&self, keyring: &Keyring, owner: &str) -> Result<Option<DataKey>, StoreError> {
        let opened = self.wrapped_key()?.map(|wrapped| {
            let why = |why| unopened(keyring, self.table, "key_wrapped", wrapped.root, why);
            keyring.unwrap(&wrapped, owner).map_err(why)
        });
        opened.transpose()
    }

    /// Decrypts a text, or returns `None` for NULL. `row` is the row's name in the place.
    pub(super) fn opened_optional(
        &self,
        column: &'static str,
        row: &str,
        key: Option<&DataKey>,
    ) -> Result<Option<String>, StoreError> {
        let Some(sealed) = self.optional::<&[u8]>(column)? else { return Ok(None) };
        let opened = key.and_then(|key| key.open(&place(self.table, column, row), sealed));
        opened.map(Some).ok_or_else(|| self.corrupt(column))
    }

    /// Decrypts a text. `row` is the row's name in the place.
    pub(super) fn opened(&self, column: &'static str, row: &str, key: Option<&DataKey>) -> Result<String, StoreError> {
        self.opened_optional(column, row, key)?.ok_or_else(|| self.corrupt(column))
    }

    /// Returns a person from the columns of `users` and their data key.
    pub(super) fn person(&self, keyring: &Keyring) -> Result<Person, StoreError> {
        let id: &str = self.value("id")?;
        let key = self.data_key(keyring, id)?;
        let birth_date = self.opened_optional("birth_date", id, key.as_ref())?;
        let birth_date = birth_date.map(|date| date.parse().map_err(|_| self.corrupt("birth_date"))).transpose()?;
        Ok(Person {
            id: self.parsed("id")?,
            name: Private::new(self.opened("name", id, key.as_ref())?),
            specialty: self.optional("specialty")?,
            birth_date: birth_date.map(Private::new),
            avatar_url: self.optional("avatar_url")?,
        })
    }

    /// Returns the error for an invalid value in a column.
    pub(super) const fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column }
    }
}

/// Converts a COUNT(*), which SQLite returns as a signed number.
pub(super) fn count(counted: i64) -> u64 {
    u64::try_from(counted).unwrap_or(0)
}

/// Returns the error for a key or value that cannot be decrypted.
pub(super) fn unopened(
    keyring: &Keyring,
    table: &'static str,
    column: &'static str,
    root: RootId,
    why: Unopened,
) -> StoreError {
    match why {
        Unopened::Locked => {
            keyring.current().map_or(StoreError::NoKey, |has| StoreError::OtherKey { table, needs: root, has })
        }
        Unopened::Altered => StoreError::Corrupt { table, column },
    }
}

/// Returns the place of a value, used as additional authenticated data.
pub(super) fn place(table: &str, column: &str, row: &str) -> String {
    format!("{table}|{column}|{row}")
}
