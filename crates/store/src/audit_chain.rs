//! The hash chain of the audit log. Each row contains a hash over itself and all earlier rows, so that a change,
//! removal, insertion or reordering invalidates all later hashes.
//!
//! Truncation at the end is only detected by comparing with a head that was saved earlier.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{AuditHash, AuditRow};

/// Domain separation for the hash.
const DOMAIN: &[u8] = b"bedside audit line 1";

/// Prefix of an optional field in the hash.
const ABSENT: [u8; 1] = [0];
const PRESENT: [u8; 1] = [1];
/// Prefixes of fields that earlier versions did not write. An absent field contributes nothing to the hash, so that old
/// rows keep their hashes.
const SUBJECT: [u8; 1] = [2];
const CLIENT: [u8; 1] = [3];
const ON_BEHALF_OF: [u8; 1] = [4];
const LINK_MADE_BY: [u8; 1] = [5];

impl AuditHash {
    /// Returns the hash of the next row. Every field is hashed with its length, so that no two rows hash the same
    /// input. Each optional field has a presence byte, so that it cannot be confused with a later field.
    #[must_use]
    pub fn then(self, line: &AuditRow) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.as_bytes());
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
        Self::new(hasher.finalize().into())
    }
}

fn add(hasher: &mut Sha256, mark: [u8; 1], text: &str) {
    hasher.update(mark);
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text);
}

/// Where the audit log differs from what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A row is missing: another one is in its place.
    #[error("line {0} of the audit log is missing")]
    Missing(i64),
    /// A row, or an earlier row without its own hash, was changed.
    #[error("line {0} of the audit log was altered")]
    Altered(i64),
    /// A row without a hash follows rows that have one.
    #[error("line {0} of the audit log was not written by Bedside")]
    Unsealed(i64),
}

/// Verifies the chain row by row.
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
    /// Returns the sequence number of the last row taken; 0 if none.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Returns the hash over all rows taken.
    #[must_use]
    pub const fn hash(&self) -> AuditHash {
        self.hash
    }

    /// Verifies the next row.
    ///
    /// # Errors
    /// [`ChainFault`] if the row cannot follow the previous one.
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
    use crate::NoHash;

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

    /// Five rows. The first two were written before the hash chain was introduced.
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
        let chain = check(&log()).expect("an unmodified log");
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
            assert_eq!(check(&lines).map(|_| ()), missing, "row {sequence} removed");

            let mut lines = log();
            lines[at].hash = None;
            let bad = if sequence > 3 { Err(ChainFault::Unsealed(sequence)) } else { Ok(()) };
            assert_eq!(check(&lines).map(|_| ()), bad, "row {sequence} without its hash");
        }
        let mut lines = log();
        lines.swap(3, 4);
        assert_eq!(check(&lines), Err(ChainFault::Missing(4)));
        lines[3].sequence = 4;
        lines[4].sequence = 5;
        assert_eq!(check(&lines), Err(ChainFault::Altered(4)), "reordered and renumbered");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let with = |action: &str, detail: Option<&str>| {
            AuditHash::NONE.then(&AuditRow { action: action.to_owned(), ..line(1, detail) })
        };
        assert_ne!(with("a", Some("bc")), with("ab", Some("c")));
        assert_ne!(with("a", None), with("a", Some("")));

        let about = |subject, detail: Option<&str>| AuditHash::NONE.then(&AuditRow { subject, ..line(1, detail) });
        // The encoding of a subject in the hash.
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
        // Two rows without a hash, one without a subject, two with both.
        let lines = with_subjects(log());
        assert_eq!(lines[..3], log()[..3], "the hashes of old rows are unchanged");
        check(&lines).expect("an unmodified log");
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
