//! TLS certificates: self-signed for testing on a phone, provided by the operator, or obtained and renewed by ACME.

mod acme;
mod authority;
mod cache;
mod certificate;
mod files;
mod http;
mod served;
mod shown;

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use bedside_visit::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WantsServerCert;
use rustls::{ConfigBuilder, ServerConfig};

use crate::app::start_error::StartError;
use crate::config::{Config, TlsConfig};

pub(crate) use acme::fetched;
pub(crate) use files::{Files, Pair};
pub(crate) use shown::Shown;

/// Returns the host names of a self-signed server as they appear in a URL: localhost, this machine's address, and the
/// host of the public URL.
pub(crate) fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(local_address().map(|address| address.to_string()));
    let host = config.server.host().to_owned();
    if !names.contains(&host) {
        names.push(host);
    }
    names
}

/// Returns this machine's address in the local network. Connecting a UDP socket sends nothing; the destination is
/// reserved for documentation (RFC 5737).
#[must_use]
pub fn local_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

pub(crate) fn self_signed(names: &[String]) -> Result<RustlsConfig, String> {
    // An IPv6 address has brackets in a URL, but not in a certificate.
    let names: Vec<String> = names.iter().map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    server_config(vec![made.cert.der().clone()], key).map(RustlsConfig::from_config)
}

/// Checks the TLS configuration, and reads the files that it names. Returns when the certificate expires, if one is
/// available.
///
/// # Errors
/// [`StartError::Tls`].
pub fn check_tls(config: &Config, now: Timestamp) -> Result<Option<Timestamp>, StartError> {
    let checked = match &config.server.tls {
        TlsConfig::Off | TlsConfig::SelfSigned => Ok(None),
        TlsConfig::Files { certificate, key } => Pair::read(certificate, key).and_then(|pair| {
            pair.check(config.server.host(), now)?;
            Ok(Some(pair.not_after))
        }),
        TlsConfig::Acme(acme) => http::Http::new(acme.authority.as_deref()).map(|_| None),
    };
    checked.map_err(StartError::Tls)
}

const HTTP: &[u8] = b"http/1.1";

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, String> {
    let mut config = builder()?
        .with_single_cert(chain, key)
        .map_err(|error| format!("the certificate and the key do not match: {error}"))?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Arc::new(config))
}

/// Starts a TLS 1.2 and 1.3 configuration with rustls's safe defaults: forward secrecy and AEAD.
fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, String> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| error.to_string())?.with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_signed_server_has_the_host_of_its_public_address() {
        for (public_url, host) in [
            ("https://visits.example.org", "visits.example.org"),
            ("https://visits.example.org:8443", "visits.example.org"),
            ("https://[2001:db8::1]", "[2001:db8::1]"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]"),
        ] {
            let mut config = Config::default();
            config.server.public_url = public_url.to_owned();
            assert_eq!(names(&config).last().map(String::as_str), Some(host), "{public_url}");
            self_signed(&names(&config)).expect("a certificate");
        }
    }
}
