//! Encryption at rest, so that personal data cannot be read from the database file or a copy of it.
//!
//! Envelope encryption: a root key, which is kept outside the database, wraps data keys, and a data key encrypts the
//! values of one user or one appointment. All encryption is AES-256-GCM with random nonces. The additional
//! authenticated data names the value's place (table, column, row), so that it cannot be decrypted in any other place.
//!
//! Format of a sealed value: version (1 byte, value 1), data key ID (8 bytes), nonce (12 bytes), ciphertext, tag (16
//! bytes).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use secrecy::zeroize::Zeroizing;

const VERSION: u8 = 1;
/// How many unwrapped data keys are cached.
const AT_HAND: usize = 10_000;

/// Encryption or key generation failed because the system provided no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encryption failed: no random numbers available")]
pub struct CannotSeal;

/// An AES-256-GCM key. Nonces are random, so a key is safe for 2³² values.
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// Creates a key from its bytes.
    ///
    /// # Errors
    /// [`CannotSeal`].
    pub fn new(key: &[u8; 32]) -> Result<Self, CannotSeal> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self).map_err(|_| CannotSeal)
    }

    /// Encrypts a value for a place. Returns nonce, ciphertext and tag.
    ///
    /// # Errors
    /// [`CannotSeal`].
    pub fn seal(&self, place: &str, value: &[u8]) -> Result<Vec<u8>, CannotSeal> {
        let mut sealed = value.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(place), &mut sealed).map_err(|_| CannotSeal)?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Decrypts a value. Returns `None` if it was encrypted with another key or for another place, or was altered.
    #[must_use]
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let length = self.0.open_in_place(Nonce::from(nonce), Aad::from(place), &mut rest).ok()?.len();
        rest.truncate(length);
        Some(rest)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The ID of a root key, which reveals nothing about the key. Displayed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootId([u8; 8]);

impl RootId {
    /// Wraps the eight bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The root keys for a database: the current one and possibly the previous one. Without a key, sealed values cannot be
/// read.
#[derive(Debug, Default)]
pub struct Keyring {
    current: Option<(RootId, SealingKey)>,
    old: Option<(RootId, SealingKey)>,
    at_hand: Mutex<HashMap<KeyId, Arc<SealingKey>>>,
}

/// The ID of a data key. Random, so that no two keys share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

/// A data key as stored, encrypted under a root key.
#[derive(Debug)]
pub(crate) struct WrappedKey {
    pub(crate) id: KeyId,
    pub(crate) root: RootId,
    pub(crate) wrapped: Vec<u8>,
}

/// Why a wrapped key could not be unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// Its root key is not loaded.
    Locked,
    /// It was altered or belongs to another owner.
    Altered,
}

/// An unwrapped data key.
#[derive(Debug)]
pub(crate) struct DataKey {
    id: KeyId,
    key: Arc<SealingKey>,
}

impl Keyring {
    /// Creates a keyring. New keys are wrapped with `current`; keys wrapped with `old` can be read as well.
    #[must_use]
    pub fn new(current: (RootId, SealingKey), old: Option<(RootId, SealingKey)>) -> Self {
        Self { current: Some(current), old, at_hand: Mutex::default() }
    }

    /// Returns the root key that new keys are wrapped with, if any.
    pub(crate) fn current(&self) -> Option<RootId> {
        self.current.as_ref().map(|(id, _)| *id)
    }

    pub(crate) fn has(&self, root: RootId) -> bool {
        self.root(root).is_some()
    }

    /// Generates a data key and its wrapped form to be stored. Returns `None` if there is no root key.
    pub(crate) fn draw(&self, owner: &str) -> Result<Option<(DataKey, WrappedKey)>, CannotSeal> {
        let (mut id, mut bytes) = ([0; 8], Zeroizing::new([0; 32]));
        aws_lc_rs::rand::fill(&mut id).map_err(|_| CannotSeal)?;
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| CannotSeal)?;
        let id = KeyId(id);
        let Some(wrapped) = self.wrap(id, owner, &*bytes)? else { return Ok(None) };
        // Not cached, because its transaction may be rolled back.
        Ok(Some((DataKey { id, key: Arc::new(SealingKey::new(&bytes)?) }, wrapped)))
    }

    pub(crate) fn unwrap(&self, wrapped: &WrappedKey, owner: &str) -> Result<DataKey, Unopened> {
        let known = self.lock().get(&wrapped.id).map(Arc::clone);
        let key = match known {
            Some(key) => key,
            None => {
                let bytes = self.bytes(wrapped, owner)?;
                let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| Unopened::Altered)?;
                let key = Arc::new(SealingKey::new(bytes).map_err(|_| Unopened::Altered)?);
                let mut at_hand = self.lock();
                if at_hand.len() >= AT_HAND {
                    at_hand.clear();
                }
                at_hand.insert(wrapped.id, Arc::clone(&key));
                key
            }
        };
        Ok(DataKey { id: wrapped.id, key })
    }

    /// Wraps the same key under the current root key. Returns `None` if there is no root key.
    pub(crate) fn rewrap(&self, wrapped: &WrappedKey, owner: &str) -> Result<Option<WrappedKey>, Unopened> {
        let bytes = self.bytes(wrapped, owner)?;
        self.wrap(wrapped.id, owner, &bytes).map_err(|CannotSeal| Unopened::Altered)
    }

    /// Removes a key from the cache.
    pub(crate) fn forget(&self, id: KeyId) {
        self.lock().remove(&id);
    }

    fn wrap(&self, id: KeyId, owner: &str, bytes: &[u8]) -> Result<Option<WrappedKey>, CannotSeal> {
        let Some((root, key)) = &self.current else { return Ok(None) };
        Ok(Some(WrappedKey { id, root: *root, wrapped: key.seal(&place_of_key(id, owner), bytes)? }))
    }

    fn bytes(&self, wrapped: &WrappedKey, owner: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let root = self.root(wrapped.root).ok_or(Unopened::Locked)?;
        root.open(&place_of_key(wrapped.id, owner), &wrapped.wrapped).ok_or(Unopened::Altered)
    }

    fn root(&self, wanted: RootId) -> Option<&SealingKey> {
        [&self.current, &self.old].into_iter().flatten().find(|(id, _)| *id == wanted).map(|(_, key)| key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<SealingKey>>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataKey {
    pub(crate) fn seal(&self, place: &str, value: &str) -> Result<Vec<u8>, CannotSeal> {
        Ok([[VERSION].as_slice(), &self.id.0, &self.key.seal(place, value.as_bytes())?].concat())
    }

    /// Decrypts a value. Returns `None` if it was encrypted with another key or for another place, or was altered.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Option<String> {
        let rest = sealed.strip_prefix(&[VERSION])?.strip_prefix(&self.id.0)?;
        let value = self.key.open(place, rest)?;
        std::str::from_utf8(&value).ok().map(str::to_owned)
    }
}

fn place_of_key(id: KeyId, owner: &str) -> String {
    format!("data_keys|wrapped|{}|{owner}", RootId(id.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(current: u8, old: Option<u8>) -> Keyring {
        let root = |byte: u8| (RootId::new([byte; 8]), SealingKey::new(&[byte; 32]).unwrap());
        Keyring::new(root(current), old.map(root))
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_nowhere_else() {
        let (key, other) = (SealingKey::new(&[1; 32]).unwrap(), SealingKey::new(&[2; 32]).unwrap());
        let sealed = key.seal("users 1", b"secret").unwrap();
        assert_ne!(sealed, key.seal("users 1", b"secret").unwrap());
        assert_eq!(key.open("users 1", &sealed).as_deref(), Some(&b"secret".to_vec()));
        assert_eq!(key.open("users 2", &sealed), None);
        assert_eq!(other.open("users 1", &sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open("users 1", &altered), None);
            assert_eq!(key.open("users 1", &sealed[..at]), None);
        }
    }

    /// Test vector for AES-256-GCM (NIST SP 800-38D): all-zero key and nonce, no additional data.
    #[test]
    fn it_opens_what_another_program_sealed() {
        let sealed = "000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
        let sealed: Vec<u8> =
            (0..sealed.len()).step_by(2).map(|at| u8::from_str_radix(&sealed[at..at + 2], 16).unwrap()).collect();
        assert_eq!(SealingKey::new(&[0; 32]).unwrap().open("", &sealed).as_deref(), Some(&vec![0; 16]));
    }

    #[test]
    fn a_data_key_is_its_owners_and_goes_from_root_to_root() {
        let first = ring(1, None);
        let (key, kept) = first.draw("ada").unwrap().unwrap();
        let sealed = key.seal("users|name|ada", "Ada").unwrap();
        assert_eq!(sealed.len(), "Ada".len() + 37);
        assert_eq!(kept.wrapped.len(), 60);

        let again = ring(1, None);
        assert_eq!(again.unwrap(&kept, "eve").unwrap_err(), Unopened::Altered);
        assert_eq!(again.unwrap(&kept, "ada").unwrap().open("users|name|ada", &sealed).as_deref(), Some("Ada"));
        assert_eq!(again.unwrap(&kept, "ada").unwrap().open("users|name|eve", &sealed), None);

        assert_eq!(ring(2, None).unwrap(&kept, "ada").unwrap_err(), Unopened::Locked);
        let moved = ring(2, Some(1)).rewrap(&kept, "ada").unwrap().unwrap();
        assert_eq!(moved.root, RootId::new([2; 8]));
        let key = ring(2, None).unwrap(&moved, "ada").unwrap();
        assert_eq!(key.open("users|name|ada", &sealed).as_deref(), Some("Ada"));
        assert!(Keyring::default().draw("ada").unwrap().is_none());
    }

    #[test]
    fn keys_at_hand_are_not_unwrapped_again() {
        let ring = ring(1, None);
        let (_, kept) = ring.draw("ada").unwrap().unwrap();
        ring.unwrap(&kept, "ada").unwrap();
        let spoilt = WrappedKey { wrapped: vec![], ..kept };
        assert!(ring.unwrap(&spoilt, "ada").is_ok());
        ring.forget(spoilt.id);
        assert!(ring.unwrap(&spoilt, "ada").is_err());
    }

    #[test]
    fn no_key_prints() {
        let ring = ring(7, Some(8));
        let (key, kept) = ring.draw("ada").unwrap().unwrap();
        ring.unwrap(&kept, "ada").unwrap();
        let printed = format!("{ring:?} {key:?}");
        assert!(printed.contains("(secret)") && !printed.contains("7, 7, 7, 7, 7, 7, 7, 7, 7, 7"), "{printed}");
    }
}
