//! TLS: accepted and refused versions and cipher suites.

use std::os::unix::fs::PermissionsExt as _;

use bedside::config::{AcmeConfig, TlsConfig};
use reqwest::tls::Version;

use crate::support::{Server, raw};

async fn encrypted() -> Server {
    Server::start_with(|config| {
        config.server.tls = TlsConfig::SelfSigned;
        config.server.public_url = config.server.public_url.replace("http://", "https://");
    })
    .await
}

/// ECDHE with AES-GCM, for ECDSA and RSA certificates.
const GOOD: [u16; 4] = [0xc02b, 0xc02c, 0xc02f, 0xc030];
/// CBC, and RSA key exchange.
const BAD: [u16; 4] = [0xc009, 0xc013, 0x002f, 0x009c];

/// Returns the ClientHello of a client that supports no newer version (RFC 5246, section 7.4.1.2).
fn hello(version: [u8; 2], ciphers: [u16; 4]) -> Vec<u8> {
    let ciphers: Vec<u8> = ciphers.into_iter().flat_map(u16::to_be_bytes).collect();
    // Supported groups, point formats and signature algorithms.
    let extensions: [u8; 22] = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 8]);
    body.extend(ciphers);
    body.extend([1, 0]);
    body.extend([0, 22]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).expect("short");
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat()
}

#[tokio::test]
async fn versions_before_tls_1_2_are_refused() {
    let server = encrypted().await;
    // A fatal alert and nothing else: protocol_version or handshake_failure (RFC 8446, section 6.2).
    let alert = |description: u8| String::from_utf8(vec![21, 3, 3, 0, 2, 2, description]).expect("small numbers");
    for (name, hello, description) in [
        ("SSL 3.0", hello([3, 0], GOOD), 70),
        ("TLS 1.0", hello([3, 1], GOOD), 70),
        ("TLS 1.1", hello([3, 2], GOOD), 70),
        ("TLS 1.2, but only CBC, or without forward secrecy", hello([3, 3], BAD), 40),
    ] {
        assert_eq!(raw(&server, hello).await, alert(description), "{name}");
    }
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .tls_version_min(version)
            .tls_version_max(version)
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("https://localhost:{}/healthz", server.address.port());
        let answer = client.get(url).send().await.unwrap_or_else(|error| panic!("{version:?}: {error:?}"));
        assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_11), "{version:?}");
    }
}

#[tokio::test]
async fn nothing_is_answered_in_clear() {
    let server = encrypted().await;
    let answer = raw(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
}

/// The certificate authority cannot be reached: there is no certificate yet, and no fallback to plain HTTP.
#[tokio::test]
async fn until_there_is_a_certificate_nothing_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("acme");
    let acme = AcmeConfig {
        contact: "it@example.org".to_owned(),
        agree_to_terms: true,
        cache: cache.clone(),
        directory: "https://127.0.0.1:1/directory".to_owned(),
        authority: None,
    };
    let server = Server::start_with(|config| {
        config.server.public_url = "https://visits.example.org".to_owned();
        config.server.tls = TlsConfig::Acme(acme);
    })
    .await;
    let url = format!("https://localhost:{}/healthz", server.address.port());
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().expect("a client");
    assert!(client.get(url).send().await.is_err());
    assert!(!raw(&server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.contains("HTTP"));
    let mode = std::fs::metadata(&cache).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "only the owner can access the folder");
    server.stop().await;
}
