//! Certificates: our own for trying a phone, the operator's, or an authority's that are fetched and renewed (ACME).

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use futures_util::StreamExt as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WantsServerCert;
use rustls::{ConfigBuilder, ServerConfig};
use rustls_acme::acme::ACME_TLS_ALPN_NAME;
use rustls_acme::caches::DirCache;
use tokio::task::JoinHandle;

use crate::config::{AcmeConfig, Config};

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

/// A certificate for the host of the public address, from an authority. Until the first one is there, nothing is
/// answered. Must be called in a runtime: a task of its own fetches and renews.
pub(crate) fn acme(config: &Config, acme: &AcmeConfig) -> Result<(RustlsConfig, JoinHandle<()>), String> {
    let host = config.server.public_url.trim_start_matches("https://");
    keep_to_ourselves(&acme.cache)
        .map_err(|error| format!("cannot make the folder {}: {error}", acme.cache.display()))?;
    let mut state = rustls_acme::AcmeConfig::new_with_provider([host], provider())
        .contact_push(format!("mailto:{}", acme.contact))
        .directory(&acme.directory)
        .cache(DirCache::new(acme.cache.clone()))
        .state();
    let mut rustls = builder()?.with_cert_resolver(state.resolver());
    rustls.alpn_protocols = vec![HTTP.to_vec(), ACME_TLS_ALPN_NAME.to_vec()];
    let renewal = tokio::spawn(async move {
        while let Some(event) = state.next().await {
            match event {
                Ok(event) => tracing::info!(?event, "the certificate"),
                Err(error) => tracing::error!(%error, "the certificate could not be fetched; it is tried again"),
            }
        }
    });
    Ok((RustlsConfig::from_config(Arc::new(rustls)), renewal))
}

/// A folder that nobody else may look into.
fn keep_to_ourselves(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

const HTTP: &[u8] = b"http/1.1";

fn server_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<RustlsConfig, String> {
    let mut config = builder()?
        .with_single_cert(chain, key)
        .map_err(|error| format!("the certificate and its key do not fit: {error}"))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// TLS 1.2 and 1.3, with what rustls holds safe: forward secrecy and AEAD.
fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, String> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| error.to_string())?.with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
