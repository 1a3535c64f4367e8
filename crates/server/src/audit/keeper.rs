//! Writes heads of the audit log to a file, so that what happens to the database shows there.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use bedside_store::{Store, StoreError};
use bedside_visit::Clock;

use super::Head;

/// As much as can be cut off without a head that tells.
const EVERY: Duration = Duration::from_secs(60);

/// Signs heads, one after the other.
pub(crate) struct HeadKeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    signer: Ed25519KeyPair,
    file: PathBuf,
    /// The last line that a head was written for.
    last: i64,
}

/// Why there is no new head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the audit log cannot be read")]
    Store(#[from] StoreError),
    #[error("the heads of the audit log cannot be written")]
    File(#[from] io::Error),
}

impl HeadKeeper {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, signer: Ed25519KeyPair, file: PathBuf) -> Self {
        Self { store, clock, signer, file, last: 0 }
    }

    /// Keeps on until it is dropped.
    pub(crate) async fn run(&mut self) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            self.keep().await;
        }
    }

    /// Writes a head, if there is anything new. What fails is said and tried again with the next.
    pub(crate) async fn keep(&mut self) {
        if let Err(error) = self.write().await {
            tracing::error!(%error, cause = ?std::error::Error::source(&error), "no head of the audit log was kept");
        }
    }

    async fn write(&mut self) -> Result<(), HeadError> {
        let Some((sequence, hash)) = self.store.get_audit_end().await? else { return Ok(()) };
        if sequence == self.last {
            return Ok(());
        }
        let head = Head::sign(&self.signer, sequence, hash, self.clock.now());
        let line = serde_json::to_string(&head).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().append(true).create(true).open(&self.file)?;
        writeln!(file, "{line}")?;
        file.sync_data()?;
        tracing::info!(head.sequence, head.hash, head.at, head.signature, "the head of the audit log");
        self.last = sequence;
        Ok(())
    }
}
