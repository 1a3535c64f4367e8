//! Certificates from a real certificate authority: the real program and Pebble. Run by `cargo xtask test acme`, which
//! installs Pebble.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Certificate;
use reqwest::tls::TlsInfo;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::authority::{Authority, Manner, read};
use crate::canary::{Canary, hits};
use crate::desk::{Desk, Serving, free_port};

const NAME: &str = "visits.example.org";

/// An order takes some seconds, and several may fail first, with a pause after each.
const PATIENCE: Duration = Duration::from_secs(90);

/// Logged when a certificate was issued.
const GIVEN: &str = "certificate issued";

/// Logged when the certificate was written to the cache.
const CERTIFICATE_KEPT: &str = "certificate cached";

/// Logged when an account was created.
const NEW_ACCOUNT: &str = "ACME account registered, account key cached";

/// Logged after each failed order.
const FAILED_ORDER: &str = "cannot obtain a certificate, retrying later";

/// A clinic with a public name and a certificate from a certificate authority.
struct Clinic {
    desk: Desk,
    port: u16,
    config: String,
}

impl Clinic {
    /// Creates a clinic that uses an authority, and trusts these roots for its API.
    fn new(port: u16, authority: &Authority, roots: Option<PathBuf>) -> Self {
        let desk = Desk::new();
        let roots = roots.map_or_else(String::new, |roots| format!("authority = {:?}", roots.display().to_string()));
        let config = desk.config(&format!(
            "[server]\npublic_url = 'https://{NAME}'\n[server.tls]\nmode = 'acme'\ncontact = 'it@example.org'\n\
             agree_to_terms = true\ndirectory = '{}'\n{roots}\n",
            authority.directory()
        ));
        desk.run(&["--config", &config, "check-config"]).worked();
        Self { desk, port, config }
    }

    fn serve(&self) -> Serving {
        self.serve_saying("info")
    }

    fn serve_saying(&self, levels: &str) -> Serving {
        let log = File::options().create(true).append(true).open(self.desk.path("log")).expect("made");
        let arguments = ["--config", &self.config, "serve"];
        Serving::start_as(format!("https://{NAME}"), &self.desk, &arguments, self.port, levels, Stdio::from(log))
    }

    fn log(&self) -> String {
        read(self.desk.path("log"))
    }

    /// Returns the files in the cache.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.desk.path("data/acme")).expect("a folder");
        folder.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Returns the certificate served to a client that trusts only this root.
    async fn certificate(&self, root: &Certificate) -> Result<Vec<u8>, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_certs_only([root.clone()])
            .tls_info(true)
            .resolve(NAME, ([127, 0, 0, 1], self.port).into())
            .no_proxy()
            .build()
            .expect("a client");
        let answer = client.get(format!("https://{NAME}/livez")).send().await?;
        assert_eq!(answer.status().as_u16(), 200);
        let shown = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        Ok(shown.expect("a certificate").to_vec())
    }

    /// Returns the first certificate that is served.
    async fn first(&self, root: &Certificate, authority: &Authority) -> Vec<u8> {
        let mut shown = self.certificate(root).await;
        self.until("a certificate", authority, async || {
            shown = self.certificate(root).await;
            shown.is_ok()
        })
        .await;
        shown.expect("waited for")
    }

    /// Polls until the condition holds.
    #[allow(clippy::disallowed_methods, reason = "deadlines of real time")]
    async fn until(&self, what: &str, authority: &Authority, mut so: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !so().await {
            let (log, said) = (self.log(), authority.said());
            assert!(begun.elapsed() < PATIENCE, "timed out waiting for {what}:\n{log}\nthe authority:\n{said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn an_authority_gives_a_certificate_that_outlives_a_restart() {
    let port = free_port();
    let mut authority = Authority::start(port, Manner::default()).await;
    let clinic = Clinic::new(port, &authority, Some(authority.own_root_file()));
    let serving = clinic.serve_saying("trace");
    let root = authority.root().await;
    let first = clinic.first(&root, &authority).await;
    assert!(clinic.certificate(&authority.own_root()).await.is_err(), "the certificate comes from no other root");

    let cache = PathBuf::from(clinic.desk.path("data/acme"));
    let mode = |path: &PathBuf| Permissions::mode(&path.metadata().expect("there").permissions()) & 0o777;
    clinic.until("account and certificate", &authority, async || clinic.log().contains(CERTIFICATE_KEPT)).await;
    assert_eq!(mode(&cache), 0o700);
    let kept = clinic.kept();
    assert_eq!(kept.len(), 2, "account and certificate: {kept:?}");
    assert!(kept.iter().all(|file| mode(file) == 0o600), "only the owner can read the files: {kept:?}");

    authority.stop();
    serving.terminate();
    let _serving = clinic.serve_saying("trace");
    assert_eq!(clinic.first(&root, &authority).await, first);
    let log = clinic.log();
    let (given, failed) = (count(&log, GIVEN), count(&log, FAILED_ORDER));
    assert_eq!((given, failed), (1, 0), "{}", authority.said());
    let keys: Vec<Canary> = kept.iter().map(|file| Canary::new("a private key", private_key(file))).collect();
    assert_eq!(hits(&keys, "the log", log.as_bytes()), Vec::<String>::new());
    assert!(log.contains("reqwest::connect") && !log.contains("PRIVATE KEY"), "the libraries log at the highest level");
}

/// Returns the private key on curve P-256 from a file, PKCS #8 in DER or PEM (RFC 5915, section 3).
fn private_key(file: &PathBuf) -> Vec<u8> {
    const BEFORE: [u8; 5] = [2, 1, 1, 4, 32];
    let bytes = std::fs::read(file).expect("kept");
    let key = PrivatePkcs8KeyDer::from_pem_slice(&bytes).map_or(bytes, |key| key.secret_pkcs8_der().to_vec());
    let at = key.windows(BEFORE.len()).position(|window| window == BEFORE).expect("a key") + BEFORE.len();
    key[at..at + 32].to_vec()
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn a_certificate_is_renewed_while_the_program_runs() {
    let port = free_port();
    let manner = Manner { validity: Duration::from_secs(20), ..Manner::default() };
    let authority = Authority::start(port, manner).await;
    let clinic = Clinic::new(port, &authority, Some(authority.own_root_file()));
    let _serving = clinic.serve();
    let root = authority.root().await;
    let first = clinic.first(&root, &authority).await;
    clinic
        .until("another certificate", &authority, async || {
            // Meanwhile clients are served a valid certificate: the client checks the time too.
            clinic.certificate(&root).await.expect("a certificate") != first
        })
        .await;
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn a_certificate_that_cannot_be_kept_is_served() {
    let port = free_port();
    let authority = Authority::start(port, Manner::default()).await;
    let clinic = Clinic::new(port, &authority, Some(authority.own_root_file()));
    let serving = clinic.serve();
    let root = authority.root().await;
    let first = clinic.first(&root, &authority).await;
    clinic.until("account and certificate", &authority, async || clinic.log().contains(CERTIFICATE_KEPT)).await;
    serving.terminate();

    let kept = clinic.kept();
    let is_certificate = |file: &&PathBuf| file.display().to_string().contains("certificate-");
    let certificate = kept.iter().find(is_certificate).expect("kept");
    std::fs::remove_file(certificate).expect("removed");
    // A folder is in the place of the file.
    std::fs::create_dir(certificate.with_extension("new")).expect("made");
    let _serving = clinic.serve();
    assert_ne!(clinic.first(&root, &authority).await, first);
    clinic
        .until("a log line about it", &authority, async || {
            clinic.log().contains("cannot use the certificate cache (server.tls.cache)")
        })
        .await;
    let log = clinic.log();
    let counts = [GIVEN, NEW_ACCOUNT, FAILED_ORDER].map(|text| count(&log, text));
    assert_eq!(counts, [2, 1, 0], "one order at each start, with the same account: {log}");
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn an_authority_that_forgot_the_account_is_given_a_new_one() {
    let port = free_port();
    let manner = Manner { validity: Duration::from_secs(20), ..Manner::default() };
    let mut authority = Authority::start(port, manner).await;
    let clinic = Clinic::new(port, &authority, Some(authority.own_root_file()));
    let _serving = clinic.serve();
    clinic.first(&authority.root().await, &authority).await;
    authority.restart(manner).await;
    clinic.first(&authority.root().await, &authority).await;
    clinic.until("the certificate in the cache", &authority, async || count(&clinic.log(), CERTIFICATE_KEPT) > 1).await;
    let log = clinic.log();
    assert_eq!(count(&log, NEW_ACCOUNT), 2, "{log}");
    assert_eq!(clinic.kept().len(), 2, "the old files were replaced: {:?}", clinic.kept());
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn what_the_authority_finds_wrong_with_the_host_is_in_the_log() {
    let authority = Authority::start(free_port(), Manner::default()).await;
    // Nothing listens on the port that the authority validates.
    let clinic = Clinic::new(free_port(), &authority, Some(authority.own_root_file()));
    let _serving = clinic.serve();
    clinic.until("a failed order", &authority, async || count(&clinic.log(), FAILED_ORDER) > 0).await;
    let log = clinic.log();
    let failure = log.lines().find(|line| line.contains(FAILED_ORDER)).expect("waited for");
    for part in ["cannot validate the host", "Failed to connect to 127.0.0.1", "urn:ietf:params:acme:error:"] {
        assert!(failure.contains(part), "{log}");
    }
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn an_authority_whose_roots_are_not_trusted_is_told_nothing() {
    let port = free_port();
    let authority = Authority::start(port, Manner::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let others = folder.path().join("others.pem");
    let other = rcgen::generate_simple_self_signed(["ca.example.org".to_owned()]).expect("made");
    std::fs::write(&others, other.cert.pem()).expect("written");
    // The public roots, and those of another authority.
    for roots in [None, Some(others)] {
        let clinic = Clinic::new(port, &authority, roots);
        let _serving = clinic.serve();
        clinic.until("a second try", &authority, async || count(&clinic.log(), FAILED_ORDER) > 1).await;
        let log = clinic.log();
        let failures: Vec<&str> = log.lines().filter(|line| line.contains(FAILED_ORDER)).collect();
        assert!(failures.iter().all(|failure| failure.contains("UnknownIssuer")), "{log}");
        assert!(clinic.certificate(&authority.root().await).await.is_err());
    }
    assert!(!authority.said().contains("/dir "), "{}", authority.said());
}

#[tokio::test]
#[ignore = "needs Pebble: cargo xtask test acme"]
async fn orders_are_retried_until_the_authority_issues_a_certificate() {
    let port = free_port();
    let mut authority = Authority::start(port, Manner { refused: 100, ..Manner::default() }).await;
    let clinic = Clinic::new(port, &authority, Some(authority.own_root_file()));
    let _serving = clinic.serve();
    clinic.until("two refusals", &authority, async || count(&clinic.log(), FAILED_ORDER) > 1).await;
    assert!(clinic.log().contains("urn:ietf:params:acme:error:badNonce"), "{}", clinic.log());
    assert!(clinic.certificate(&authority.root().await).await.is_err());

    authority.restart(Manner::default()).await;
    clinic.first(&authority.root().await, &authority).await;
}
