//! A real certificate authority: Pebble, the small ACME server for tests by Let's Encrypt, on loopback. It stores
//! nothing and creates a new root at every start. It resolves names with a separate resolver that answers every name
//! with this machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::Certificate;
use serde_json::json;
use tokio::net::UdpSocket;

use crate::desk::free_port;
use crate::support::soon;

/// Settings of the authority's behavior.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Validity of its certificates, in whole seconds.
    pub(crate) validity: Duration,
    /// Percentage of valid nonces that it refuses (RFC 8555, section 6.5).
    pub(crate) refused: u8,
}

impl Default for Manner {
    fn default() -> Self {
        Self { validity: Duration::from_secs(90 * 24 * 3600), refused: 0 }
    }
}

/// A process that is killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running certificate authority.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    port: u16,
    management: u16,
    dns: u16,
    /// The root of the certificate of its own API, PEM.
    own_root: String,
    pebble: Option<Running>,
    _resolver: Running,
}

impl Authority {
    /// Starts an authority that validates hosts on this port.
    pub(crate) async fn start(asks_back_on: u16, manner: Manner) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, management, dns) = (free_port(), free_port(), free_port());
        let (own_root, certificate, key) = certificate();
        for (file, text) in [("root.pem", &own_root), ("certificate.pem", &certificate), ("key.pem", &key)] {
            std::fs::write(folder.path().join(file), text).expect("written");
        }
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.path().join("certificate.pem"),
            "privateKey": folder.path().join("key.pem"),
            "httpPort": 0,
            "tlsPort": asks_back_on,
            "certificateValidityPeriod": manner.validity.as_secs(),
        } });
        std::fs::write(folder.path().join("pebble.json"), config.to_string()).expect("written");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-dns01", &format!("127.0.0.1:{dns}"), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        resolver.args(["-management", &format!("127.0.0.1:{}", free_port())]);
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]).env_clear();
        let resolver = start(&mut resolver, File::create(folder.path().join("resolver.log")).expect("made"));
        let mut authority = Self { folder, port, management, dns, own_root, pebble: None, _resolver: resolver };
        soon("the resolver", authority.resolves()).await;
        authority.restart(manner).await;
        authority
    }

    /// Waits until the resolver answers.
    async fn resolves(&self) {
        // A query for the address (A, IN) of `a` (RFC 1035, section 4.1).
        const QUESTION: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.connect(("127.0.0.1", self.dns)).await.expect("connected");
        let mut answer = [0; 512];
        loop {
            let asked = socket.send(QUESTION).await;
            let answered = tokio::time::timeout(Duration::from_millis(50), socket.recv(&mut answer)).await;
            match answered {
                Ok(Ok(_)) if asked.is_ok() => return,
                // The resolver is not listening yet.
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(_) => {}
            }
        }
    }

    /// Stops it if it is running, and starts it without any state. The validity of its certificates is unchanged.
    pub(crate) async fn restart(&mut self, manner: Manner) {
        self.stop();
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(self.folder.path().join("pebble.json"));
        pebble.args(["-dnsserver", &format!("127.0.0.1:{}", self.dns)]).env_clear();
        pebble.env("PEBBLE_WFE_NONCEREJECT", manner.refused.to_string());
        // Disables pauses, and validates the host for each certificate.
        pebble.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")]);
        let log = File::options().create(true).append(true).open(self.folder.path().join("pebble.log"));
        self.pebble = Some(start(&mut pebble, log.expect("made")));
        self.root().await;
    }

    pub(crate) fn stop(&mut self) {
        self.pebble = None;
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// Returns the root of its own API's certificate. This is not the root of the certificates it issues.
    pub(crate) fn own_root(&self) -> Certificate {
        Certificate::from_pem(self.own_root.as_bytes()).expect("a certificate")
    }

    /// Returns the path of that root.
    pub(crate) fn own_root_file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// Returns the root of the certificates it has issued since its last start.
    pub(crate) async fn root(&self) -> Certificate {
        let client = reqwest::Client::builder().tls_certs_only([self.own_root()]).no_proxy().build().expect("a client");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        let root = soon("the authority", async {
            loop {
                if let Ok(answer) = client.get(&url).send().await {
                    return answer.bytes().await.expect("a body");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Certificate::from_pem(&root.await).expect("a certificate")
    }

    /// Returns its log and its resolver's log.
    pub(crate) fn said(&self) -> String {
        ["pebble.log", "resolver.log"].map(|log| read(self.folder.path().join(log))).concat()
    }
}

fn start(command: &mut Command, log: File) -> Running {
    let errors = log.try_clone().expect("the same file");
    let started = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
    Running(started.unwrap_or_else(|error| panic!("{command:?}: {error}: run `cargo xtask test acme`")))
}

pub(crate) fn read(log: impl AsRef<Path>) -> String {
    std::fs::read_to_string(log).expect("a log")
}

/// Creates a root, and a certificate for this machine signed by it, with its key.
fn certificate() -> (String, String, String) {
    let mut root = CertificateParams::new([]).expect("no names");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "The authority's own root");
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().expect("a key")).expect("a root");
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let own = own.signed_by(&key, &root).expect("signed");
    (root.pem(), own.pem(), key.serialize_pem())
}
