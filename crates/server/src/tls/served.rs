//! Selects the certificate of a connection: the challenge certificate for a validation by the certificate authority,
//! otherwise the current certificate.

use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::provider;

/// The ALPN protocol of a validation connection (RFC 8737, section 6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificates served for a host.
#[derive(Debug)]
pub(super) struct Served {
    host: String,
    /// The challenge certificate, while a challenge is in progress.
    challenge: RwLock<Option<Arc<CertifiedKey>>>,
    /// The certificate for all other connections, until it is replaced.
    certificate: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Served {
    /// Creates an empty set.
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), challenge: RwLock::default(), certificate: RwLock::default() }
    }

    /// Serves a certificate from now on.
    pub(super) fn serve(&self, certificate: Arc<CertifiedKey>) {
        set(&self.certificate, Some(certificate));
    }

    /// Returns the current certificate.
    pub(super) fn certificate(&self) -> Option<Arc<CertifiedKey>> {
        get(&self.certificate)
    }

    /// Starts serving a challenge certificate.
    pub(super) fn answer_challenge(&self, answer: Arc<CertifiedKey>) {
        set(&self.challenge, Some(answer));
    }

    /// Stops serving the challenge certificate.
    pub(super) fn end_challenge(&self) {
        set(&self.challenge, None);
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // RFC 8737, section 3: a validation connection offers only this protocol and sends the host name.
        if !hello.alpn().into_iter().flatten().eq([ACME_TLS]) {
            return self.certificate();
        }
        get(&self.challenge).filter(|_| hello.server_name() == Some(self.host.as_str()))
    }
}

fn get(slot: &RwLock<Option<Arc<CertifiedKey>>>) -> Option<Arc<CertifiedKey>> {
    slot.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(slot: &RwLock<Option<Arc<CertifiedKey>>>, certificate: Option<Arc<CertifiedKey>>) {
    *slot.write().unwrap_or_else(PoisonError::into_inner) = certificate;
}

/// Creates the self-signed challenge certificate, with the host as its only name and the digest of the key
/// authorization (RFC 8737, section 3).
///
/// # Errors
/// Why it cannot be created.
pub(super) fn challenge_certificate(host: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let (der, key) = signed(host, digest).map_err(|error| error.to_string())?;
    // Not `CertifiedKey::from_der`, which parses the certificate and rejects its unknown critical extension.
    let key = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(key)).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![der], key))
}

fn signed(
    host: &str,
    digest: &[u8],
) -> Result<(rustls::pki_types::CertificateDer<'static>, PrivatePkcs8KeyDer<'static>), rcgen::Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der())))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::server::Acceptor;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    const HOST: &str = "visits.example.org";

    /// Returns the certificate served to a client that connects to this host and offers these protocols.
    fn shown(served: &Served, host: &'static str, protocols: &[&[u8]]) -> Option<Arc<CertifiedKey>> {
        let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let client = client.expect("versions").with_root_certificates(RootCertStore::empty());
        let mut client = client.with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(host).expect("a name");
        let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("written");
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut &*hello).expect("read");
        let accepted = acceptor.accept().ok().flatten().expect("a whole hello");
        served.resolve(accepted.client_hello())
    }

    fn some_certificate() -> Arc<CertifiedKey> {
        Arc::new(challenge_certificate(HOST, &[7; 32]).expect("made"))
    }

    /// Returns whether the served certificate is the expected one, or both are absent.
    fn is(shown: Option<Arc<CertifiedKey>>, expected: Option<&Arc<CertifiedKey>>) -> bool {
        shown.as_ref().map(Arc::as_ptr) == expected.map(Arc::as_ptr)
    }

    #[test]
    fn what_is_served_stays_until_there_is_another_certificate() {
        let served = Served::new(HOST);
        let everyone = |served: &Served| [shown(served, HOST, &[]), shown(served, HOST, &[b"http/1.1"])];
        assert!(everyone(&served).into_iter().all(|one| one.is_none()));
        let [first, answer, second] = [(); 3].map(|()| some_certificate());
        served.serve(Arc::clone(&first));
        served.answer_challenge(answer);
        assert!(everyone(&served).into_iter().all(|one| is(one, Some(&first))));
        served.end_challenge();
        served.serve(Arc::clone(&second));
        assert!(everyone(&served).into_iter().all(|one| is(one, Some(&second))));
    }

    #[test]
    fn only_the_authority_is_shown_the_answer_to_its_challenge() {
        let served = Served::new(HOST);
        let [certificate, answer] = [(); 2].map(|()| some_certificate());
        served.serve(Arc::clone(&certificate));
        assert!(is(shown(&served, HOST, &[ACME_TLS]), None), "there is no challenge");
        served.answer_challenge(Arc::clone(&answer));
        assert!(is(shown(&served, HOST, &[ACME_TLS]), Some(&answer)));
        assert!(is(shown(&served, "another.example.org", &[ACME_TLS]), None));
        assert!(is(shown(&served, HOST, &[ACME_TLS, b"http/1.1"]), Some(&certificate)));
        served.end_challenge();
        assert!(is(shown(&served, HOST, &[ACME_TLS]), None));
    }

    #[test]
    fn the_answer_to_a_challenge_has_one_name_and_a_critical_digest() {
        let answer = some_certificate();
        let (_, parsed) = x509_parser::parse_x509_certificate(&answer.cert[0]).expect("parsed");
        let names = parsed.subject_alternative_name().expect("parsed").expect("there");
        assert_eq!(names.value.general_names, [x509_parser::extensions::GeneralName::DNSName(HOST)]);
        // RFC 8737, section 6.1: id-pe-acmeIdentifier, an OCTET STRING of 32 bytes.
        let identifier = parsed.extensions().iter().find(|one| one.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
        let identifier = identifier.expect("there");
        assert!(identifier.critical);
        assert_eq!(identifier.value, [&[4, 32][..], &[7; 32]].concat());
    }
}
