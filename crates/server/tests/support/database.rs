//! The database past the program: as somebody has it who opens the file with a shell.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

pub(crate) struct Shell(SqliteConnection);

impl Shell {
    pub(crate) async fn open(database: &Path) -> Self {
        Self(SqliteConnectOptions::new().filename(database).connect().await.expect("a database"))
    }

    /// Does whatever it says, several statements too.
    pub(crate) async fn run(&mut self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.0).await.expect("done");
    }
}
