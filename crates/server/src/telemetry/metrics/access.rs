//! Access control for `/metrics`: clients on this machine, and clients with the metrics token.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::blocking::BlockingThread;
use crate::auth::bearer;
use crate::config::{Config, MetricsConfig};

/// Headers that reverse proxies add. A request with any of them does not come from this machine, even if its
/// connection does.
const PASSED_ON: [&str; 7] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server", "x-real-ip"];

/// Decides who may read the metrics.
#[derive(Debug)]
pub(crate) struct MetricsAccess {
    loopback: bool,
    token: RwLock<Option<SecretString>>,
    /// The configuration, including the path of the token file if there is one.
    config: MetricsConfig,
    blocking: BlockingThread,
}

impl MetricsAccess {
    /// Creates the access control and reads the token.
    ///
    /// # Errors
    /// One sentence that names the setting, if the token file cannot be read or contains no valid token.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let loopback = config.metrics.loopback && !config.server.is_behind_an_unnamed_proxy();
        if config.metrics.loopback && !loopback {
            tracing::warn!(
                "/metrics requires metrics.token: without server.trusted_proxies, requests through a reverse proxy on this machine cannot be recognized"
            );
        }
        let token = RwLock::new(config.metrics.token()?);
        let blocking = BlockingThread::new("bedside-metrics", Duration::from_secs(5));
        Ok(Self { loopback, token, config: config.metrics.clone(), blocking })
    }

    /// Reloads the token from its file. If the file cannot be read or contains no valid token, the old token stays
    /// valid.
    pub(crate) async fn reread(&self) {
        if self.config.token_file.is_none() {
            return;
        }
        let config = self.config.clone();
        match self.blocking.run(move || config.token()).await {
            Ok(Ok(token)) => *self.token.write().unwrap_or_else(PoisonError::into_inner) = token,
            Ok(Err(error)) => tracing::warn!(error, "cannot reload metrics token, keeping the old one"),
            Err(error) => tracing::warn!(%error, "cannot reload metrics token, keeping the old one"),
        }
    }

    /// Returns whether a request with these headers, over a connection from `peer`, may read the metrics.
    pub(crate) fn admits(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let passed_on = PASSED_ON.iter().any(|name| headers.contains_key(*name));
        (self.loopback && peer.to_canonical().is_loopback() && !passed_on) || self.knows(bearer(headers))
    }

    /// Compares the token in constant time.
    fn knows(&self, given: Option<&str>) -> bool {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(token), Some(given)) = (&*token, given) else { return false };
        Sha256::digest(given).ct_eq(&Sha256::digest(token.expose_secret())).into()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TOKEN: &str = "aLongTokenOfLettersAndDigits";

    fn admits(access: &MetricsAccess, peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (*name, *value));
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        access.admits(peer.parse().expect("an address"), &headers.collect())
    }

    fn with(loopback: bool, token: Option<&str>) -> MetricsAccess {
        let mut config = Config::default();
        config.metrics.loopback = loopback;
        config.metrics.token = token.map(SecretString::from);
        MetricsAccess::new(&config).expect("access control")
    }

    #[tokio::test]
    async fn another_token_in_the_file_is_taken_without_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.metrics.loopback = false;
        let file = folder.path().join("token");
        config.metrics.token_file = Some(file.clone());
        std::fs::write(&file, TOKEN).expect("written");
        let access = MetricsAccess::new(&config).expect("access control");
        let knows = |token: &'static str| access.knows(Some(token));
        assert!(knows(TOKEN));
        std::fs::write(&file, "anotherTokenOfLettersAndDigits\n").expect("written");
        access.reread().await;
        assert!(!knows(TOKEN) && knows("anotherTokenOfLettersAndDigits"));
        std::fs::write(&file, "").expect("half written");
        access.reread().await;
        assert!(knows("anotherTokenOfLettersAndDigits"));
    }

    #[test]
    fn only_this_machine_and_clients_with_the_token_are_let_in() {
        let access = with(true, Some(TOKEN));
        for here in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(admits(&access, here, &[]), "{here}");
            for name in PASSED_ON {
                assert!(!admits(&access, here, &[(name, "127.0.0.1")]), "{here} {name}");
            }
        }
        for elsewhere in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            assert!(!admits(&access, elsewhere, &[]), "{elsewhere}");
            assert!(!admits(&access, elsewhere, &[("authorization", "Bearer aLongTokenOfLettersAndDigitt")]));
            assert!(!admits(&access, elsewhere, &[("authorization", "Basic aLongTokenOfLettersAndDigits")]));
            assert!(admits(&access, elsewhere, &[("authorization", "Bearer aLongTokenOfLettersAndDigits")]));
            let over_a_proxy =
                [("authorization", "bearer aLongTokenOfLettersAndDigits"), ("x-forwarded-for", "192.0.2.9")];
            assert!(admits(&access, elsewhere, &over_a_proxy));
        }
        let closed = with(false, None);
        assert!(!admits(&closed, "127.0.0.1", &[("authorization", "Bearer ")]));
        assert!(!admits(&closed, "127.0.0.1", &[]));
    }
}
