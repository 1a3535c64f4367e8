//! The cache of the ACME account key and the certificate with its key. It persists across restarts.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::config::AcmeConfig;

/// The time limit for reading or writing a file.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Two files, readable only by the server's user, in a private folder. Files are written atomically, because a
/// truncated key would never be accepted again.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    account_key: PathBuf,
    certificate: PathBuf,
}

impl Cache {
    /// Creates the folder. The file names depend on the certificate authority, the contact and the host, so changing
    /// one of them uses other files.
    ///
    /// # Errors
    /// The folder cannot be created, or belongs to another user.
    pub(super) fn open(acme: &AcmeConfig, host: &str) -> io::Result<Self> {
        std::fs::create_dir_all(&acme.cache)?;
        std::fs::set_permissions(&acme.cache, Permissions::from_mode(0o700))?;
        let file = |what: &str, whose: &str| acme.cache.join(file_name(what, whose, &acme.directory));
        Ok(Self { account_key: file("account", &acme.contact_url()), certificate: file("certificate", host) })
    }

    /// Reads the account key, PKCS #8 (RFC 5958).
    pub(super) async fn account_key(&self) -> io::Result<Option<Vec<u8>>> {
        read(self.account_key.clone()).await
    }

    /// Writes the account key.
    pub(super) async fn store_account_key(&self, key: &[u8]) -> io::Result<()> {
        write(self.account_key.clone(), key).await
    }

    /// Reads the certificate's private key and chain, in PEM format.
    pub(super) async fn certificate(&self) -> io::Result<Option<Vec<u8>>> {
        read(self.certificate.clone()).await
    }

    /// Writes the certificate's private key and chain.
    pub(super) async fn store_certificate(&self, pem: &[u8]) -> io::Result<()> {
        write(self.certificate.clone(), pem).await
    }
}

fn file_name(what: &str, whose: &str, directory: &str) -> String {
    let hash = Sha256::digest(format!("{whose}\n{directory}"));
    let hash: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{what}-{hash}")
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

/// Runs file operations on a blocking thread with a time limit, because disks may be slow or hang.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let done = tokio::time::timeout(TIME_LIMIT, tokio::task::spawn_blocking(work)).await;
    done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
}

/// Logs that the cache cannot be read or written.
pub(super) fn unusable(what: &str, error: &dyn std::fmt::Display) {
    let error = format_args!("{what}: {error}");
    tracing::error!(%error, "cannot use the certificate cache (server.tls.cache)");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn what_is_kept_for_the_authority_is_whole_and_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("data/acme");
        let open = |directory: &str| {
            let acme = AcmeConfig {
                contact: "it@example.org".to_owned(),
                agree_to_terms: true,
                cache: folder.clone(),
                directory: directory.to_owned(),
                authority: None,
            };
            Cache::open(&acme, "visits.example.org").expect("made")
        };
        let (staging, real) = (open("https://staging.example.org"), open("https://ca.example.org"));
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(real.account_key().await.expect("read"), None);
        for key in [&b"a long account key"[..], b"another"] {
            real.store_account_key(key).await.expect("written");
            assert_eq!(real.account_key().await.expect("read").as_deref(), Some(key));
        }
        staging.store_certificate(b"for trying").await.expect("written");
        assert_eq!(real.certificate().await.expect("read"), None, "of another authority");
        assert_eq!(staging.certificate().await.expect("read").as_deref(), Some(&b"for trying"[..]));
        let kept: Vec<PathBuf> =
            std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        assert_eq!(kept.len(), 2, "nothing is left half-way: {kept:?}");
        assert!(kept.iter().all(|file| mode(file) == 0o600), "{kept:?}");
    }

    /// If file names changed, the server would register a new account and order a new certificate.
    #[test]
    fn files_are_named_as_they_always_were() {
        let directory = "https://ca.example.org";
        let account = file_name("account", "mailto:it@example.org", directory);
        assert_eq!(account, "account-38625d52d77061229b0d578f766434a2");
        let certificate = file_name("certificate", "visits.example.org", directory);
        assert_eq!(certificate, "certificate-b5ff1c6d415ee9604e884646b55f4c8e");
    }
}
