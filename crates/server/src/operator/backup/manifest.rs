//! Manifest of a backup.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::hash_of;
use super::{BackupError, at};

/// File names in a backup: the database, the heads of its audit log, the configuration and the keys.
pub(super) const DATABASE: &str = "bedside.db";
pub(super) const HEADS: &str = "bedside.heads";
pub(super) const CONFIG: &str = "bedside.toml";
pub(super) const KEY: &str = "bedside.key";
pub(super) const OLD_KEY: &str = "bedside.old-key";
/// Name of the manifest. It is written last: a folder without it is not a complete backup.
pub(super) const MANIFEST: &str = "manifest.json";

const FORMAT: u32 = 1;

/// Contents and checksums of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// Version of Bedside that created the backup.
    pub(super) version: String,
    /// Time of the backup, RFC 3339.
    pub(super) made_at: String,
    /// Last sequence number of the audit log; 0 if it is empty.
    pub(super) audit_line: i64,
    /// Root keys that the database is encrypted with.
    pub(super) root_keys: Vec<String>,
    /// SHA-256 of every other file, hexadecimal.
    pub(super) files: BTreeMap<String, String>,
}

impl Manifest {
    pub(super) fn new(made_at: String, audit_line: i64, root_keys: Vec<String>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, made_at, audit_line, root_keys, files: BTreeMap::new() }
    }

    /// Reads the manifest of a folder and verifies the checksum of every file.
    pub(super) fn check(folder: &Path) -> Result<Self, BackupError> {
        let not_one = |fault: String| BackupError::NotABackup { folder: folder.to_owned(), fault };
        let text = std::fs::read(folder.join(MANIFEST)).map_err(|error| not_one(format!("{MANIFEST}: {error}")))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| not_one(format!("{MANIFEST}: {error}")))?;
        if manifest.format != FORMAT {
            return Err(not_one(format!("format {} is not supported by this version", manifest.format)));
        }
        if !manifest.files.contains_key(DATABASE) {
            return Err(not_one(format!("{DATABASE} is missing")));
        }
        for (name, hash) in &manifest.files {
            if ![DATABASE, HEADS, CONFIG, KEY, OLD_KEY].contains(&name.as_str()) {
                return Err(not_one(format!("unexpected file {name:?}")));
            }
            let file = folder.join(name);
            if at(&file, hash_of(&file))? != *hash {
                return Err(BackupError::Changed(file));
            }
        }
        Ok(manifest)
    }
}
