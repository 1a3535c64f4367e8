//! The root key. All other keys are derived from it, one for each purpose (HKDF, RFC 5869).

pub(crate) mod rotation;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::signature::Ed25519KeyPair;
use bedside_store::{CannotSeal, Keyring, RootId, SealingKey};
use secrecy::zeroize::Zeroizing;

use crate::app::clock::fresh_id;
use crate::config::DatabaseConfig;

const SIGNS_AUDIT_HEADS: &[u8] = b"bedside audit heads 1";
const SIGNS_ACCESS_TOKENS: &[u8] = b"bedside access tokens 1";
const SEALS_SECRETS: &[u8] = b"bedside secrets in the database 1";
const WRAPS_DATA_KEYS: &[u8] = b"bedside data keys 1";
const NAMES_ITSELF: &[u8] = b"bedside name of the root key 1";

/// A secret of 32 random bytes.
#[derive(Debug)]
pub struct RootKey(Prk);

/// The root key, and its predecessor if something is still encrypted with it.
#[derive(Debug)]
pub struct Keys {
    /// Encrypts and signs new data.
    pub current: RootKey,
    /// Decrypts older data.
    pub old: Option<RootKey>,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or created.
    #[error("cannot read or create the key file {0}")]
    File(String, #[source] io::Error),
    /// The file is missing, but the database is encrypted with it.
    #[error("the key file {0} is missing, but the database is encrypted with it: restore your copy of it")]
    Missing(String),
    /// The file is not a Bedside key file.
    #[error("the key file {0} does not contain 64 hexadecimal digits")]
    Malformed(String),
    /// Other users can read the file.
    #[error("other users can read the key file {0}: run chmod 600, and replace the key if they may have read it")]
    Open(String),
    /// The operating system provides no random numbers, or key derivation failed.
    #[error("cannot create or derive a key")]
    Unmade,
}

impl From<CannotSeal> for KeyError {
    fn from(_: CannotSeal) -> Self {
        Self::Unmade
    }
}

impl Keys {
    /// Reads the keys named in the configuration.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(config: &DatabaseConfig) -> Result<Self, KeyError> {
        let old = config.old_key.as_deref().map(RootKey::read).transpose()?;
        Ok(Self { current: RootKey::read(&config.key())?, old })
    }

    /// Reads the keys for a database that is encrypted with the root keys `sealed_with`. Creates the current key if
    /// its file is missing, unless something is encrypted with a root key other than the old one.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(config: &DatabaseConfig, sealed_with: &[RootId]) -> Result<Self, KeyError> {
        let old = config.old_key.as_deref().map(RootKey::read).transpose()?;
        let opens = old.as_ref().map(RootKey::id).transpose()?;
        if sealed_with.iter().all(|root| Some(*root) == opens) {
            RootKey::open(&config.key())?;
        }
        Self::read(config)
    }

    /// Returns the keys that encrypt the data keys of the database.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn keyring(&self) -> Result<Keyring, KeyError> {
        let named = |root: &RootKey| Ok::<_, KeyError>((root.id()?, SealingKey::new(&*root.derive(WRAPS_DATA_KEYS)?)?));
        Ok(Keyring::new(named(&self.current)?, self.old.as_ref().map(named).transpose()?))
    }

    /// Returns the sealer for secrets in the database. It decrypts with either key and encrypts with the current one.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn sealer(&self) -> Result<Sealer, KeyError> {
        let Sealer { current, .. } = self.current.sealer()?;
        Ok(Sealer { current, old: self.old.as_ref().map(RootKey::secrets).transpose()? })
    }
}

impl RootKey {
    /// Reads the key, or creates it if the file does not exist.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        match Self::read(path) {
            Err(KeyError::Missing(_)) => Self::make(path),
            read => read,
        }
    }

    /// Reads the key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let name = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyError::Missing(name())),
            Err(error) => return Err(KeyError::File(name(), error)),
        };
        let mode = path.metadata().map_err(|error| KeyError::File(name(), error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(name()));
        }
        let bytes = from_hex(text.trim()).ok_or_else(|| KeyError::Malformed(name()))?;
        Ok(Self(Prk::new_less_safe(HKDF_SHA256, &*bytes)))
    }

    fn make(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyError::Unmade)?;
        let text = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".new-{}-{}", std::process::id(), fresh_id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            writeln!(file, "{}", *text)?;
            file.sync_all()?;
            // The file gets its name only when it is complete. Another process starting at the same time may have
            // created it first.
            std::fs::hard_link(&unfinished, path)
        };
        let written = write();
        let _ = std::fs::remove_file(&unfinished);
        match written {
            Ok(()) => Ok(Self(Prk::new_less_safe(HKDF_SHA256, &*bytes))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(KeyError::File(path.display().to_string(), error)),
        }
    }

    /// Returns the key that signs audit heads.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn audit_signer(&self) -> Result<Ed25519KeyPair, KeyError> {
        let seed = self.derive(SIGNS_AUDIT_HEADS)?;
        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Unmade)
    }

    /// Returns the key that signs access tokens.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn token_signer(&self) -> Result<Ed25519KeyPair, KeyError> {
        let seed = self.derive(SIGNS_ACCESS_TOKENS)?;
        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Unmade)
    }

    /// Returns the sealer for secrets in the database.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn sealer(&self) -> Result<Sealer, KeyError> {
        Ok(Sealer { current: self.secrets()?, old: None })
    }

    /// Returns the key's ID, which reveals nothing about the key.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub fn id(&self) -> Result<RootId, KeyError> {
        let name = self.derive(NAMES_ITSELF)?;
        name.first_chunk().map(|bytes| RootId::new(*bytes)).ok_or(KeyError::Unmade)
    }

    fn secrets(&self) -> Result<SealingKey, KeyError> {
        Ok(SealingKey::new(&*self.derive(SEALS_SECRETS)?)?)
    }

    fn derive(&self, purpose: &'static [u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let info = [purpose];
        let derived = self.0.expand(&info, HKDF_SHA256).map_err(|_| KeyError::Unmade)?;
        derived.fill(&mut *key).map_err(|_| KeyError::Unmade)?;
        Ok(key)
    }
}

/// Encrypts secrets for the database. The place of each secret is authenticated, so that a ciphertext cannot be moved
/// elsewhere.
pub(crate) struct Sealer {
    current: SealingKey,
    old: Option<SealingKey>,
}

impl Sealer {
    /// Encrypts a secret for a place.
    ///
    /// # Errors
    /// [`KeyError::Unmade`] if the operating system provides no random numbers.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.current.seal(place, secret)?)
    }

    /// Decrypts a secret. Returns `None` if it was encrypted with another key or for another place, or was altered.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let with_old = || self.old.as_ref().and_then(|old| old.open(place, sealed));
        self.current.open(place, sealed).or_else(with_old)
    }

    /// Re-encrypts a secret with the current key. Returns `None` if it already uses the current key or cannot be
    /// decrypted.
    ///
    /// # Errors
    /// [`KeyError::Unmade`] if the operating system provides no random numbers.
    pub(crate) fn seal_anew(&self, place: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
        if self.current.open(place, sealed).is_some() {
            return Ok(None);
        }
        self.open(place, sealed).map(|secret| self.seal(place, &secret)).transpose()
    }
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    fn public(key: &RootKey) -> Vec<u8> {
        key.audit_signer().expect("a signer").public_key().as_ref().to_vec()
    }

    #[test]
    fn a_key_is_made_once_and_is_ours_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bedside.key");
        let made = RootKey::open(&path).expect("made");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(public(&RootKey::open(&path).expect("read")), public(&made));
        let other = RootKey::open(&folder.path().join("other.key")).expect("made");
        assert_ne!(public(&other), public(&made));
    }

    /// Two processes that start for the first time concurrently.
    #[test]
    fn of_keys_that_are_made_at_once_all_take_the_same() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("bedside.key");
            let made = std::thread::scope(|scope| {
                let both = [(); 2].map(|()| scope.spawn(|| public(&RootKey::open(&path).expect("a key"))));
                both.map(|one| one.join().expect("no panic"))
            });
            assert_eq!(made[0], made[1]);
            assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left over");
        }
    }

    #[test]
    fn what_the_old_key_sealed_opens_and_is_sealed_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &str| RootKey::open(&folder.path().join(name)).expect("a key");
        let old = key("old").sealer().expect("a sealer");
        let both = Keys { current: key("new"), old: Some(key("old")) }.sealer().expect("a sealer");
        let new = key("new").sealer().expect("a sealer");
        let sealed = old.seal("users 1", b"secret").expect("sealed");
        assert_eq!(both.open("users 1", &sealed).as_deref(), Some(&b"secret".to_vec()));
        assert_eq!(new.open("users 1", &sealed), None);
        let anew = both.seal_anew("users 1", &sealed).expect("sealed").expect("it was the old key's");
        assert_eq!(new.open("users 1", &anew).as_deref(), Some(&b"secret".to_vec()));
        assert_eq!(both.seal_anew("users 1", &anew).expect("looked at"), None);
    }

    #[test]
    fn a_lost_key_is_not_made_anew_where_something_is_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DatabaseConfig { path: folder.path().join("bedside.db"), ..DatabaseConfig::default() };
        let id = |name: &str| RootKey::open(&folder.path().join(name)).and_then(|key| key.id()).expect("a name");
        let (old, lost) = (id("old"), id("lost"));
        let with_old = DatabaseConfig { old_key: Some(folder.path().join("old")), ..config.clone() };
        for (config, sealed_with) in [(&config, vec![lost]), (&with_old, vec![lost]), (&with_old, vec![old, lost])] {
            assert!(matches!(Keys::open(config, &sealed_with), Err(KeyError::Missing(_))));
            assert!(!config.key().exists());
        }
        let made = Keys::open(&with_old, &[old]).expect("made").current.id().expect("a name");
        assert!(made != old && Keys::open(&config, &[made]).expect("read").old.is_none());
    }

    #[test]
    fn a_file_that_others_read_or_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bedside.key");
        RootKey::open(&path).expect("made");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(RootKey::open(&path), Err(KeyError::Open(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        std::fs::write(&path, "not a key").expect("written");
        assert!(matches!(RootKey::open(&path), Err(KeyError::Malformed(_))));
        assert!(matches!(RootKey::open(&folder.path().join("no/folder")), Err(KeyError::File(..))));
    }
}
