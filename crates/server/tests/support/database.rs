//! Direct access to the database, bypassing the program.

use std::collections::BTreeMap;
use std::path::Path;

use bedside_visit::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use uuid::Uuid;

pub(crate) struct Shell(SqliteConnection);

/// The contents of a database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    tables: BTreeMap<String, Rows>,
    /// Names for the values of `id` columns, such as the second of `users`. They are equal in databases that were
    /// created alike.
    names: BTreeMap<String, String>,
}

/// Rows by primary key: columns and their values as SQL literals.
type Rows = BTreeMap<Vec<String>, BTreeMap<String, String>>;

/// Times further from now than this were entered, not read from the clock.
const FAR: i64 = 31 * 86_400_000;
const TEN_MINUTES: i64 = 600_000;

impl Shell {
    pub(crate) async fn open(database: &Path) -> Self {
        Self(SqliteConnectOptions::new().filename(database).connect().await.expect("a database"))
    }

    /// Runs SQL statements.
    pub(crate) async fn run(&mut self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.0).await.expect("done");
    }

    async fn ask(&mut self, query: String) -> Vec<Vec<String>> {
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut self.0).await.expect("an answer");
        rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
    }

    pub(crate) async fn contents(&mut self) -> Contents {
        let (mut tables, mut names) = (BTreeMap::new(), BTreeMap::new());
        let query = "SELECT name, quote(sql LIKE '%WITHOUT ROWID%') FROM sqlite_schema \
                     WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%' AND name <> 'jobs'";
        for kept in self.ask(query.to_owned()).await {
            let [table, by_key] = kept.as_slice() else { panic!("{kept:?}") };
            let columns = self.ask(format!("SELECT name, quote(pk) FROM pragma_table_info('{table}')")).await;
            let literals: Vec<String> = columns.iter().map(|column| format!("quote({})", column[0])).collect();
            // Rows in order of creation: IDs used as keys rise with time.
            let order = if by_key == "1" { "" } else { "ORDER BY rowid" };
            let query = format!("SELECT {} FROM {table} {order}", literals.join(", "));
            let mut rows = Rows::new();
            for (number, values) in self.ask(query).await.into_iter().enumerate() {
                let row = columns.iter().zip(values);
                let key = row.clone().filter(|(column, _)| column[1] != "0").map(|(_, value)| value).collect();
                let row: BTreeMap<String, String> = row.map(|(column, value)| (column[0].clone(), value)).collect();
                if let Some(id) = row.get("id").and_then(|id| text_of(id)) {
                    names.insert(id.to_owned(), format!("{table} {}", number + 1));
                }
                rows.insert(key, row);
            }
            tables.insert(table.clone(), rows);
        }
        Contents { tables, names }
    }
}

impl Contents {
    /// Returns the changes in a form that is the same for the same change in databases created alike: IDs as names,
    /// times relative to now, secrets and sealed values by their length.
    pub(crate) fn changes(&self, after: &Self, now: Timestamp) -> Vec<String> {
        let mut changes = Vec::new();
        for (table, rows) in &after.tables {
            let before = self.tables.get(table).expect("a table");
            for (key, row) in rows {
                let old = before.get(key);
                let other = |column: &String| old.is_none_or(|old| old[column] != row[column]);
                let said = row.iter().filter(|(column, _)| other(column));
                let said: Vec<String> =
                    said.map(|(column, value)| format!("{column} {}", self.word(value, now))).collect();
                if !said.is_empty() {
                    let what = old.map_or("new".to_owned(), |old| self.name_of(old, now));
                    changes.push(format!("{table}, {what}: {}", said.join(", ")));
                }
            }
            let gone = before.iter().filter(|(key, _)| !rows.contains_key(*key));
            changes.extend(gone.map(|(_, row)| format!("{table}, {}: gone", self.name_of(row, now))));
        }
        changes.sort();
        changes
    }

    fn name_of(&self, row: &BTreeMap<String, String>, now: Timestamp) -> String {
        let columns = row.iter().filter(|(column, _)| *column == "id" || column.ends_with("_id") || *column == "owner");
        columns.map(|(column, value)| format!("{column} {}", self.word(value, now))).collect::<Vec<_>>().join(" ")
    }

    /// Returns a text with every ID replaced as in [`Self::changes`].
    pub(crate) fn named(&self, text: &str) -> String {
        let mut said = text.to_owned();
        for (id, name) in &self.names {
            said = said.replace(id, name);
        }
        said.split(['/', '?', '=', '&']).fold(said.clone(), |said, word| match Uuid::try_parse(word) {
            Ok(_) => said.replace(word, "a new id"),
            Err(_) => said,
        })
    }

    fn word(&self, literal: &str, now: Timestamp) -> String {
        if let Some(hex) = literal.strip_prefix("X'") {
            return format!("({} bytes)", hex.len() / 2);
        }
        if let Some(text) = text_of(literal) {
            let long = text.len() > 60;
            return if long { "(a long text)".to_owned() } else { format!("“{}”", self.named(text)) };
        }
        match literal.parse::<i64>() {
            Ok(number) if (now.as_millis() - number).abs() < FAR => {
                let away = number - now.as_millis();
                format!("now {:+}", (away + TEN_MINUTES * away.signum() / 2) / TEN_MINUTES)
            }
            // A time step of half a minute, as used for a one-time password.
            Ok(number) if (number - now.as_millis() / 30_000).abs() < 10 => "this half minute".to_owned(),
            Ok(_) | Err(_) => literal.to_owned(),
        }
    }
}

fn text_of(literal: &str) -> Option<&str> {
    literal.strip_prefix('\'')?.strip_suffix('\'')
}
