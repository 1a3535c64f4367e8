//! Certificates: our own for trying a phone, or the operator's.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::Config;

/// The names a self-signed server is reached by: localhost, this machine's address, and the host of
/// the public address.
pub(crate) fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(local_address().map(|address| address.to_string()));
    let url = &config.server.public_url;
    let authority = url.split_once("://").map_or(url.as_str(), |(_, authority)| authority);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
    if !names.contains(&host) {
        names.push(host);
    }
    names
}

/// The address this machine would use towards the local network. Connecting a UDP socket sends
/// nothing; the address asked for is one for documentation (RFC 5737).
#[must_use]
pub fn local_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

pub(crate) async fn self_signed(names: &[String]) -> Result<RustlsConfig, String> {
    let made = rcgen::generate_simple_self_signed(names.to_vec()).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    server_config(vec![made.cert.der().clone()], key)
}

pub(crate) async fn files(certificate: &Path, key: &Path) -> Result<RustlsConfig, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("cannot read the certificate {}: {error}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("cannot read the private key {}: {error}", key.display()))?;
    server_config(chain, key)
}

/// TLS 1.2 and 1.3, HTTP/1.1 only: WebSockets need it, and pages are few files.
fn server_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<RustlsConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("the certificate and its key do not fit: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}
