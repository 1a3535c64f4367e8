//! Key management commands: replacing the root key, rotating data keys, and reporting.

use std::fmt;
use std::time::Duration;

use bedside_store::{AuditEntry, RetiredRoot, RootId, SealedSecret, SealingReport, Store, StoreError};
use bedside_visit::{AuditAction, Clock, UserId};

use crate::audit::RetiredSigner;
use crate::auth::place_of_second_step;
use crate::keys::{KeyError, Keys};
use crate::text::rfc3339_exact;

/// Number of items per transaction. Limited because other writers wait for it.
const BATCH: u32 = 100;

/// Why a key command failed. It may have been partly carried out; that part is kept, and the command can be run
/// again.
#[derive(Debug, thiserror::Error)]
pub enum KeyWorkError {
    /// The old and the current root key are the same.
    #[error("the old and the current root key are the same: move the key file away, and a new one is created")]
    SameKey,
    /// The current root key was retired earlier.
    #[error("the root key {0} is retired and cannot be used again: move it away, and a new one is created")]
    Replaced(RootId),
    /// A TOTP secret cannot be decrypted with either key.
    #[error("cannot decrypt the TOTP secret of user {0}: run `bedside user forget-second-step`, then retry")]
    SecondStep(UserId),
    /// The record of a retired audit signing key cannot be decrypted with either key.
    #[error("cannot decrypt the record of the retired root key {0} with either key")]
    Retired(RootId),
    /// The root key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of re-encrypting with the current root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapped {
    /// The ID of the current root key.
    pub root: RootId,
    /// Number of data keys re-encrypted.
    pub data_keys: u64,
    /// Number of TOTP secrets re-encrypted.
    pub second_steps: u64,
}

impl fmt::Display for Rewrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, data_keys, second_steps } = self;
        write!(f, "{data_keys} data keys and {second_steps} TOTP secrets re-encrypted under the root key {root}")
    }
}

/// Re-encrypts everything that is encrypted with the old root key under the current one. Can be interrupted and run
/// again, and may run while the server is running if the server has both keys.
///
/// # Errors
/// [`KeyWorkError`].
pub async fn rewrap_keys(store: &dyn Store, clock: &dyn Clock, keys: &Keys) -> Result<Rewrapped, KeyWorkError> {
    let root = keys.current.id()?;
    retire_old(store, clock, keys).await?;
    let mut done = Rewrapped { root, data_keys: 0, second_steps: 0 };
    loop {
        let mut transaction = store.begin().await?;
        let rewrapped = transaction.rewrap_keys(BATCH).await?;
        if rewrapped == 0 {
            break;
        }
        let entry = AuditEntry::new(clock.now(), AuditAction::KeysRewrapped).with_detail("data_keys");
        transaction.append_audit(&entry).await?;
        transaction.commit().await?;
        done.data_keys += rewrapped;
    }
    let sealer = keys.sealer()?;
    let mut after = None;
    loop {
        let mut transaction = store.begin().await?;
        let batch = transaction.list_second_steps(after, BATCH).await?;
        let Some((last, _)) = batch.last() else { break };
        after = Some(*last);
        let before = done.second_steps;
        for (user, sealed) in &batch {
            let place = place_of_second_step(*user);
            match sealer.seal_anew(&place, &sealed.0)? {
                Some(anew) => {
                    transaction.reseal_second_step(*user, &SealedSecret(anew)).await?;
                    done.second_steps += 1;
                }
                None if sealer.open(&place, &sealed.0).is_some() => {}
                None => return Err(KeyWorkError::SecondStep(*user)),
            }
        }
        if done.second_steps > before {
            let entry = AuditEntry::new(clock.now(), AuditAction::KeysRewrapped).with_detail("second_steps");
            transaction.append_audit(&entry).await?;
            transaction.commit().await?;
        }
    }
    Ok(done)
}

/// Records up to which line the old root key signed audit heads, and re-encrypts the records of root keys retired
/// before.
async fn retire_old(store: &dyn Store, clock: &dyn Clock, keys: &Keys) -> Result<(), KeyWorkError> {
    let Some(old) = &keys.old else { return Ok(()) };
    let (root, sealer) = (old.id()?, keys.sealer()?);
    if root == keys.current.id()? {
        return Err(KeyWorkError::SameKey);
    }
    let through = store.get_audit_end().await?.map_or(0, |(sequence, _)| sequence);
    let mut transaction = store.begin().await?;
    let known = transaction.list_retired_roots().await?;
    let current = keys.current.id()?;
    if known.iter().any(|retired| retired.root == current) {
        return Err(KeyWorkError::Replaced(current));
    }
    let mut changed = false;
    for retired in &known {
        let place = crate::audit::place_of_retired(retired.root);
        match sealer.seal_anew(&place, &retired.sealed.0)? {
            Some(anew) => {
                let anew = RetiredRoot { sealed: SealedSecret(anew), ..retired.clone() };
                transaction.save_retired_root(&anew).await?;
                changed = true;
            }
            None if sealer.open(&place, &retired.sealed.0).is_some() => {}
            None => return Err(KeyWorkError::Retired(retired.root)),
        }
    }
    if known.iter().all(|retired| retired.root != root) {
        let retired = RetiredSigner::of(old, through)?.seal(&sealer, root, clock.now())?;
        transaction.save_retired_root(&retired).await?;
        changed = true;
    }
    if changed {
        let entry = AuditEntry::new(clock.now(), AuditAction::KeysRewrapped).with_detail("root_key");
        transaction.append_audit(&entry).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Gives each user and appointment whose data key is older than `age` a new data key, and re-encrypts their data.
/// Returns the number of keys rotated. Can be interrupted and run again, and may run while the server is running.
///
/// # Errors
/// [`KeyWorkError`].
pub async fn rotate_keys(store: &dyn Store, clock: &dyn Clock, age: Duration) -> Result<u64, KeyWorkError> {
    let now = clock.now();
    let mut done = 0;
    loop {
        let mut transaction = store.begin().await?;
        let rotated = transaction.rotate_keys(now - age, now, BATCH).await?;
        if rotated == 0 {
            return Ok(done);
        }
        transaction.append_audit(&AuditEntry::new(clock.now(), AuditAction::KeysRotated)).await?;
        transaction.commit().await?;
        done += rotated;
    }
}

/// Reports which keys are in use and how much is encrypted with each, one line per key.
///
/// # Errors
/// [`KeyWorkError`].
pub async fn describe_keys(store: &dyn Store, keys: &Keys) -> Result<String, KeyWorkError> {
    let SealingReport { roots, oldest, values } = store.get_sealing_report().await?;
    let (current, old) = (keys.current.id()?, keys.old.as_ref().map(|old| old.id()).transpose()?);
    let under = |wanted: RootId| roots.iter().find(|(root, _)| *root == wanted).map_or(0, |(_, keys)| *keys);
    let mut lines = vec![format!("root key {current}: {} data keys", under(current))];
    if let Some(old) = old {
        lines.push(format!(
            "root key {old} (old): {} data keys; re-encrypt them with `bedside keys rewrap`",
            under(old)
        ));
    }
    let retired = store.list_retired_roots().await?;
    let retired = retired.iter().filter(|retired| Some(retired.root) != old);
    lines.extend(retired.map(|it| format!("root key {}: replaced on {}", it.root, rfc3339_exact(it.at))));
    lines.extend(oldest.map(|at| format!("oldest data key: {}", rfc3339_exact(at))));
    lines.extend(values.iter().map(|(table, column, values)| format!("{table}.{column}: {values} encrypted")));
    Ok(lines.join("\n"))
}
