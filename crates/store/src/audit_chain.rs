//! The chain that the lines of the audit log hang on: each has the hash of itself and of all before it, so
//! that nothing can be changed, taken out, put in or moved without all that follows showing it.
//!
//! What is cut off at the end shows only to who has seen a later head.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::AuditRow;

/// What the hash is of, so that it can be nothing else's.
const DOMAIN: &[u8] = b"bedside audit line 1";

/// What stands before a field in the hash.
const ABSENT: [u8; 1] = [0];
const PRESENT: [u8; 1] = [1];
/// Before the fields which lines of earlier versions have not: where there is none, nothing stands in the hash.
const SUBJECT: [u8; 1] = [2];
const CLIENT: [u8; 1] = [3];
const ON_BEHALF_OF: [u8; 1] = [4];
const LINK_MADE_BY: [u8; 1] = [5];

/// The SHA-256 of a line of the audit log and, through the line before it, of all up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash([u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NoHash;

impl AuditHash {
    /// Before the first line.
    pub const NONE: Self = Self([0; 32]);

    /// Wraps a SHA-256.
    #[must_use]
    pub const fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the line that follows. Every field goes in with its length, so that no two lines read alike; and of
    /// the first ones each says whether it is there, so that what comes after them is none of them.
    #[must_use]
    pub fn then(self, line: &AuditRow) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.0);
        hasher.update(line.sequence.to_be_bytes());
        hasher.update(line.at.as_millis().to_be_bytes());
        let id = |id: Option<&dyn fmt::Display>| id.map(ToString::to_string);
        for field in [
            id(line.actor.as_ref().map(|id| id as _)),
            Some(line.action.clone()),
            id(line.appointment.as_ref().map(|id| id as _)),
            id(line.visit.as_ref().map(|id| id as _)),
            line.detail.clone(),
        ] {
            match field {
                Some(text) => add(&mut hasher, PRESENT, &text),
                None => hasher.update(ABSENT),
            }
        }
        for (mark, field) in [
            (SUBJECT, id(line.subject.as_ref().map(|id| id as _))),
            (CLIENT, id(line.client.as_ref().map(|id| id as _))),
            (ON_BEHALF_OF, id(line.on_behalf_of.as_ref().map(|id| id as _))),
            (LINK_MADE_BY, id(line.link_made_by.as_ref().map(|id| id as _))),
        ] {
            if let Some(text) = field {
                add(&mut hasher, mark, &text);
            }
        }
        Self(hasher.finalize().into())
    }
}

fn add(hasher: &mut Sha256, mark: [u8; 1], text: &str) {
    hasher.update(mark);
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for AuditHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoHash);
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(NoHash)?;
        }
        Ok(Self(hash))
    }
}

/// Where the audit log is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A line is not there: another one stands where it was.
    #[error("line {0} of the audit log is missing")]
    Missing(i64),
    /// A line, or one before it that has no hash of its own, is not what was written.
    #[error("line {0} of the audit log is not what was written")]
    Altered(i64),
    /// A line without a hash after lines that have one.
    #[error("line {0} of the audit log was not written by this program")]
    Unsealed(i64),
}

/// Follows the chain, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    sequence: i64,
    hash: AuditHash,
    sealed: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { sequence: 0, hash: AuditHash::NONE, sealed: false }
    }
}

impl Chain {
    /// The last line taken; 0: none.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// The hash of all lines taken.
    #[must_use]
    pub const fn hash(&self) -> AuditHash {
        self.hash
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// [`ChainFault`] if it cannot be the next.
    pub fn take(&mut self, line: &AuditRow) -> Result<(), ChainFault> {
        let wanted = self.sequence + 1;
        if line.sequence != wanted {
            return Err(ChainFault::Missing(wanted));
        }
        let hash = self.hash.then(line);
        match line.hash {
            Some(written) if written != hash => return Err(ChainFault::Altered(wanted)),
            Some(_) => self.sealed = true,
            None if self.sealed => return Err(ChainFault::Unsealed(wanted)),
            None => {}
        }
        (self.sequence, self.hash) = (wanted, hash);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bedside_visit::{Timestamp, UserId};
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId::new(Uuid::from_u128(1));
    const GRACE: UserId = UserId::new(Uuid::from_u128(2));

    fn line(sequence: i64, detail: Option<&str>) -> AuditRow {
        AuditRow {
            sequence,
            at: Timestamp::from_millis(1_790_000_000_000 + sequence),
            actor: None,
            client: None,
            on_behalf_of: None,
            link_made_by: None,
            action: "visit.entered".to_owned(),
            subject: None,
            appointment: None,
            visit: None,
            detail: detail.map(str::to_owned),
            hash: None,
        }
    }

    /// Five lines; the first two from before there was a chain.
    fn log() -> Vec<AuditRow> {
        let mut hash = AuditHash::NONE;
        let mut lines: Vec<_> = (1..=5).map(|sequence| line(sequence, Some("patient"))).collect();
        for line in &mut lines {
            hash = hash.then(line);
            line.hash = (line.sequence > 2).then_some(hash);
        }
        lines
    }

    fn check(lines: &[AuditRow]) -> Result<Chain, ChainFault> {
        let mut chain = Chain::default();
        lines.iter().try_for_each(|line| chain.take(line)).map(|()| chain)
    }

    #[test]
    fn what_was_written_holds() {
        let chain = check(&log()).expect("nothing was touched");
        assert_eq!((chain.sequence(), Some(chain.hash())), (5, log()[4].hash));
    }

    #[test]
    fn the_first_bad_line_is_named() {
        for at in 0..5 {
            let sequence = i64::try_from(at).expect("small") + 1;
            let first_sealed = sequence.max(3);
            let mut lines = log();
            lines[at].detail = None;
            assert_eq!(check(&lines), Err(ChainFault::Altered(first_sealed)), "changed {sequence}");

            let mut lines = log();
            lines.remove(at);
            let missing = if at == 4 { Ok(()) } else { Err(ChainFault::Missing(sequence)) };
            assert_eq!(check(&lines).map(|_| ()), missing, "taken out {sequence}");

            let mut lines = log();
            lines[at].hash = None;
            let bad = if sequence > 3 { Err(ChainFault::Unsealed(sequence)) } else { Ok(()) };
            assert_eq!(check(&lines).map(|_| ()), bad, "without its hash {sequence}");
        }
        let mut lines = log();
        lines.swap(3, 4);
        assert_eq!(check(&lines), Err(ChainFault::Missing(4)));
        lines[3].sequence = 4;
        lines[4].sequence = 5;
        assert_eq!(check(&lines), Err(ChainFault::Altered(4)), "moved and numbered anew");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let with = |action: &str, detail: Option<&str>| {
            AuditHash::NONE.then(&AuditRow { action: action.to_owned(), ..line(1, detail) })
        };
        assert_ne!(with("a", Some("bc")), with("ab", Some("c")));
        assert_ne!(with("a", None), with("a", Some("")));

        let about = |subject, detail: Option<&str>| AuditHash::NONE.then(&AuditRow { subject, ..line(1, detail) });
        // As the subject goes into the hash.
        let as_hashed = format!("\u{2}\0\0\0\0\0\0\0\u{24}{ADA}");
        let hashes = [
            about(None, None),
            about(Some(ADA), None),
            about(Some(GRACE), None),
            about(None, Some(&ADA.to_string())),
            about(Some(ADA), Some(&ADA.to_string())),
            about(None, Some(&as_hashed)),
            AuditHash::NONE.then(&AuditRow { actor: Some(ADA), ..line(1, None) }),
            AuditHash::NONE.then(&AuditRow { client: Some(ADA.uuid()), ..line(1, None) }),
            AuditHash::NONE.then(&AuditRow { on_behalf_of: Some(ADA), ..line(1, None) }),
            AuditHash::NONE.then(&AuditRow { link_made_by: Some(ADA), ..line(1, None) }),
            AuditHash::NONE.then(&AuditRow { on_behalf_of: Some(ADA), subject: Some(ADA), ..line(1, None) }),
        ];
        let different: HashSet<AuditHash> = hashes.into_iter().collect();
        assert_eq!(different.len(), hashes.len());
    }

    #[test]
    fn a_subject_cannot_be_changed_put_in_or_taken_out() {
        let with_subjects = |log: Vec<AuditRow>| -> Vec<AuditRow> {
            let mut hash = AuditHash::NONE;
            let about = |line: AuditRow| AuditRow { subject: (line.sequence > 3).then_some(ADA), ..line };
            let chained = |mut line: AuditRow| {
                hash = hash.then(&line);
                line.hash = line.hash.and(Some(hash));
                line
            };
            log.into_iter().map(about).map(chained).collect()
        };
        // Two lines without a hash, one without a subject, two with one.
        let lines = with_subjects(log());
        assert_eq!(lines[..3], log()[..3], "what was written before is as it was");
        check(&lines).expect("nothing was touched");
        for (at, subject) in [(0, Some(ADA)), (2, Some(ADA)), (3, None), (3, Some(GRACE)), (4, None), (4, Some(GRACE))]
        {
            let mut altered = lines.clone();
            altered[at].subject = subject;
            let first_sealed = altered[at].sequence.max(3);
            assert_eq!(check(&altered), Err(ChainFault::Altered(first_sealed)), "{at} {subject:?}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = AuditHash::NONE.then(&line(1, None));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for wrong in ["", "00", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<AuditHash>(), Err(NoHash), "{wrong}");
        }
    }
}
