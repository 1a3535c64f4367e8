use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[database]`: where data is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The SQLite database file. Its folder is made if it is missing.
    pub path: PathBuf,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/bedside.db") }
    }
}

impl DatabaseConfig {
    #[expect(clippy::unnecessary_wraps, reason = "all sections alike; the store names what it cannot open")]
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
