use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[database]`: where data is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// The SQLite database file. Its folder is made if it is missing.
    pub path: PathBuf,
    /// The file with the program's secret key; beside the database, if it is not given. It is made if it is missing.
    pub key: Option<PathBuf>,
    /// The root key before the present one, for as long as anything is still sealed with it.
    pub old_key: Option<PathBuf>,
    /// Where signed heads of the audit log are written, one a line; beside the database, if it is not given.
    pub audit_heads: Option<PathBuf>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/bedside.db"), key: None, old_key: None, audit_heads: None }
    }
}

impl DatabaseConfig {
    /// Where the secret key is.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(|| self.path.with_extension("key"))
    }

    /// Where heads of the audit log are written.
    #[must_use]
    pub fn audit_heads(&self) -> PathBuf {
        self.audit_heads.clone().unwrap_or_else(|| self.path.with_extension("heads"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "all sections alike; the store names what it cannot open")]
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
