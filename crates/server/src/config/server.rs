use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bedside_visit::EmailAddress;
use rustls::pki_types::DnsName;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::{LimitsConfig, Network, is_loopback};

/// `[server]`: how pages and API are reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The address people type, such as `https://visits.example.org`: scheme, host, and port unless
    /// it is the scheme's own. Links are made with it, and only pages of this origin may send
    /// commands. Plain `http` is accepted for `localhost` alone: browsers give no camera elsewhere.
    #[serde(deserialize_with = "normalized")]
    pub public_url: String,
    /// Encryption of the connection.
    pub tls: TlsConfig,
    /// Reverse proxies whose `X-Forwarded-For` is believed. Everybody else's is not read.
    pub trusted_proxies: Vec<Network>,
    /// How much may be open at a time.
    pub limits: LimitsConfig,
    /// How long visits under way may go on when the program is asked to stop (SIGTERM), seconds,
    /// 0 to 3600. Nothing new begins meanwhile; it stops as soon as no visit is under way.
    pub drain_seconds: u64,
}

/// `[server.tls]`: encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TlsConfig {
    /// None here: for localhost, or behind a reverse proxy that does it.
    Off,
    /// A certificate made at every start, for trying a phone on the local network.
    SelfSigned,
    /// A certificate of your own.
    Files {
        /// The certificate chain, PEM.
        certificate: PathBuf,
        /// Its private key, PEM.
        key: PathBuf,
    },
    /// A certificate that the program fetches and renews by itself (ACME, RFC 8555), for the host of
    /// `server.public_url`. The authority asks back on port 443 (TLS-ALPN-01, RFC 8737).
    Acme(AcmeConfig),
}

/// What is asked of an authority that gives certificates by ACME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// The e-mail address the authority writes to when something is wrong with the certificate.
    pub contact: String,
    /// That whoever runs this has read the authority's terms, and agrees to them.
    pub agree_to_terms: bool,
    /// The folder for the account's key and the certificate. Only this program's user may read it.
    #[serde(default = "cache")]
    pub cache: PathBuf,
    /// The authority's directory.
    #[serde(default = "lets_encrypt")]
    pub directory: String,
    /// The roots, PEM, that the directory's own certificate must come from, and no others: for an authority of the
    /// clinic's own. Without it, those of the operating system.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

/// An origin as browsers write it (URL Standard): small letters, punycode, no default port, no final slash. What is none is
/// left for [`ServerConfig::validate`].
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
    /// The contact as the authority is told it (RFC 8555, section 7.3).
    pub(crate) fn contact_url(&self) -> String {
        format!("mailto:{}", self.contact)
    }

    fn validate(&self, public_url: &str) -> Result<(), String> {
        let host = public_url.strip_prefix("https://").unwrap_or_default();
        let is_name = DnsName::try_from(host).is_ok() && host.parse::<IpAddr>().is_err();
        if !is_name || host.ends_with('.') || !host.contains('.') {
            return Err(format!(
                "server.tls: mode = \"acme\" needs a public name on port 443 in server.public_url, not {public_url:?}"
            ));
        }
        if !self.agree_to_terms {
            return Err("server.tls.agree_to_terms: read the authority's terms, and write true if you agree".to_owned());
        }
        if self.contact.parse::<EmailAddress>().is_err() {
            return Err(format!("server.tls.contact: {:?} is no e-mail address", self.contact));
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
    /// Whether people reach this over `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The host of the address people type, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.public_url.split_once("://").map_or("", |(_, authority)| authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            Some(_) | None => authority,
        }
    }

    /// Whether something in front of the program does the encryption, and is not named in `trusted_proxies`: then
    /// nothing tells what it passes on from what comes from its machine.
    #[must_use]
    pub fn is_behind_an_unnamed_proxy(&self) -> bool {
        self.is_secure() && self.tls == TlsConfig::Off && self.trusted_proxies.is_empty()
    }

    /// How long visits under way may go on when the program is asked to stop.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.drain_seconds > 3_600 {
            return Err(format!("server.drain_seconds: {} is too long; at most 3600", self.drain_seconds));
        }
        self.limits.validate()?;
        let url = self.public_url.as_str();
        let Some((scheme, authority)) = url.split_once("://") else {
            return Err(format!("server.public_url: {url:?} is no address; write https://your.name"));
        };
        let plain = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if authority.is_empty() || !plain {
            return Err(format!(
                "server.public_url: {url:?} must be scheme and host only, without a path or a final /"
            ));
        }
        // Browsers say it so; another spelling would be another origin.
        if url.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!("server.public_url: {url:?} must be in small letters"));
        }
        let local = is_loopback(self.host());
        match scheme {
            "https" => match &self.tls {
                TlsConfig::Acme(acme) => acme.validate(url),
                TlsConfig::Off | TlsConfig::SelfSigned | TlsConfig::Files { .. } => Ok(()),
            },
            "http" if local && self.tls == TlsConfig::Off => Ok(()),
            "http" if local => Err("server.public_url: with server.tls on it begins with https://".to_owned()),
            "http" => Err(format!(
                "server.public_url: {url:?} must begin with https:// (browsers give no camera to http:// outside localhost)"
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
