//! A certificate that an authority gives and renews (ACME, RFC 8555), which asks back by TLS-ALPN-01 (RFC 8737).

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use futures_util::StreamExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_acme::acme::ACME_TLS_ALPN_NAME;
use rustls_acme::{AcmeState, Event, EventError, EventOk, ResolvesServerCertAcme, is_tls_alpn_challenge};
use tokio::task::JoinHandle;

use super::cache::Cache;
use super::{HTTP, builder, provider};
use crate::config::AcmeConfig;

/// How long nothing is heard of fetching before it begins anew, from the cache. The library has no time-out for an
/// authority that takes a connection and never answers, and would wait for it until the certificate has run out. Between
/// two tries it waits for 18 hours (2^16 seconds) at most.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// A certificate for a host. Until the first one is there, nothing is answered. Must be called in a runtime: a task of
/// its own fetches and renews.
pub(crate) fn fetched(host: &str, acme: &AcmeConfig) -> Result<(RustlsConfig, JoinHandle<()>), String> {
    Cache::open(&acme.cache).map_err(|error| format!("cannot make the folder {}: {error}", acme.cache.display()))?;
    let fetching = Fetching {
        host: host.to_owned(),
        trusted: acme.authority.as_deref().map(trusting).transpose()?,
        acme: acme.clone(),
    };
    let state = fetching.begin();
    let served = Arc::new(Served::new(&state));
    let mut rustls = builder()?.with_cert_resolver(Arc::clone(&served) as Arc<dyn ResolvesServerCert>);
    rustls.alpn_protocols = vec![HTTP.to_vec(), ACME_TLS_ALPN_NAME.to_vec()];
    let renewal = tokio::spawn(async move { fetching.keep_on(state, &served, SILENCE).await });
    Ok((RustlsConfig::from_config(Arc::new(rustls)), renewal))
}

/// Trusts the roots in a file, and no others.
pub(super) fn trusting(roots: &Path) -> Result<Arc<ClientConfig>, String> {
    let fault =
        |error: &dyn std::fmt::Display| format!("cannot read the authority's roots {}: {error}", roots.display());
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots).map_err(|error| fault(&error))? {
        store.add(root.map_err(|error| fault(&error))?).map_err(|error| fault(&error))?;
    }
    if store.is_empty() {
        return Err(fault(&"there is no certificate in it (PEM)"));
    }
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let client = client.map_err(|error| error.to_string())?;
    Ok(Arc::new(client.with_root_certificates(store).with_no_client_auth()))
}

/// What is asked for, and of whom.
struct Fetching {
    host: String,
    acme: AcmeConfig,
    /// What trusts the authority's own certificate; nothing where it is public.
    trusted: Option<Arc<ClientConfig>>,
}

impl Fetching {
    /// Begins: with what is in the cache, or with an order.
    fn begin(&self) -> AcmeState<io::Error> {
        let asked = rustls_acme::AcmeConfig::new_with_provider([&self.host], provider())
            .contact_push(format!("mailto:{}", self.acme.contact))
            .directory(&self.acme.directory)
            .cache(Cache::at(&self.acme.cache));
        match &self.trusted {
            Some(trusted) => asked.client_tls_config(Arc::clone(trusted)).state(),
            None => asked.state(),
        }
    }

    /// Fetches and renews, for as long as the program runs.
    async fn keep_on(&self, mut state: AcmeState<io::Error>, served: &Served, silence: Duration) {
        // A certificate that could not be kept would be ordered again each time, and authorities give only so many a week.
        let mut is_kept = true;
        loop {
            match tokio::time::timeout(silence, state.next()).await {
                Ok(Some(event)) => {
                    is_kept = !matches!(event, Err(EventError::CertCacheStore(_)));
                    if matches!(event, Ok(EventOk::DeployedCachedCert | EventOk::DeployedNewCert)) {
                        served.serve();
                    }
                    tell(event);
                }
                Err(_) if !is_kept => {}
                Ok(None) | Err(_) => {
                    state = self.begin();
                    served.ask(&state);
                }
            }
        }
    }
}

fn tell(event: Event<io::Error, io::Error>) {
    match event {
        Ok(EventOk::DeployedCachedCert) => tracing::info!("the certificate is the one in the cache"),
        Ok(EventOk::DeployedNewCert) => tracing::info!("the authority gave a certificate"),
        Ok(EventOk::CertCacheStore) => tracing::info!("the certificate is in the cache"),
        Ok(EventOk::AccountCacheStore) => tracing::info!("the key of a new account with the authority is in the cache"),
        Err(error @ (EventError::Order(_) | EventError::NewCertParse(_))) => {
            tracing::error!(%error, "the certificate could not be fetched; it is tried again");
        }
        Err(
            error @ (EventError::CertCacheLoad(_)
            | EventError::AccountCacheLoad(_)
            | EventError::CertCacheStore(_)
            | EventError::AccountCacheStore(_)
            | EventError::CachedCertParse(_)),
        ) => tracing::error!(%error, "the cache of the certificate (server.tls.cache) cannot be used"),
    }
}

/// What is shown to whoever connects: to the authority what it asks for, to everybody else the last certificate there is.
#[derive(Debug)]
struct Served {
    asked: RwLock<Arc<ResolvesServerCertAcme>>,
    certified: RwLock<Arc<ResolvesServerCertAcme>>,
}

impl Served {
    fn new(state: &AcmeState<io::Error>) -> Self {
        Self { asked: RwLock::new(state.resolver()), certified: RwLock::new(state.resolver()) }
    }

    /// The authority is asked anew. What is served stays until that has a certificate.
    fn ask(&self, state: &AcmeState<io::Error>) {
        *self.asked.write().unwrap_or_else(PoisonError::into_inner) = state.resolver();
    }

    /// What was asked last has a certificate now.
    fn serve(&self) {
        let asked = of(&self.asked);
        *self.certified.write().unwrap_or_else(PoisonError::into_inner) = asked;
    }
}

fn of(one: &RwLock<Arc<ResolvesServerCertAcme>>) -> Arc<ResolvesServerCertAcme> {
    Arc::clone(&one.read().unwrap_or_else(PoisonError::into_inner))
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let one = if is_tls_alpn_challenge(&hello) { &self.asked } else { &self.certified };
        of(one).resolve(hello)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn fetching(cache: &Path, port: u16) -> Fetching {
        let acme = AcmeConfig {
            contact: "it@example.org".to_owned(),
            agree_to_terms: true,
            cache: cache.to_owned(),
            directory: format!("https://127.0.0.1:{port}/directory"),
            authority: None,
        };
        Fetching { host: "visits.example.org".to_owned(), acme, trusted: None }
    }

    #[tokio::test]
    async fn an_authority_that_falls_silent_is_asked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let fetching = fetching(folder.path(), silent.local_addr().expect("an address").port());
        let state = fetching.begin();
        let served = Served::new(&state);
        let asked = async {
            // Held open, and never answered.
            let first = silent.accept().await.expect("asked");
            let again = silent.accept().await.expect("asked again");
            drop((first, again));
        };
        tokio::select! {
            () = fetching.keep_on(state, &served, Duration::from_millis(100)) => unreachable!("it goes on"),
            asked = tokio::time::timeout(Duration::from_secs(20), asked) => asked.expect("asked twice"),
        }
    }

    #[test]
    fn what_is_served_stays_until_there_is_another_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let fetching = fetching(folder.path(), 1);
        let (before, anew) = (fetching.begin(), fetching.begin());
        let served = Served::new(&before);
        let is = |one, state: &AcmeState<io::Error>| Arc::ptr_eq(&of(one), &state.resolver());
        served.ask(&anew);
        assert!(is(&served.asked, &anew) && is(&served.certified, &before));
        served.serve();
        assert!(is(&served.asked, &anew) && is(&served.certified, &anew));
    }

    #[test]
    fn an_authority_of_ones_own_is_named_by_its_roots() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("roots.pem");
        let fault = || trusting(&file).expect_err("a fault");
        assert!(fault().contains("roots.pem"), "{}", fault());
        let (broken, no_certificate) = ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM?");
        for text in [broken, no_certificate] {
            std::fs::write(&file, text).expect("written");
            assert!(fault().contains("roots.pem"), "{}", fault());
        }
        let one = || rcgen::generate_simple_self_signed(["ca.example.org".to_owned()]).expect("made").cert.pem();
        std::fs::write(&file, one() + &one()).expect("written");
        trusting(&file).expect("two roots");
    }
}
