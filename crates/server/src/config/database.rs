use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[database]`: storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// SQLite database file. Its folder is created if it is missing.
    pub path: PathBuf,
    /// File of the root key. Defaults to a file beside the database. It is created if it is missing.
    pub key: Option<PathBuf>,
    /// File of the previous root key. Needed for as long as any data is still encrypted with it.
    pub old_key: Option<PathBuf>,
    /// File to which signed heads of the audit log are appended, one per line. Defaults to a file beside the database.
    pub audit_heads: Option<PathBuf>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/bedside.db"), key: None, old_key: None, audit_heads: None }
    }
}

impl DatabaseConfig {
    /// Returns the path of the root key file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(|| self.path.with_extension("key"))
    }

    /// Returns the path of the file of audit log heads.
    #[must_use]
    pub fn audit_heads(&self) -> PathBuf {
        self.audit_heads.clone().unwrap_or_else(|| self.path.with_extension("heads"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "same signature for all sections; the store checks the paths")]
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
