//! Where the key of the account with an authority, and the certificate with its key, are kept from one start to the next.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustls_acme::{AccountCache, CertCache};
use sha2::{Digest as _, Sha256};

/// A folder that nobody else may look into, of files that nobody else may read. A file is there whole or not at all: half a
/// key would be refused for ever.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// # Errors
    /// The folder cannot be made, or is not ours.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        Ok(Self::at(folder))
    }

    /// In a folder that was opened before.
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What was got from another authority, or for another name, is another file.
    fn file(&self, what: &str, whose: &[String], directory: &str) -> PathBuf {
        let text = whose.iter().map(String::as_str).chain([directory]).collect::<Vec<_>>().join("\n");
        let hash: String = Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{what}-{hash}"))
    }
}

#[async_trait]
impl AccountCache for Cache {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        read(self.file("account", contact, directory)).await
    }

    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        write(self.file("account", contact, directory), key).await
    }
}

#[async_trait]
impl CertCache for Cache {
    type EC = io::Error;

    async fn load_cert(&self, names: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        read(self.file("certificate", names, directory)).await
    }

    async fn store_cert(&self, names: &[String], directory: &str, certificate: &[u8]) -> io::Result<()> {
        write(self.file("certificate", names, directory), certificate).await
    }
}

async fn read(file: PathBuf) -> io::Result<Option<Vec<u8>>> {
    aside(move || match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    })
    .await
}

async fn write(file: PathBuf, bytes: &[u8]) -> io::Result<()> {
    let bytes = bytes.to_owned();
    aside(move || {
        let new = file.with_extension("new");
        let mut into = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        into.write_all(&bytes)?;
        into.sync_all()?;
        std::fs::rename(new, file)
    })
    .await
}

/// Disks may be slow.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn what_is_kept_for_the_authority_is_whole_and_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(&folder.path().join("data/acme")).expect("made");
        assert_eq!(mode(&cache.folder), 0o700);
        let (it, names) = (["mailto:it@example.org".to_owned()], ["visits.example.org".to_owned()]);
        let (staging, real) = ("https://staging.example.org", "https://ca.example.org");
        assert_eq!(cache.load_account(&it, real).await.expect("read"), None);
        for key in [&b"a long account key"[..], b"another"] {
            cache.store_account(&it, real, key).await.expect("written");
            assert_eq!(cache.load_account(&it, real).await.expect("read").as_deref(), Some(key));
        }
        cache.store_cert(&names, staging, b"for trying").await.expect("written");
        assert_eq!(cache.load_cert(&names, real).await.expect("read"), None, "of another authority");
        assert_eq!(cache.load_cert(&names, staging).await.expect("read").as_deref(), Some(&b"for trying"[..]));
        let kept: Vec<PathBuf> =
            std::fs::read_dir(&cache.folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        assert_eq!(kept.len(), 2, "nothing is left half-way: {kept:?}");
        assert!(kept.iter().all(|file| mode(file) == 0o600), "{kept:?}");
    }
}
