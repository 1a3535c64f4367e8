//! Certificate files provided by the operator: read at startup and reloaded when they change, so that a renewal needs
//! no restart.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use bedside_visit::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;

use super::certificate::validity;
use super::{Shown, server_config};
use crate::app::blocking::BlockingThread;
use crate::text::rfc3339_exact;

/// The time limit for reading the files.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A certificate and its private key, as read from the files.
pub(crate) struct Pair {
    config: Arc<ServerConfig>,
    names: Vec<String>,
    not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    digest: [u8; 32],
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    /// A file cannot be read, or the certificate and the key do not match.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let read = |what: &str, file: &Path| {
            std::fs::read(file).map_err(|error| format!("cannot read the {what} {}: {error}", file.display()))
        };
        let (certificate_pem, key_pem) = (read("certificate", certificate)?, read("private key", key)?);
        let digest = Sha256::new().chain_update(&certificate_pem).chain_update([0]).chain_update(&key_pem).finalize();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("cannot read the certificate {}: {error}", certificate.display()))?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|error| format!("cannot read the private key {}: {error}", key.display()))?;
        let leaf = chain.first().ok_or_else(|| format!("{} contains no certificate", certificate.display()))?;
        let ((not_before, not_after), names) = (validity(leaf)?, names(leaf)?);
        Ok(Self { config: server_config(chain, key)?, names, not_before, not_after, digest: digest.into() })
    }

    /// Checks whether clients that connect to this host accept the certificate now.
    ///
    /// # Errors
    /// Why they reject it.
    pub(crate) fn check(&self, host: &str, now: Timestamp) -> Result<(), String> {
        if now < self.not_before {
            return Err(format!("the certificate is not valid before {}", rfc3339_exact(self.not_before)));
        }
        if self.not_after <= now {
            return Err(format!("the certificate expired on {}", rfc3339_exact(self.not_after)));
        }
        if !self.names.iter().any(|name| covers(name, host)) {
            let names = if self.names.is_empty() { "no host".to_owned() } else { self.names.join(", ") };
            return Err(format!("the certificate is for {names}, but server.public_url is at {host}"));
        }
        Ok(())
    }
}

/// The certificate files and the configuration served from them.
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    host: String,
    rustls: RustlsConfig,
    shown: Shown,
    served: [u8; 32],
    /// The error of the last pair that was rejected, so that it is logged only once.
    refused: Option<String>,
    blocking: BlockingThread,
}

impl Files {
    /// Reads the files for the first time. A certificate that clients will reject is served nevertheless, and logged.
    ///
    /// # Errors
    /// Those of [`Pair::read`].
    pub(crate) fn open(
        (certificate, key): (&Path, &Path),
        host: &str,
        now: Timestamp,
        shown: Shown,
    ) -> Result<Self, String> {
        let pair = Pair::read(certificate, key)?;
        if let Err(fault) = pair.check(host, now) {
            tracing::error!(fault, "browsers will reject the certificate (server.tls)");
        }
        shown.set(pair.not_after);
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            host: host.to_owned(),
            rustls: RustlsConfig::from_config(pair.config),
            shown,
            served: pair.digest,
            refused: None,
            blocking: BlockingThread::new("bedside-tls", TIME_LIMIT),
        })
    }

    /// Returns the TLS configuration, which is updated after each reload.
    pub(crate) fn rustls(&self) -> RustlsConfig {
        self.rustls.clone()
    }

    /// Reloads the files, and serves the certificate if it has changed and is valid. Open connections continue.
    pub(crate) async fn reread(&mut self, clock: &dyn Clock) {
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        let read = self.blocking.run(move || Pair::read(&certificate, &key)).await;
        let pair = read.map_err(|error| format!("cannot read the certificate files: {error}")).flatten();
        if pair.as_ref().is_ok_and(|pair| pair.digest == self.served) {
            self.refused = None;
            return;
        }
        match pair.and_then(|pair| pair.check(&self.host, clock.now()).map(|()| pair)) {
            Ok(pair) => {
                self.rustls.reload_from_config(pair.config);
                self.shown.set(pair.not_after);
                (self.served, self.refused) = (pair.digest, None);
                tracing::info!(not_after = rfc3339_exact(pair.not_after), "serving the renewed certificate");
            }
            Err(fault) => {
                if self.refused.as_ref() != Some(&fault) {
                    tracing::error!(fault, "cannot use the changed certificate files, serving the old certificate");
                }
                self.refused = Some(fault);
            }
        }
    }
}

/// Returns the hosts that a certificate is issued for (RFC 5280, section 4.2.1.6).
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| format!("cannot parse the certificate: {error}"))?;
    let alternatives = parsed.subject_alternative_name().map_err(|error| format!("the certificate: {error}"))?;
    let names = alternatives.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    Ok(names.iter().filter_map(in_text).collect())
}

fn in_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

/// Returns whether a certificate name matches a host. A wildcard stands for exactly one label, the leftmost (RFC
/// 9525, section 6.3).
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let wildcard = name.strip_prefix("*.").zip(host.split_once('.'));
    wildcard.is_some_and(|(name, (label, rest))| !label.is_empty() && name.eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::SystemClock;

    const HOST: &str = "visits.example.org";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn files(&self) -> (PathBuf, PathBuf) {
            (self.0.path().join("certificate.pem"), self.0.path().join("key.pem"))
        }

        /// Writes a key pair for a host, valid between these years, and returns the certificate.
        fn write(&self, host: &str, (from, until): (i32, i32)) -> String {
            let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("signed").pem();
            std::fs::write(self.files().0, &certificate).expect("written");
            std::fs::write(self.files().1, key.serialize_pem()).expect("written");
            certificate
        }

        fn open(&self) -> Result<(Files, Shown), String> {
            let (shown, (certificate, key)) = (Shown::new(true), self.files());
            let files = Files::open((&certificate, &key), HOST, SystemClock.now(), shown.clone())?;
            Ok((files, shown))
        }
    }

    fn year(shown: &Shown) -> String {
        rfc3339_exact(shown.not_after().expect("known"))[..4].to_owned()
    }

    #[tokio::test]
    async fn a_renewed_pair_is_served_and_one_that_does_not_fit_is_not() {
        let folder = Folder::new();
        folder.write(HOST, (2020, 2100));
        let (mut files, shown) = folder.open().expect("a pair");
        let first = files.rustls().get_inner();
        files.reread(&SystemClock).await;
        assert!(Arc::ptr_eq(&first, &files.rustls().get_inner()), "nothing has changed");

        // The renewal has written the certificate but not the key yet.
        let old_key = std::fs::read(folder.files().1).expect("read");
        folder.write(HOST, (2020, 2101));
        let new_key = std::fs::read(folder.files().1).expect("read");
        std::fs::write(folder.files().1, old_key).expect("written");
        files.reread(&SystemClock).await;
        assert!(Arc::ptr_eq(&first, &files.rustls().get_inner()) && year(&shown) == "2100");
        assert!(files.refused.as_ref().is_some_and(|fault| fault.contains("do not match")), "{:?}", files.refused);
        std::fs::write(folder.files().1, new_key).expect("written");
        files.reread(&SystemClock).await;
        let second = files.rustls().get_inner();
        assert!(!Arc::ptr_eq(&first, &second) && year(&shown) == "2101" && files.refused.is_none());

        for (host, years) in [(HOST, (2020, 2021)), (HOST, (2100, 2101)), ("another.example.org", (2020, 2100))] {
            folder.write(host, years);
            files.reread(&SystemClock).await;
            assert!(Arc::ptr_eq(&second, &files.rustls().get_inner()), "{host} {years:?}");
        }
        std::fs::remove_file(folder.files().0).expect("removed");
        files.reread(&SystemClock).await;
        assert!(Arc::ptr_eq(&second, &files.rustls().get_inner()));
    }

    #[test]
    fn a_certificate_that_browsers_refuse_is_told_from_a_good_one() {
        let folder = Folder::new();
        let check = |host: &str, years| {
            folder.write(host, years);
            Pair::read(&folder.files().0, &folder.files().1).and_then(|pair| pair.check(HOST, SystemClock.now()))
        };
        for host in [HOST, "VISITS.example.org", "*.example.org"] {
            assert_eq!(check(host, (2020, 2100)), Ok(()), "{host}");
        }
        for (host, years, fault) in [
            (HOST, (2020, 2021), "expired on 2021-01-01"),
            (HOST, (2100, 2101), "not valid before 2100-01-01"),
            ("another.example.org", (2020, 2100), "is for another.example.org, but server.public_url is at visits"),
            ("*.org", (2020, 2100), "is for *.org"),
            ("*.visits.example.org", (2020, 2100), "is for *.visits"),
        ] {
            assert!(check(host, years).expect_err("a fault").contains(fault), "{host} {years:?}");
        }
        assert!(covers("2001:db8::1", "[2001:db8::1]"));
    }
}
