//! Verifies the audit log.

use std::collections::BTreeMap;
use std::fmt;

use bedside_store::{AuditRow, Chain, ChainFault, Store, StoreError};

use super::Head;
use super::signers::Signers;
use crate::keys::{KeyError, Keys};

/// Number of entries read at a time.
const BATCH: u32 = 1_000;

/// Result of a successful verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Sequence number of the last entry.
    pub lines: i64,
    /// Number of entries confirmed by a signed head.
    pub heads: usize,
    /// Number of incomplete lines in the head file, cut off by a crash or a full disk.
    pub torn: usize,
    /// Entries that record a restore from a backup, each with the last sequence number lost by it.
    pub restores: Vec<(i64, i64)>,
    /// Number of signed entries that a restore removed or replaced.
    pub superseded: usize,
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines verified; {} signed heads match", self.lines, self.heads)?;
        if self.torn > 0 {
            write!(f, "\n{} lines of the head file are incomplete, cut off by a crash or a full disk", self.torn)?;
        }
        for (line, through) in &self.restores {
            match through - line {
                ..0 => write!(f, "\nline {line}: the database was restored from a backup")?,
                more => write!(
                    f,
                    "\nline {line}: the database was restored from a backup; {} lines written after it are missing",
                    more + 1
                )?,
            }
        }
        if self.superseded > 0 {
            write!(f, "\n{} signed heads are of lines that a restore removed", self.superseded)?;
        }
        Ok(())
    }
}

/// Fault found in an audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// An entry does not match the hash chain.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// An entry cannot be parsed.
    #[error("line {0} of the audit log cannot be read")]
    Unreadable(i64),
    /// An entry has another hash than its signed head.
    #[error("line {0} of the audit log, or an earlier line, differs from what was signed")]
    NotAsSigned(i64),
    /// A signed head refers to entries beyond the end of the log.
    #[error("the audit log ends at line {last}, but {signed} lines were signed")]
    CutOff {
        /// Last entry in the database.
        last: i64,
        /// Last entry that was signed.
        signed: i64,
    },
    /// A line of the head file is not a head, or is not signed by the current key or by a retired key before its
    /// retirement.
    #[error("line {0} of the head file is not signed with the current key or an earlier one")]
    FalseHead(usize),
    /// No key to verify the heads with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Verifies the hash chain of the whole audit log and compares it with signed heads, one JSON object per line.
///
/// # Errors
/// The first [`AuditFault`].
pub async fn verify_audit(store: &dyn Store, heads: &str, keys: &Keys) -> Result<AuditReport, AuditFault> {
    let retired = store.list_retired_roots().await.map_err(AuditFault::Store)?;
    let Heads { known: heads, torn } = read(heads, &Signers::new(keys, &retired)?)?;
    let mut chain = Chain::default();
    let mut report = AuditReport { lines: 0, heads: 0, torn, restores: vec![], superseded: 0 };
    // Mismatching heads by sequence number. A later restore entry may explain them.
    let mut unexplained = BTreeMap::new();
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
            if let Some(through) = line.restored_over() {
                report.restores.push((line.sequence, through));
            }
            let (sequence, hash) = (chain.sequence(), chain.hash().to_string());
            let of_line = heads.get(&sequence).map(Vec::as_slice).unwrap_or_default();
            report.heads += usize::from(of_line.iter().any(|head| head.hash == hash));
            if of_line.iter().any(|head| head.hash != hash) {
                unexplained.insert(sequence, AuditFault::NotAsSigned(sequence));
            }
        }
    }
    report.lines = chain.sequence();
    let beyond = heads.range(report.lines + 1..).next_back().map(|(&signed, _)| signed);
    for signed in heads.range(report.lines + 1..).map(|(&signed, _)| signed) {
        let last_signed = beyond.unwrap_or(signed);
        unexplained.insert(signed, AuditFault::CutOff { last: report.lines, signed: last_signed });
    }
    for (signed, fault) in unexplained {
        let explained = |(line, through): &(i64, i64)| *line <= signed && signed <= *through;
        if !report.restores.iter().any(explained) {
            return Err(fault);
        }
        report.superseded += 1;
    }
    Ok(report)
}

/// Returns the last sequence number confirmed by a validly signed head, or 0 if there is none.
///
/// # Errors
/// [`AuditFault::Store`] or [`AuditFault::Key`].
pub(crate) async fn last_signed(store: &dyn Store, heads: &str, keys: &Keys) -> Result<i64, AuditFault> {
    let retired = store.list_retired_roots().await.map_err(AuditFault::Store)?;
    let signers = Signers::new(keys, &retired)?;
    let known = heads.lines().filter_map(|line| parse(line.trim_matches('\0').trim()).0);
    Ok(known.filter(|head| signers.vouch_for(head)).map(|head| head.sequence).max().unwrap_or(0))
}

/// Verifies entries one at a time until the unparsable one, and returns its fault.
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

/// Content of a head file.
struct Heads {
    /// Heads by sequence number. After a restore, one number can have two.
    known: BTreeMap<i64, Vec<Head>>,
    /// Number of incomplete lines.
    torn: usize,
}

/// Parses a head file, and distinguishes lines cut off by a crash from altered ones.
fn read(heads: &str, signers: &Signers) -> Result<Heads, AuditFault> {
    let mut read = Heads { known: BTreeMap::new(), torn: 0 };
    for (number, line) in heads.lines().enumerate() {
        // After a crash, a file system may leave zero bytes in place of a line.
        let line = line.trim_matches('\0').trim();
        if line.is_empty() {
            continue;
        }
        let (head, torn) = parse(line);
        read.torn += usize::from(torn);
        match head {
            Some(head) if signers.vouch_for(&head) => read.known.entry(head.sequence).or_default().push(head),
            None if torn => {}
            Some(_) | None => return Err(AuditFault::FalseHead(number + 1)),
        }
    }
    Ok(read)
}

/// Returns the head in a line, and whether the line contains an incomplete one. Older versions appended the next head
/// directly after an incomplete one.
fn parse(line: &str) -> (Option<Head>, bool) {
    const BEGINS: &str = "{\"sequence\":";
    match serde_json::from_str::<Head>(line) {
        Ok(head) => (Some(head), false),
        Err(error) if error.is_eof() && BEGINS.starts_with(line.get(..BEGINS.len()).unwrap_or(line)) => (None, true),
        Err(_) => match line.rfind(BEGINS).filter(|at| *at > 0) {
            Some(at) => (serde_json::from_str(&line[at..]).ok(), true),
            None => (None, false),
        },
    }
}

#[cfg(test)]
mod tests {
    use bedside_store::AuditHash;
    use bedside_visit::Timestamp;

    use super::*;
    use crate::keys::RootKey;

    #[test]
    fn what_a_crash_cut_off_is_told_from_what_was_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys { current: RootKey::open(&folder.path().join("key")).expect("a key"), old: None };
        let signers = Signers::new(&keys, &[]).expect("signers");
        let signer = keys.current.audit_signer().expect("a signer");
        let head = |line| {
            let head = Head::sign(&signer, line, AuditHash::NONE, Timestamp::from_millis(1));
            serde_json::to_string(&head).expect("JSON")
        };
        let (one, two, changed) = (head(1), head(2), head(3).replacen('3', "4", 1));
        for cut in 1..one.len() {
            for text in [format!("{}\n{two}\n", &one[..cut]), format!("{two}\n{}", &one[..cut])] {
                let read = read(&text, &signers).unwrap_or_else(|fault| panic!("{text}: {fault}"));
                assert_eq!((read.known.len(), read.torn), (1, 1), "{text}");
            }
        }
        let joined = read(&format!("{}{two}\n", &one[..20]), &signers).expect("both are known");
        assert_eq!((joined.known.len(), joined.torn), (1, 1));
        let zeros = read(&format!("{one}\n\0\0\0\0\n{two}\n"), &signers).expect("zeros are no head");
        assert_eq!((zeros.known.len(), zeros.torn), (2, 0));
        for wrong in [changed, one.replace("hash", "hush"), "not a head".to_owned(), one + "x"] {
            assert!(matches!(read(&format!("{two}\n{wrong}\n"), &signers), Err(AuditFault::FalseHead(2))), "{wrong}");
        }
    }
}
