use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bedside_visit::EmailAddress;
use rustls::pki_types::DnsName;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::{LimitsConfig, Network, is_loopback};

/// `[server]`: HTTP server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Public URL, such as `https://visits.example.org`: scheme, host, and port unless it is the scheme's default. It
    /// is used in links, and only pages of this origin may send state-changing requests. Plain `http` is accepted only
    /// for `localhost`: browsers give no camera access elsewhere.
    #[serde(deserialize_with = "normalized")]
    pub public_url: String,
    /// TLS settings.
    pub tls: TlsConfig,
    /// Reverse proxies whose `X-Forwarded-For` header is trusted. The header is ignored in requests from other peers.
    pub trusted_proxies: Vec<Network>,
    /// Limits on open connections.
    pub limits: LimitsConfig,
    /// Seconds that visits in progress may continue after the server is asked to stop (SIGTERM), 0 to 3600. No new
    /// visits start during that time. The server stops as soon as no visit is in progress.
    pub drain_seconds: u64,
}

/// `[server.tls]`: TLS settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TlsConfig {
    /// No TLS: for localhost, or behind a reverse proxy that terminates TLS.
    Off,
    /// Self-signed certificate generated at every start, for testing with a phone on the local network.
    SelfSigned,
    /// Certificate from files.
    Files {
        /// Certificate chain, PEM.
        certificate: PathBuf,
        /// Private key, PEM.
        key: PathBuf,
    },
    /// Certificate obtained and renewed automatically (ACME, RFC 8555) for the host of `server.public_url`. The
    /// certificate authority validates on port 443 (TLS-ALPN-01, RFC 8737).
    Acme(AcmeConfig),
}

/// ACME settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// E-mail address to which the certificate authority sends notices about the certificate.
    pub contact: String,
    /// Whether the operator has read the certificate authority's terms and agrees to them.
    pub agree_to_terms: bool,
    /// Folder for the account key and the certificate. Only the server's user may have access to it.
    #[serde(default = "cache")]
    pub cache: PathBuf,
    /// URL of the ACME directory.
    #[serde(default = "lets_encrypt")]
    pub directory: String,
    /// PEM file of root certificates to trust for the ACME directory instead of those of the operating system, for a
    /// private ACME CA.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

/// Normalizes an origin as browsers serialize it (URL Standard): lower case, punycode, no default port, no trailing
/// slash. Leaves an invalid origin to [`ServerConfig::validate`].
fn normalized<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let origin = Url::parse(text.trim()).ok().filter(|url| {
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        bare && url.username().is_empty() && url.password().is_none() && matches!(url.scheme(), "http" | "https")
    });
    Ok(origin.map_or(text, |url| url.origin().ascii_serialization()))
}

fn cache() -> PathBuf {
    PathBuf::from("data/acme")
}

fn lets_encrypt() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

impl AcmeConfig {
    /// Returns the contact URL for the certificate authority (RFC 8555, section 7.3).
    pub(crate) fn contact_url(&self) -> String {
        format!("mailto:{}", self.contact)
    }

    fn validate(&self, public_url: &str) -> Result<(), String> {
        let host = public_url.strip_prefix("https://").unwrap_or_default();
        let is_name = DnsName::try_from(host).is_ok() && host.parse::<IpAddr>().is_err();
        if !is_name || host.ends_with('.') || !host.contains('.') {
            return Err(format!(
                "server.tls: mode = \"acme\" requires a public host name on port 443 in server.public_url, not {public_url:?}"
            ));
        }
        if !self.agree_to_terms {
            return Err("server.tls.agree_to_terms: read the authority's terms, and set true if you agree".to_owned());
        }
        if self.contact.parse::<EmailAddress>().is_err() {
            return Err(format!("server.tls.contact: {:?} is not an e-mail address", self.contact));
        }
        if !self.directory.starts_with("https://") {
            return Err(format!("server.tls.directory: {:?} must begin with https://", self.directory));
        }
        Ok(())
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://localhost:8080".to_owned(),
            tls: TlsConfig::Off,
            trusted_proxies: Vec::new(),
            limits: LimitsConfig::default(),
            drain_seconds: 60,
        }
    }
}

impl ServerConfig {
    /// Returns whether the public URL uses `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Returns the host of the public URL, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.public_url.split_once("://").map_or("", |(_, authority)| authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            Some(_) | None => authority,
        }
    }

    /// Returns whether TLS is terminated by a reverse proxy that is not listed in `trusted_proxies`. Requests that it
    /// forwards cannot then be distinguished from requests by its own machine.
    #[must_use]
    pub fn is_behind_an_unnamed_proxy(&self) -> bool {
        self.is_secure() && self.tls == TlsConfig::Off && self.trusted_proxies.is_empty()
    }

    /// Returns how long visits in progress may continue after the server is asked to stop.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.drain_seconds > 3_600 {
            return Err(format!("server.drain_seconds: {} is too long; use at most 3600", self.drain_seconds));
        }
        self.limits.validate()?;
        let url = self.public_url.as_str();
        let Some((scheme, authority)) = url.split_once("://") else {
            return Err(format!("server.public_url: {url:?} is not a URL; write https://your.name"));
        };
        let plain = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if authority.is_empty() || !plain {
            return Err(format!(
                "server.public_url: {url:?} must be scheme and host only, without a path or trailing slash"
            ));
        }
        // Browsers send the origin in lower case; another spelling would not match.
        if url.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!("server.public_url: {url:?} must be in lower case"));
        }
        let local = is_loopback(self.host());
        match scheme {
            "https" => match &self.tls {
                TlsConfig::Acme(acme) => acme.validate(url),
                TlsConfig::Off | TlsConfig::SelfSigned | TlsConfig::Files { .. } => Ok(()),
            },
            "http" if local && self.tls == TlsConfig::Off => Ok(()),
            "http" if local => Err("server.public_url: must begin with https:// if server.tls is set".to_owned()),
            "http" => Err(format!(
                "server.public_url: {url:?} must begin with https:// (browsers block the camera on http:// outside localhost)"
            )),
            _ => Err(format!("server.public_url: {url:?} must begin with https://")),
        }
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::*;

    fn faults_of(public_url: &str, acme: &AcmeConfig) -> Option<String> {
        let tls = TlsConfig::Acme(acme.clone());
        ServerConfig { public_url: public_url.to_owned(), tls, ..ServerConfig::default() }.validate().err()
    }

    #[test]
    fn a_certificate_is_asked_for_a_public_name_and_on_agreed_terms() {
        let acme = AcmeConfig {
            contact: "it@example.org".to_owned(),
            agree_to_terms: true,
            cache: cache(),
            directory: lets_encrypt(),
            authority: None,
        };
        assert_eq!(faults_of("https://visits.example.org", &acme), None);
        for url in [
            "https://localhost",
            "https://203.0.113.7",
            "https://[2001:db8::1]",
            "https://visits.example.org:8443",
            "https://visits.example.org.",
            "https://visits..example.org",
            "https://Visits.example.org",
        ] {
            assert!(faults_of(url, &acme).is_some_and(|fault| fault.contains("server.public_url")), "{url}");
        }
        let wrong = |acme: AcmeConfig| faults_of("https://visits.example.org", &acme).expect("a fault");
        assert!(wrong(AcmeConfig { agree_to_terms: false, ..acme.clone() }).starts_with("server.tls.agree_to_terms: "));
        assert!(wrong(AcmeConfig { contact: "it".to_owned(), ..acme.clone() }).starts_with("server.tls.contact: "));
        let clear = AcmeConfig { directory: "http://ca.example.org".to_owned(), ..acme };
        assert!(wrong(clear).starts_with("server.tls.directory: "));
    }

    fn read(public_url: &str) -> Result<ServerConfig, Box<figment::Error>> {
        Figment::from(Toml::string(&format!("public_url = {public_url:?}"))).extract().map_err(Box::new)
    }

    #[test]
    fn the_public_address_is_written_as_browsers_write_it() {
        for (written, origin) in [
            ("https://visits.example.org:443", "https://visits.example.org"),
            ("https://Visits.Example.org/", "https://visits.example.org"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://büro.example.org", "https://xn--bro-hoa.example.org"),
            ("https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443"),
            ("HTTPS://visits.example.org:443", "https://visits.example.org"),
        ] {
            let config: ServerConfig = read(written).expect("it is read");
            assert_eq!(config.public_url, origin);
            assert_eq!(config.validate(), Ok(()), "{written}");
        }
        for wrong in ["https://visits.example.org/clinic", "https://a@visits.example.org", "visits.example.org", ""] {
            let config: ServerConfig = read(wrong).expect("it is read");
            assert!(config.validate().is_err(), "{wrong}");
        }
    }

    #[test]
    fn this_machine_is_named_by_any_of_its_names() {
        for url in ["http://localhost", "http://127.0.0.1:8080", "http://[::1]", "http://[::1]:8080"] {
            let config = ServerConfig { public_url: url.to_owned(), ..ServerConfig::default() };
            assert_eq!(config.validate(), Ok(()), "{url}");
        }
    }
}
