//! What a backup says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::hash_of;
use super::{BackupError, at};

/// The database, the heads of its audit log, the configuration and the keys, as a backup has them.
pub(super) const DATABASE: &str = "bedside.db";
pub(super) const HEADS: &str = "bedside.heads";
pub(super) const CONFIG: &str = "bedside.toml";
pub(super) const KEY: &str = "bedside.key";
pub(super) const OLD_KEY: &str = "bedside.old-key";
/// Written last: a folder without it is not a backup.
pub(super) const MANIFEST: &str = "manifest.json";

const FORMAT: u32 = 1;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The version of Bedside that made it.
    pub(super) version: String,
    /// When, RFC 3339.
    pub(super) made_at: String,
    /// The last line of the audit log in it; 0 if there is none.
    pub(super) audit_line: i64,
    /// The root keys that it is sealed with.
    pub(super) root_keys: Vec<String>,
    /// SHA-256 of every other file, hexadecimal.
    pub(super) files: BTreeMap<String, String>,
}

impl Manifest {
    pub(super) fn new(made_at: String, audit_line: i64, root_keys: Vec<String>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, made_at, audit_line, root_keys, files: BTreeMap::new() }
    }

    /// Reads the manifest of a folder, and holds every file against it.
    pub(super) fn check(folder: &Path) -> Result<Self, BackupError> {
        let not_one = |fault: String| BackupError::NotABackup { folder: folder.to_owned(), fault };
        let text = std::fs::read(folder.join(MANIFEST)).map_err(|error| not_one(format!("{MANIFEST}: {error}")))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| not_one(format!("{MANIFEST}: {error}")))?;
        if manifest.format != FORMAT {
            return Err(not_one(format!("it has the format {}, which this version does not know", manifest.format)));
        }
        if !manifest.files.contains_key(DATABASE) {
            return Err(not_one(format!("{DATABASE} is not in it")));
        }
        for (name, hash) in &manifest.files {
            if ![DATABASE, HEADS, CONFIG, KEY, OLD_KEY].contains(&name.as_str()) {
                return Err(not_one(format!("{name:?} does not belong in a backup")));
            }
            let file = folder.join(name);
            if at(&file, hash_of(&file))? != *hash {
                return Err(BackupError::Changed(file));
            }
        }
        Ok(manifest)
    }
}
