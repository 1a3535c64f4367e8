//! Implements `bedside backup`. The server may be running.

use std::fmt;
use std::path::{Path, PathBuf};

use bedside_store::{SqliteStore, Store};
use bedside_visit::Clock;

use super::files::{beside, copy_new, hash_of, make_folder, sync, write_new};
use super::manifest::{CONFIG, DATABASE, HEADS, KEY, MANIFEST, Manifest, OLD_KEY};
use super::{BackupError, at};
use crate::audit::verify_audit;
use crate::config::Config;
use crate::keys::Keys;
use crate::text::rfc3339_exact;

/// Summary of a backup, to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    folder: PathBuf,
    audit_line: i64,
    /// Why the audit log does not verify. The running database then has the same fault as the copy.
    audit_fault: Option<String>,
    root_keys: Vec<String>,
    with_keys: bool,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backup created and verified: {}", self.folder.display())?;
        match &self.audit_fault {
            None => write!(f, "\naudit log verified up to line {}", self.audit_line)?,
            Some(fault) => write!(f, "\nWARNING: the audit log does not verify: {fault}")?,
        }
        if self.with_keys {
            write!(f, "\nthe key files are included: anyone with this folder can read the clinic's records")
        } else {
            let keys = self.root_keys.join(", ");
            write!(f, "\nthe key files are not included: keep a copy of database.key elsewhere (root key {keys})")
        }
    }
}

/// Creates a backup in a new folder: a consistent snapshot of the database, the heads of its audit log, the
/// configuration file (if given), and the keys if requested. The folder gets its final name only after its contents
/// were read back and verified, so a folder of that name is complete.
///
/// # Errors
/// [`BackupError`].
pub async fn back_up(
    store: &dyn Store,
    clock: &dyn Clock,
    (config, config_file): (&Config, Option<&Path>),
    folder: &Path,
    with_keys: bool,
) -> Result<Made, BackupError> {
    if folder.exists() {
        return Err(BackupError::Exists(folder.to_owned()));
    }
    let partial = beside(folder, &format!(".partial-{}", std::process::id()));
    at(&partial, make_folder(&partial))?;
    let made = fill(store, clock, (config, config_file), &partial, with_keys).await;
    let made = made.and_then(|made| {
        at(&partial, sync(&partial))?;
        at(folder, std::fs::rename(&partial, folder))?;
        let parent = folder.parent().filter(|parent| *parent != Path::new("")).unwrap_or_else(|| Path::new("."));
        at(parent, sync(parent))?;
        Ok(Made { folder: folder.to_owned(), ..made })
    });
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    made
}

async fn fill(
    store: &dyn Store,
    clock: &dyn Clock,
    (config, config_file): (&Config, Option<&Path>),
    folder: &Path,
    with_keys: bool,
) -> Result<Made, BackupError> {
    let made_at = rfc3339_exact(clock.now());
    let mut files = Vec::new();
    // Copies the heads before the database, so that no head refers to an entry missing from the snapshot.
    let heads = config.database.audit_heads();
    if heads.exists() {
        files.push((HEADS, at(&heads, copy_new(&heads, &folder.join(HEADS)))?));
    }
    let database = folder.join(DATABASE);
    store.back_up(&database).await?;
    let (audit_line, root_keys, audit_fault) = check(&database, &folder.join(HEADS), config).await?;
    at(&database, sync(&database))?;
    files.push((DATABASE, at(&database, hash_of(&database))?));
    if let Some(file) = config_file {
        files.push((CONFIG, at(file, copy_new(file, &folder.join(CONFIG)))?));
    }
    if with_keys {
        let key = config.database.key();
        files.push((KEY, at(&key, copy_new(&key, &folder.join(KEY)))?));
        if let Some(old) = &config.database.old_key {
            files.push((OLD_KEY, at(old, copy_new(old, &folder.join(OLD_KEY)))?));
        }
    }
    let mut manifest = Manifest::new(made_at, audit_line, root_keys.clone());
    manifest.files = files.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect();
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| BackupError::File { path: folder.join(MANIFEST), source: error.into() })?;
    at(folder.join(MANIFEST), write_new(&folder.join(MANIFEST), &text))?;
    Ok(Made { folder: folder.to_owned(), audit_line, audit_fault, root_keys, with_keys })
}

/// Opens the copy with the keys and verifies all of it.
async fn check(
    database: &Path,
    heads: &Path,
    config: &Config,
) -> Result<(i64, Vec<String>, Option<String>), BackupError> {
    let keys = Keys::read(&config.database)?;
    let copy = SqliteStore::open(database).await.map_err(BackupError::Copy)?;
    let copy = copy.with_keys(keys.keyring()?).await.map_err(BackupError::Copy)?;
    copy.check_contents().await.map_err(BackupError::Copy)?;
    let line = copy.get_audit_end().await.map_err(BackupError::Copy)?.map_or(0, |(line, _)| line);
    let roots = copy.list_roots().await.map_err(BackupError::Copy)?;
    let heads = std::fs::read(heads).unwrap_or_default();
    let fault = verify_audit(&copy, &String::from_utf8_lossy(&heads), &keys).await.err();
    copy.close().await;
    Ok((line, roots.iter().map(ToString::to_string).collect(), fault.map(|fault| fault.to_string())))
}
