//! Implements `bedside restore`: replaces the database with a backup, atomically.
//!
//! The copy is prepared beside the database. Then a marker file is written. From then on the restore is completed by
//! this process or by the next one that opens the database. The old database is moved aside together with its
//! write-ahead log, so that a log is never applied to another database file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bedside_store::{SqliteStore, Store};
use bedside_visit::Clock;

use super::files::{beside, copy_new, remove, rename, sync, write_new};
use super::manifest::{DATABASE, HEADS, KEY, Manifest, OLD_KEY};
use super::{BackupError, at};
use crate::app::claim::Claim;
use crate::audit::{last_signed, verify_audit};
use crate::config::Config;
use crate::keys::Keys;
use crate::text::rfc3339_exact;

/// Suffix of the prepared copy.
const READY: &str = ".restoring";
/// Suffix of the marker file, which states that the prepared copy replaces the database. It contains the path to which
/// the old database is moved.
const MARKER: &str = ".restore";
/// Suffixes of SQLite's write-ahead log and shared-memory file.
const LOG: &str = "-wal";
const LOG_INDEX: &str = "-shm";

/// Summary of a restore, to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    made_at: String,
    /// Last sequence number of the audit log in the backup.
    audit_line: i64,
    /// Number of later entries that are known to have existed.
    missing: i64,
    sessions: u64,
    before: Option<PathBuf>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made_at, audit_line, missing, sessions, before } = self;
        write!(f, "restored the backup of {made_at}; audit log verified up to line {audit_line}")?;
        match missing {
            0 => write!(f, "\nno later audit log lines are known")?,
            more => write!(f, "\n{more} later audit log lines are known: the changes that they recorded are lost")?,
        }
        write!(f, "\n{sessions} sessions were ended: users must sign in or open their links again")?;
        if let Some(before) = before {
            write!(f, "\nthe previous database is kept: {}", before.display())?;
        }
        Ok(())
    }
}

/// Replaces the configured database with a backup. No server may be using the database.
///
/// # Errors
/// [`BackupError`]. The database is then unchanged.
pub async fn restore(config: &Config, clock: &dyn Clock, folder: &Path) -> Result<Restored, BackupError> {
    let database = std::path::absolute(&config.database.path);
    let database = at(&config.database.path, database)?;
    if let Some(folder) = database.parent() {
        at(folder, std::fs::create_dir_all(folder))?;
    }
    let _claim = Claim::take(&database, &format!("process {}, restoring a backup", std::process::id()))?;
    finish(&database)?;
    let manifest = Manifest::check(folder)?;
    put_keys(config, folder, &manifest)?;
    let keys = Keys::read(&config.database)?;
    let ready = beside(&database, READY);
    clear(&ready)?;
    at(&ready, copy_new(&folder.join(DATABASE), &ready))?;
    let prepared = prepare(config, clock, (&ready, folder), &keys).await;
    let (audit_line, missing, sessions) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            clear(&ready)?;
            return Err(error);
        }
    };
    let heads = config.database.audit_heads();
    if manifest.files.contains_key(HEADS) && !heads.exists() {
        at(&heads, copy_new(&folder.join(HEADS), &heads))?;
    }
    let before = database.exists().then(|| {
        let at: String = rfc3339_exact(clock.now()).chars().filter(char::is_ascii_alphanumeric).collect();
        beside(&database, &format!(".before-{at}"))
    });
    commit(&database, before.as_deref())?;
    finish(&database)?;
    Ok(Restored { made_at: manifest.made_at, audit_line, missing, sessions, before })
}

/// Completes a restore that was interrupted after its marker was written. Requires a claim on the database.
pub(crate) fn finish_interrupted(database: &Path, _claim: &Claim) -> Result<(), BackupError> {
    let database = at(database, std::path::absolute(database))?;
    finish(&database)
}

/// Returns whether a restore was interrupted.
pub(crate) fn is_interrupted(database: &Path) -> bool {
    beside(database, MARKER).exists()
}

/// Copies the keys of the backup that are missing on this machine.
fn put_keys(config: &Config, folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let places = [(KEY, Some(config.database.key())), (OLD_KEY, config.database.old_key.clone())];
    for (name, place) in places {
        if let Some(place) = place.filter(|place| manifest.files.contains_key(name) && !place.exists()) {
            at(&place, copy_new(&folder.join(name), &place))?;
        }
    }
    Ok(())
}

/// Opens and verifies the copy, ends what must not be restored (such as sessions), and records the restore in the audit
/// log.
async fn prepare(
    config: &Config,
    clock: &dyn Clock,
    (ready, folder): (&Path, &Path),
    keys: &Keys,
) -> Result<(i64, i64, u64), BackupError> {
    let store = SqliteStore::open(ready).await.map_err(BackupError::Copy)?;
    let store = store.with_keys(keys.keyring()?).await.map_err(BackupError::Copy)?;
    store.check_contents().await.map_err(BackupError::Copy)?;
    store.migrate().await.map_err(BackupError::Copy)?;
    let heads = std::fs::read(folder.join(HEADS)).unwrap_or_default();
    let verified = verify_audit(&store, &String::from_utf8_lossy(&heads), keys).await.map_err(BackupError::Audit)?;
    let heads = config.database.audit_heads();
    let heads = match std::fs::read(&heads) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => at(&heads, read)?,
    };
    let signed = last_signed(&store, &String::from_utf8_lossy(&heads), keys).await.map_err(BackupError::Audit)?;
    let known = signed.max(last_line(&config.database.path).await);
    let mut transaction = store.begin().await?;
    let sessions = transaction.delete_all_sessions().await?;
    transaction.append_restored(clock.now(), known).await?;
    transaction.commit().await?;
    store.close().await;
    at(ready, sync(ready))?;
    Ok((verified.lines, (known - verified.lines).max(0), sessions))
}

/// Returns the last sequence number of the current database's audit log, or 0 if it cannot be read.
async fn last_line(database: &Path) -> i64 {
    if !database.exists() {
        return 0;
    }
    let Ok(store) = SqliteStore::open(database).await else { return 0 };
    let end = store.get_audit_end().await.ok().flatten();
    store.close().await;
    end.map_or(0, |(line, _)| line)
}

/// Removes files that an earlier incomplete restore prepared.
fn clear(ready: &Path) -> Result<(), BackupError> {
    for file in [ready.to_owned(), beside(ready, LOG), beside(ready, LOG_INDEX)] {
        at(&file, remove(&file))?;
    }
    Ok(())
}

/// Writes the marker. From here on the restore is always completed.
fn commit(database: &Path, before: Option<&Path>) -> Result<(), BackupError> {
    let (marker, unsure) = (beside(database, MARKER), beside(database, ".restore-new"));
    let before = before.map(|before| before.display().to_string()).unwrap_or_default();
    at(&unsure, remove(&unsure))?;
    at(&unsure, write_new(&unsure, before.as_bytes()))?;
    at(&marker, std::fs::rename(&unsure, &marker))?;
    sync_folder(database)
}

/// Moves the files into place. Every step can be resumed after an interruption.
fn finish(database: &Path) -> Result<(), BackupError> {
    let (marker, ready) = (beside(database, MARKER), beside(database, READY));
    if !marker.exists() {
        return Ok(());
    }
    let before = PathBuf::from(at(&marker, std::fs::read_to_string(&marker))?);
    if ready.exists() {
        if before.as_os_str().is_empty() {
            at(database, remove(&beside(database, LOG)))?;
        } else {
            // Moves the log first: the old database without its log is merely outdated, but the log alone could be
            // applied to the new database.
            at(database, rename(&beside(database, LOG), &beside(&before, LOG)))?;
            at(database, rename(database, &before))?;
        }
        at(database, remove(&beside(database, LOG_INDEX)))?;
        at(&ready, std::fs::rename(&ready, database))?;
        sync_folder(database)?;
    }
    at(&marker, remove(&marker))?;
    sync_folder(database)
}

fn sync_folder(database: &Path) -> Result<(), BackupError> {
    let folder = database.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."));
    at(folder, sync(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a power failure at any step, the next start opens either the old database with its log or the new one
    /// without.
    #[test]
    fn an_interrupted_restore_is_finished_and_never_mixes_two_databases() {
        let steps = ["nothing", "log moved", "database moved", "index removed", "in place"];
        for (number, step) in steps.iter().enumerate() {
            let folder = tempfile::tempdir().expect("a folder");
            let database = folder.path().join("bedside.db");
            let before = folder.path().join("bedside.db.before-1");
            let write = |file: &Path, text: &str| std::fs::write(file, text).expect("written");
            write(&database, "old");
            write(&beside(&database, LOG), "old log");
            write(&beside(&database, LOG_INDEX), "old index");
            write(&beside(&database, READY), "new");
            commit(&database, Some(&before)).expect("marked");
            if number > 0 {
                std::fs::rename(beside(&database, LOG), beside(&before, LOG)).expect("moved");
            }
            if number > 1 {
                std::fs::rename(&database, &before).expect("moved");
            }
            if number > 2 {
                std::fs::remove_file(beside(&database, LOG_INDEX)).expect("removed");
            }
            if number > 3 {
                std::fs::rename(beside(&database, READY), &database).expect("moved");
            }
            assert!(is_interrupted(&database), "{step}");
            finish(&database).expect("finished");
            let read = |file: &Path| std::fs::read_to_string(file).ok();
            assert_eq!(read(&database).as_deref(), Some("new"), "{step}");
            assert_eq!(read(&before).as_deref(), Some("old"), "{step}");
            assert_eq!(read(&beside(&before, LOG)).as_deref(), Some("old log"), "{step}");
            for gone in [LOG, LOG_INDEX, READY, MARKER] {
                assert!(!beside(&database, gone).exists(), "{step}: {gone}");
            }
            finish(&database).expect("nothing is left to do");
            assert_eq!(read(&database).as_deref(), Some("new"));
        }
    }
}
