//! The program's own secret. Every other key is derived from it, for one purpose each (RFC 5869).

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::signature::Ed25519KeyPair;
use secrecy::zeroize::Zeroizing;

const SIGNS_AUDIT_HEADS: &[u8] = b"bedside audit heads 1";
const SIGNS_ACCESS_TOKENS: &[u8] = b"bedside access tokens 1";
const SEALS_SECRETS: &[u8] = b"bedside secrets in the database 1";

/// Thirty-two random bytes that nobody else has.
#[derive(Debug)]
pub struct RootKey(Prk);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("the key file {0} cannot be read or made")]
    File(String, #[source] io::Error),
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

impl RootKey {
    /// Reads the key, or makes one where there is no file yet.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let name = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::make(path),
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
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", *text)?;
            file.sync_all()
        };
        write().map_err(|error| KeyError::File(path.display().to_string(), error))?;
        Ok(Self(Prk::new_less_safe(HKDF_SHA256, &*bytes)))
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
        let key = self.derive(SEALS_SECRETS)?;
        UnboundKey::new(&AES_256_GCM, &*key).map(|key| Sealer(LessSafeKey::new(key))).map_err(|_| KeyError::Unmade)
    }

    fn derive(&self, purpose: &'static [u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let info = [purpose];
        let derived = self.0.expand(&info, HKDF_SHA256).map_err(|_| KeyError::Unmade)?;
        derived.fill(&mut *key).map_err(|_| KeyError::Unmade)?;
        Ok(key)
    }
}

/// Seals bytes for the database (AES-256-GCM; a nonce, what is sealed, a tag). What is sealed says where it belongs, so
/// that it opens nowhere else. Nonces are random: good for some thousand million secrets.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    /// # Errors
    /// [`KeyError::Unmade`] if the system gives no random numbers.
    pub(crate) fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| KeyError::Unmade)?;
        let mut sealed = secret.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed)
            .map_err(|_| KeyError::Unmade)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// `None`: it was sealed with another key, or for another place, or was altered.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let length =
            self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut rest).ok()?.len();
        rest.truncate(length);
        Some(rest)
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

    #[test]
    fn what_is_sealed_opens_in_its_place_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = RootKey::open(&folder.path().join("one.key")).expect("made");
        let sealer = key.sealer().expect("a sealer");
        let sealed = sealer.seal("users 1", b"secret").expect("sealed");
        assert_ne!(sealed, sealer.seal("users 1", b"secret").expect("sealed"));
        assert_eq!(sealer.open("users 1", &sealed).as_deref(), Some(&b"secret".to_vec()));
        assert_eq!(sealer.open("users 2", &sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(sealer.open("users 1", &altered), None);
        }
        assert_eq!(sealer.open("users 1", &sealed[..10]), None);
        let other = RootKey::open(&folder.path().join("other.key")).expect("made").sealer().expect("a sealer");
        assert_eq!(other.open("users 1", &sealed), None);
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
