//! Automatic certificates by ACME (RFC 8555). A background task serves the cached certificate, sleeps until it is due
//! for renewal, orders a new one, serves it and writes it to the cache.

use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use bedside_visit::{Clock, Timestamp};
use rustls::server::ResolvesServerCert;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::authority::Authority;
use super::cache::Cache;
use super::cache::unusable;
use super::certificate::Certificate;
use super::http::Http;
use super::served::{ACME_TLS, Served};
use super::{HTTP, Shown, builder};
use crate::config::AcmeConfig;

/// The longest sleep before the clock is read again, because the machine may be suspended or its clock changed.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// Maximum number of times the retry delay doubles: up to 2^16 seconds, about 18 hours.
const MAX_DOUBLINGS: u32 = 16;

/// Returns the TLS configuration for a host and the task that obtains and renews its certificate. TLS handshakes fail
/// until the first certificate is available. Must be called within a Tokio runtime.
///
/// # Errors
/// The cache folder cannot be created, or there are no root certificates to verify the certificate authority with.
pub(crate) fn fetched(
    host: &str,
    acme: &AcmeConfig,
    clock: Arc<dyn Clock>,
    shown: Shown,
) -> Result<(RustlsConfig, JoinHandle<()>), String> {
    let cache = Cache::open(acme, host)
        .map_err(|error| format!("cannot create the folder {}: {error}", acme.cache.display()))?;
    let renewal = Renewal {
        authority: Authority::new(host, acme, Http::new(acme.authority.as_deref())?, cache.clone()),
        cache,
        served: Arc::new(Served::new(host)),
        clock,
        shown,
    };
    let mut rustls = builder()?.with_cert_resolver(Arc::clone(&renewal.served) as Arc<dyn ResolvesServerCert>);
    rustls.alpn_protocols = vec![HTTP.to_vec(), ACME_TLS.to_vec()];
    Ok((RustlsConfig::from_config(Arc::new(rustls)), tokio::spawn(renewal.run())))
}

/// The state of the renewal task.
struct Renewal {
    authority: Authority,
    cache: Cache,
    served: Arc<Served>,
    clock: Arc<dyn Clock>,
    shown: Shown,
}

impl Renewal {
    /// Obtains and renews certificates until the server stops.
    async fn run(mut self) {
        let mut renew_at = self.serve_cached().await;
        let mut failed = 0;
        loop {
            while let Some(left) = time_left(renew_at, self.clock.now()) {
                sleep(left.min(LONGEST_SLEEP)).await;
            }
            renew_at = self.renew().await.or(renew_at);
            // If the clocks differ, a new certificate may be due for renewal immediately. It must not be ordered
            // again without a delay.
            if time_left(renew_at, self.clock.now()).is_some() {
                failed = 0;
            } else {
                sleep(pause(failed)).await;
                failed += 1;
            }
        }
    }

    /// Serves the cached certificate, if there is one, and returns its renewal time.
    async fn serve_cached(&self) -> Option<Timestamp> {
        let cached = match self.cache.certificate().await {
            Ok(pem) => Certificate::from_pem(&pem?),
            Err(error) => Err(error.to_string()),
        };
        match cached {
            Ok(certificate) => {
                self.served.serve(certificate.certified);
                self.shown.set(certificate.not_after);
                tracing::info!("serving the cached certificate");
                Some(certificate.renew_at)
            }
            Err(error) => {
                unusable("certificate load", &error);
                None
            }
        }
    }

    /// Orders a certificate, serves it and writes it to the cache. Returns its renewal time, or `None` if the order
    /// failed.
    ///
    /// A certificate that cannot be written is still served until its renewal, because certificate authorities limit
    /// the number of certificates per week.
    async fn renew(&mut self) -> Option<Timestamp> {
        let ordered = self.authority.order(&self.served).await;
        let parsed = ordered.and_then(|pem| Ok((Certificate::from_pem(pem.as_bytes())?, pem)));
        match parsed {
            Ok((certificate, pem)) => {
                self.served.serve(certificate.certified);
                self.shown.set(certificate.not_after);
                tracing::info!("certificate issued");
                match self.cache.store_certificate(pem.as_bytes()).await {
                    Ok(()) => tracing::info!("certificate cached"),
                    Err(error) => unusable("certificate store", &error),
                }
                Some(certificate.renew_at)
            }
            Err(error) => {
                tracing::error!(%error, "cannot obtain a certificate, retrying later");
                None
            }
        }
    }
}

/// Returns the time until renewal. `None` if the certificate is due or there is none.
fn time_left(renew_at: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    renew_at.map(|at| at.since(now)).filter(|left| !left.is_zero())
}

/// Returns the delay after a failed order that follows `failed_before` consecutive failures.
fn pause(failed_before: u32) -> Duration {
    Duration::from_secs(1 << failed_before.min(MAX_DOUBLINGS))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::net::TcpListener;

    use super::*;
    use crate::SystemClock;

    const HOST: &str = "visits.example.org";

    fn renewal(cache: &Path, port: u16, answer_time: Duration) -> Renewal {
        let acme = AcmeConfig {
            contact: "it@example.org".to_owned(),
            agree_to_terms: true,
            cache: cache.to_owned(),
            directory: format!("https://127.0.0.1:{port}/directory"),
            authority: None,
        };
        let cache = Cache::open(&acme, HOST).expect("a folder");
        let http = Http::with_answer_time(None, answer_time).expect("a client");
        Renewal {
            authority: Authority::new(HOST, &acme, http, cache.clone()),
            cache,
            served: Arc::new(Served::new(HOST)),
            clock: Arc::new(SystemClock),
            shown: Shown::new(true),
        }
    }

    #[tokio::test]
    async fn an_authority_that_falls_silent_is_asked_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let renewal = renewal(folder.path(), port, Duration::from_millis(100));
        let asked = async {
            // Connections are held open and never answered.
            let first = silent.accept().await.expect("asked");
            let again = silent.accept().await.expect("asked again");
            drop((first, again));
        };
        tokio::select! {
            () = renewal.run() => unreachable!("it goes on"),
            asked = tokio::time::timeout(Duration::from_secs(20), asked) => asked.expect("asked twice"),
        }
    }

    #[tokio::test]
    async fn the_certificate_in_the_cache_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let renewal = renewal(folder.path(), 1, Duration::from_secs(1));
        assert_eq!(renewal.serve_cached().await, None, "nothing is there yet");
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("made");
        renewal.cache.store_certificate(made.cert.pem().as_bytes()).await.expect("written");
        assert_eq!(renewal.serve_cached().await, None, "it has no key");
        let whole = made.signing_key.serialize_pem() + "\n" + &made.cert.pem();
        renewal.cache.store_certificate(whole.as_bytes()).await.expect("written");
        let renew_at = renewal.serve_cached().await;
        assert!(time_left(renew_at, SystemClock.now()).is_some(), "good for centuries: {renew_at:?}");
        let served = renewal.served.certificate().expect("served");
        assert_eq!(served.cert, [made.cert.der().clone()]);
    }

    #[test]
    fn a_certificate_is_ordered_when_there_is_none_or_its_time_has_come() {
        let at = Timestamp::from_millis;
        assert_eq!(time_left(None, at(5_000)), None);
        assert_eq!(time_left(Some(at(5_001)), at(5_000)), Some(Duration::from_millis(1)));
        assert_eq!(time_left(Some(at(5_000)), at(5_000)), None);
        assert_eq!(time_left(Some(at(4_000)), at(5_000)), None);
    }

    #[test]
    fn pauses_double_up_to_18_hours() {
        let pauses = [0, 1, 2, 15, 16, 17, u32::MAX].map(|failed| pause(failed).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32_768, 65_536, 65_536, 65_536]);
    }
}
