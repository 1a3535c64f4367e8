//! Writes signed heads of the audit log to a file, with which changes to the database can be detected.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use bedside_store::{Store, StoreError};
use bedside_visit::{Clock, Timestamp};
use tokio::time::{Instant, timeout};

use super::Head;
use crate::app::blocking::{BlockingError, BlockingThread};
use crate::app::tasks::Beat;

/// Interval between heads. Truncation within one interval cannot be detected.
const EVERY: Duration = Duration::from_secs(60);
/// Time limit for writing one head: the file may be on a network mount.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Signs and writes heads periodically.
pub(crate) struct HeadKeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    signer: Ed25519KeyPair,
    file: PathBuf,
    blocking: BlockingThread,
    /// Sequence number that the last head was written for.
    last: tokio::sync::Mutex<i64>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    kept_at: Option<Timestamp>,
    failing_since: Option<Instant>,
    fault: Option<String>,
    missing: Option<i64>,
}

/// Status of the audit log heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadState {
    /// When the head file was last up to date.
    pub(crate) kept_at: Option<Timestamp>,
    /// For how long writing heads has failed, if it does.
    pub(crate) failing_for: Option<Duration>,
    pub(crate) fault: Option<String>,
    /// Number of signed entries missing from the database, which is then an older copy.
    pub(crate) missing: Option<i64>,
}

/// Reason that a head could not be written.
#[derive(Debug, thiserror::Error)]
enum HeadError {
    #[error("the audit log cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("the audit log cannot be read: the database does not respond")]
    SlowStore,
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("{0}: {1}")]
    Hangs(PathBuf, BlockingError),
}

impl HeadKeeper {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, signer: Ed25519KeyPair, file: PathBuf) -> Self {
        let blocking = BlockingThread::new("bedside-heads", TIME_LIMIT);
        Self { store, clock, signer, file, blocking, last: tokio::sync::Mutex::new(0), state: Mutex::default() }
    }

    /// Runs until the future is dropped.
    pub(crate) async fn run(self: Arc<Self>, beat: Beat) {
        let mut every = tokio::time::interval(EVERY);
        self.compare().await;
        loop {
            every.tick().await;
            beat.beat();
            self.keep().await;
        }
    }

    /// Writes a head if the log has new entries. A failure is logged and retried at the next interval.
    pub(crate) async fn keep(&self) {
        let kept = self.write().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Ok(()) => {
                state.kept_at = Some(self.clock.now());
                (state.failing_since, state.fault) = (None, None);
            }
            Err(error) => {
                let since = *state.failing_since.get_or_insert_with(Instant::now);
                state.fault = Some(error.to_string());
                tracing::error!(%error, failing_seconds = since.elapsed().as_secs(), "audit log head not written");
            }
        }
    }

    pub(crate) fn state(&self) -> HeadState {
        let State { kept_at, failing_since, fault, missing } =
            self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        HeadState { kept_at, failing_for: failing_since.map(|since| since.elapsed()), fault, missing }
    }

    /// Compares the database with the signed heads, to detect an older copy of the database.
    async fn compare(&self) {
        let file = self.file.clone();
        let Ok(Ok(Some(signed))) = self.blocking.run(move || last_sequence(&file)).await else { return };
        let Ok(Ok(end)) = timeout(TIME_LIMIT, self.store.get_audit_end()).await else { return };
        let last = end.map_or(0, |(sequence, _)| sequence);
        if signed <= last {
            return;
        }
        let missing = signed - last;
        tracing::error!(
            last_line = last,
            last_signed = signed,
            missing,
            "audit log is shorter than its signed heads, the database may be an older copy"
        );
        self.state.lock().unwrap_or_else(PoisonError::into_inner).missing = Some(missing);
    }

    async fn write(&self) -> Result<(), HeadError> {
        let mut last = self.last.lock().await;
        let end = timeout(TIME_LIMIT, self.store.get_audit_end()).await.map_err(|_| HeadError::SlowStore)??;
        let Some((sequence, hash)) = end else { return Ok(()) };
        if sequence == *last {
            return Ok(());
        }
        let head = Head::sign(&self.signer, sequence, hash, self.clock.now());
        let line = serde_json::to_string(&head).map_err(|error| HeadError::File(self.file.clone(), error.into()))?;
        let file = self.file.clone();
        let written = self.blocking.run(move || append_line(&file, &line)).await;
        written
            .map_err(|error| HeadError::Hangs(self.file.clone(), error))?
            .map_err(|error| HeadError::File(self.file.clone(), error))?;
        tracing::info!(head.sequence, head.hash, head.at, head.signature, "audit log head");
        *last = sequence;
        Ok(())
    }
}

/// Appends a line and syncs it to disk. An incomplete line left by a crash is terminated first and otherwise kept.
fn append_line(file: &Path, line: &str) -> io::Result<()> {
    let mut appender = OpenOptions::new().append(true).create(true).open(file)?;
    let torn = appender.metadata()?.len() > 0 && last_byte(file)? != b'\n';
    let line = if torn { format!("\n{line}\n") } else { format!("{line}\n") };
    appender.write_all(line.as_bytes())?;
    appender.sync_data()
}

fn last_byte(file: &Path) -> io::Result<u8> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Returns the highest sequence number of the heads in the file, or `None` if there is no head. Does not verify
/// signatures.
fn last_sequence(file: &Path) -> io::Result<Option<i64>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(|line| serde_json::from_str::<Head>(line).ok()).map(|head| head.sequence).max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_that_a_crash_left_is_ended_before_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("heads");
        append_line(&file, "one").expect("written");
        append_line(&file, "two").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "one\ntwo\n");
        std::fs::write(&file, "one\n{\"seq").expect("written");
        append_line(&file, "three").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "one\n{\"seq\nthree\n");
    }
}
