//! The program's own secret. Every other key is derived from it, for one purpose each (RFC 5869).

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::signature::Ed25519KeyPair;
use bedside_store::{CannotSeal, Keyring, RootId, SealingKey};
use secrecy::zeroize::Zeroizing;

use crate::clock::fresh_id;
use crate::config::DatabaseConfig;

const SIGNS_AUDIT_HEADS: &[u8] = b"bedside audit heads 1";
const SIGNS_ACCESS_TOKENS: &[u8] = b"bedside access tokens 1";
const SEALS_SECRETS: &[u8] = b"bedside secrets in the database 1";
const WRAPS_DATA_KEYS: &[u8] = b"bedside data keys 1";
const NAMES_ITSELF: &[u8] = b"bedside name of the root key 1";

/// Thirty-two random bytes that nobody else has.
#[derive(Debug)]
pub struct RootKey(Prk);

/// The root key, and the one before it where that was replaced and is needed still.
#[derive(Debug)]
pub struct Keys {
    /// What new things are sealed and signed with.
    pub current: RootKey,
    /// What older things open with.
    pub old: Option<RootKey>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the key file {0} cannot be read or made")]
    File(String, #[source] io::Error),
    /// The file is not there, and what it was used for is.
    #[error("there is no key file {0}, and the database is sealed with it: put the copy of it back that you kept")]
    Missing(String),
    /// The file is none of ours.
    #[error("the key file {0} does not hold 64 hexadecimal digits")]
    Malformed(String),
    /// Others could have read it.
    #[error(
        "the key file {0} can be read by others: make it yours alone (chmod 600), or a new one if you are not sure"
    )]
    Open(String),
    /// The system gives no random numbers, or no key could be derived.
    #[error("no key could be made")]
    Unmade,
}

impl From<CannotSeal> for KeyError {
    fn from(_: CannotSeal) -> Self {
        Self::Unmade
    }
}

impl Keys {
    /// Reads the keys of a configuration.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(config: &DatabaseConfig) -> Result<Self, KeyError> {
        let old = config.old_key.as_deref().map(RootKey::read).transpose()?;
        Ok(Self { current: RootKey::read(&config.key())?, old })
    }

    /// The same, for a database that is sealed with these root keys. One is made where there is none yet, unless
    /// something is sealed with another than the old one.
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

    /// What the database is opened with.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn keyring(&self) -> Result<Keyring, KeyError> {
        let named = |root: &RootKey| Ok::<_, KeyError>((root.id()?, SealingKey::new(&*root.derive(WRAPS_DATA_KEYS)?)?));
        Ok(Keyring::new(named(&self.current)?, self.old.as_ref().map(named).transpose()?))
    }

    /// What seals secrets that are kept in the database, and opens those that either key sealed.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn sealer(&self) -> Result<Sealer, KeyError> {
        let Sealer { current, .. } = self.current.sealer()?;
        Ok(Sealer { current, old: self.old.as_ref().map(RootKey::secrets).transpose()? })
    }
}

impl RootKey {
    /// Reads the key, or makes one where there is no file yet.
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
            // The file has its name when it is whole. Another program that starts at the same time may have been faster.
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

    /// What signs the heads of the audit log.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn audit_signer(&self) -> Result<Ed25519KeyPair, KeyError> {
        let seed = self.derive(SIGNS_AUDIT_HEADS)?;
        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Unmade)
    }

    /// What signs access tokens.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn token_signer(&self) -> Result<Ed25519KeyPair, KeyError> {
        let seed = self.derive(SIGNS_ACCESS_TOKENS)?;
        Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError::Unmade)
    }

    /// What seals secrets that are kept in the database.
    ///
    /// # Errors
    /// [`KeyError::Unmade`].
    pub(crate) fn sealer(&self) -> Result<Sealer, KeyError> {
        Ok(Sealer { current: self.secrets()?, old: None })
    }

    /// Its name, which tells nothing about it.
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

/// Seals secrets for the database. What is sealed says where it belongs, so that it opens nowhere else.
pub(crate) struct Sealer {
    current: SealingKey,
    old: Option<SealingKey>,
}

impl Sealer {
    /// # Errors
    /// [`KeyError::Unmade`] if the system gives no random numbers.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.current.seal(place, secret)?)
    }

    /// `None`: it was sealed with another key, or for another place, or was altered.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let with_old = || self.old.as_ref().and_then(|old| old.open(place, sealed));
        self.current.open(place, sealed).or_else(with_old)
    }

    /// The same secret, sealed with the current key. `None`: it was already, or does not open.
    ///
    /// # Errors
    /// [`KeyError::Unmade`] if the system gives no random numbers.
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

    /// Two programs that start for the first time at once.
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
