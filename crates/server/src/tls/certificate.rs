//! Parses a certificate from the cache: the private key followed by the chain, in PEM format.

use std::sync::Arc;

use bedside_visit::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::provider;

/// A certificate that can be served.
#[derive(Debug)]
pub(super) struct Certificate {
    /// The chain and the private key.
    pub(super) certified: Arc<CertifiedKey>,
    /// When to order a replacement.
    pub(super) renew_at: Timestamp,
    /// When the certificate expires.
    pub(super) not_after: Timestamp,
}

impl Certificate {
    /// Parses a private key and chain.
    ///
    /// # Errors
    /// Why the certificate cannot be served. Contains no key material.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|error| format!("private key: {error}"))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("certificate: {error}"))?;
        let first = chain.first().ok_or("no certificate found")?;
        let (not_before, not_after) = validity(first)?;
        let certified = CertifiedKey::from_der(chain, PrivateKeyDer::Pkcs8(key), &provider())
            .map_err(|error| format!("certificate and key: {error}"))?;
        Ok(Self { certified: Arc::new(certified), renew_at: renew_at(not_before, not_after), not_after })
    }
}

/// Returns the validity period of a certificate (RFC 5280, section 4.1.2.5).
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| format!("cannot parse the certificate: {error}"))?;
    let validity = parsed.validity();
    let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    Ok((moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp())))
}

/// Returns the renewal time: two thirds of the validity period.
fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    not_after - not_after.since(not_before) / 3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Returns a key and a certificate valid from 1 January to 1 April 2026, in PEM format.
    fn made() -> (String, String) {
        let mut params = CertificateParams::new(["visits.example.org".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 4, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        (key.serialize_pem(), certificate.pem())
    }

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_time_are_over() {
        let (key, leaf) = made();
        let (_, issuer) = made();
        let certificate = Certificate::from_pem([&*key, "\n", &leaf, &issuer].concat().as_bytes()).expect("good");
        assert_eq!(certificate.certified.cert.len(), 2);
        // 1 January 2026.
        let not_before = Timestamp::from_millis(1_767_225_600_000);
        assert_eq!(certificate.renew_at, not_before + DAY * 60);
        assert_eq!(renew_at(not_before, not_before + DAY * 3), not_before + DAY * 2);
        assert_eq!(renew_at(not_before, not_before), not_before);
    }

    #[test]
    fn what_cannot_be_served_is_refused_without_a_word_of_the_key() {
        let (key, leaf) = made();
        let (other, _) = made();
        let secret = key.lines().nth(1).expect("base64").to_owned();
        let (swapped, no_key) = (other + &leaf, key.replace("PRIVATE KEY", "CERTIFICATE"));
        for pem in ["", "PEM?", &key, &leaf, &swapped, &no_key] {
            let fault = Certificate::from_pem(pem.as_bytes()).expect_err("a fault");
            assert!(!fault.contains(&secret), "{fault}");
        }
    }
}
