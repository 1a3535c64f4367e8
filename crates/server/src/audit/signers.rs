//! Signing keys accepted for audit log heads: that of the current root key, and those of retired root keys up to their
//! retirement.

use aws_lc_rs::signature::KeyPair as _;
use bedside_store::{RetiredRoot, RootId, SealedSecret};
use bedside_visit::Timestamp;

use super::Head;
use crate::keys::{KeyError, Keys, RootKey, Sealer};

/// Length of an Ed25519 public key, bytes.
const PUBLIC_KEY: usize = 32;

/// Signing key of a retired root key. It is accepted only up to its last entry, so a leaked old key cannot sign newer
/// heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetiredSigner {
    pub(crate) public_key: [u8; PUBLIC_KEY],
    /// Last sequence number that it may sign.
    pub(crate) through: i64,
}

impl RetiredSigner {
    /// Creates the record of a root key that is retired when the audit log ends with entry `through`.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn of(root: &RootKey, through: i64) -> Result<Self, KeyError> {
        let signer = root.audit_signer()?;
        let public_key = signer.public_key().as_ref().try_into().map_err(|_| KeyError::Unmade)?;
        Ok(Self { public_key, through })
    }

    /// Seals the record for the database, so that only a holder of the current root key can create one.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn seal(&self, sealer: &Sealer, root: RootId, at: Timestamp) -> Result<RetiredRoot, KeyError> {
        let kept = [self.public_key.as_slice(), &self.through.to_be_bytes()].concat();
        Ok(RetiredRoot { root, at, sealed: SealedSecret(sealer.seal(&place(root), &kept)?) })
    }

    fn open(sealer: &Sealer, retired: &RetiredRoot) -> Option<Self> {
        let kept = sealer.open(&place(retired.root), &retired.sealed.0)?;
        let (public_key, through) = kept.split_first_chunk::<PUBLIC_KEY>()?;
        Some(Self { public_key: *public_key, through: i64::from_be_bytes(through.try_into().ok()?) })
    }
}

/// Returns the associated data of a sealed record, which binds it to its root key.
pub(crate) fn place(root: RootId) -> String {
    format!("retired_roots sealed {root}")
}

/// All accepted signing keys.
pub(super) struct Signers {
    present: Vec<[u8; PUBLIC_KEY]>,
    retired: Vec<RetiredSigner>,
}

impl Signers {
    pub(super) fn new(keys: &Keys, retired: &[RetiredRoot]) -> Result<Self, KeyError> {
        let sealer = keys.sealer()?;
        let retired: Vec<_> = retired.iter().filter_map(|retired| RetiredSigner::open(&sealer, retired)).collect();
        let current = RetiredSigner::of(&keys.current, i64::MAX)?.public_key;
        // The old key is accepted without a limit until it is retired.
        let old = keys.old.as_ref().map(|old| RetiredSigner::of(old, i64::MAX)).transpose()?;
        let old = old.map(|old| old.public_key).filter(|key| retired.iter().all(|signer| signer.public_key != *key));
        Ok(Self { present: [current].into_iter().chain(old).collect(), retired })
    }

    pub(super) fn vouch_for(&self, head: &Head) -> bool {
        self.present.iter().any(|key| head.is_signed_by(key))
            || self.retired.iter().any(|it| head.sequence <= it.through && head.is_signed_by(&it.public_key))
    }
}

#[cfg(test)]
mod tests {
    use bedside_store::{AuditHash, RootId};

    use super::*;

    #[test]
    fn a_replaced_key_vouches_for_its_time_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &str| RootKey::open(&folder.path().join(name)).expect("a key");
        let at = Timestamp::from_millis(1);
        let head =
            |name: &str, line| Head::sign(&key(name).audit_signer().expect("a signer"), line, AuditHash::NONE, at);
        let alone = Keys { current: key("new"), old: None };
        let both = Keys { current: key("new"), old: Some(key("old")) };
        let root = RootId::new([1; 8]);
        let retired =
            RetiredSigner::of(&key("old"), 5).expect("known").seal(&alone.sealer().expect("a sealer"), root, at);
        let retired = retired.expect("sealed");
        let vouch = |keys: &Keys, retired: &[RetiredRoot], head: &Head| {
            Signers::new(keys, retired).expect("signers").vouch_for(head)
        };
        for (keys, retired, name, line, good) in [
            (&alone, vec![], "new", 9, true),
            (&alone, vec![], "old", 5, false),
            (&both, vec![], "old", 9, true),
            (&alone, vec![retired.clone()], "old", 5, true),
            (&alone, vec![retired.clone()], "old", 6, false),
            (&both, vec![retired.clone()], "old", 6, false),
            (&alone, vec![retired.clone()], "another", 5, false),
            (&alone, vec![RetiredRoot { root: RootId::new([2; 8]), ..retired.clone() }], "old", 5, false),
        ] {
            assert_eq!(vouch(keys, &retired, &head(name, line)), good, "{name} {line}");
        }
        // Write access to the database does not suffice to forge a record.
        let forged = RetiredSigner::of(&key("another"), 5).expect("known");
        let forged = forged.seal(&key("another").sealer().expect("a sealer"), root, at).expect("sealed");
        assert!(!vouch(&alone, &[forged], &head("another", 5)));
    }
}
