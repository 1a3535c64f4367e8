//! Whether the audit log is what was written.

use std::collections::BTreeMap;

use bedside_store::{AuditRow, Chain, ChainFault, Store, StoreError};

use super::Head;
use super::signers::Signers;
use crate::keys::{KeyError, Keys};

/// How many lines are read at once.
const BATCH: u32 = 1_000;

/// What a check of an audit log without a fault found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// The last line.
    pub lines: i64,
    /// How many signed heads agree.
    pub heads: usize,
}

/// What is wrong with an audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// A line is not what was written.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// A line cannot be what was written: it does not parse.
    #[error("line {0} of the audit log cannot be read")]
    Unreadable(i64),
    /// A signed head says that a line had another hash.
    #[error("line {0} of the audit log, or one before it, is not what was signed")]
    NotAsSigned(i64),
    /// A signed head knows of more lines.
    #[error("the audit log ends with line {last}, but there were {signed}")]
    CutOff {
        /// The last line that is there.
        last: i64,
        /// The last line that was there.
        signed: i64,
    },
    /// A head that is none, or that neither this key signed nor one before it in its time.
    #[error("line {0} of the heads was not signed with this key, nor with one before it")]
    FalseHead(usize),
    /// There is no key to check heads with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Reads the whole audit log and holds it against itself and against signed heads, one JSON object a line.
///
/// # Errors
/// The first [`AuditFault`].
pub async fn verify_audit(store: &dyn Store, heads: &str, keys: &Keys) -> Result<AuditReport, AuditFault> {
    let retired = store.list_retired_roots().await.map_err(AuditFault::Store)?;
    let heads = read(heads, &Signers::new(keys, &retired)?)?;
    let mut chain = Chain::default();
    let mut agreed = 0;
    loop {
        let lines = match store.list_audit(chain.sequence(), BATCH).await {
            Ok(lines) => lines,
            Err(StoreError::Corrupt { .. }) => one_by_one(store, &mut chain).await?,
            Err(error) => return Err(AuditFault::Store(error)),
        };
        if lines.is_empty() {
            break;
        }
        for line in &lines {
            chain.take(line)?;
            if let Some(hash) = heads.get(&chain.sequence()) {
                if *hash != chain.hash().to_string() {
                    return Err(AuditFault::NotAsSigned(chain.sequence()));
                }
                agreed += 1;
            }
        }
    }
    match heads.last_key_value() {
        Some((&signed, _)) if signed > chain.sequence() => Err(AuditFault::CutOff { last: chain.sequence(), signed }),
        Some(_) | None => Ok(AuditReport { lines: chain.sequence(), heads: agreed }),
    }
}

/// Up to the line that does not parse, which is what comes back.
async fn one_by_one(store: &dyn Store, chain: &mut Chain) -> Result<Vec<AuditRow>, AuditFault> {
    loop {
        match store.list_audit(chain.sequence(), 1).await {
            Ok(lines) => match lines.first() {
                Some(line) => chain.take(line)?,
                None => return Ok(lines),
            },
            Err(StoreError::Corrupt { .. }) => return Err(AuditFault::Unreadable(chain.sequence() + 1)),
            Err(error) => return Err(AuditFault::Store(error)),
        }
    }
}

/// Which line had which hash. What a crash left of a last line does not count.
fn read(heads: &str, signers: &Signers) -> Result<BTreeMap<i64, String>, AuditFault> {
    let mut known = BTreeMap::new();
    let (whole, _) = heads.rsplit_once('\n').unwrap_or_default();
    for (number, line) in whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let head: Option<Head> = serde_json::from_str(line).ok();
        match head.filter(|head| signers.vouch_for(head)) {
            Some(head) => known.insert(head.sequence, head.hash),
            None => return Err(AuditFault::FalseHead(number + 1)),
        };
    }
    Ok(known)
}
