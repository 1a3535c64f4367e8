use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LimitsConfig, Network};

/// `[server]`: how pages and API are reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The address people type, such as `https://visits.example.org`: scheme, host, and port unless
    /// it is the scheme's own. Links are made with it, and only pages of this origin may send
    /// commands. Plain `http` is accepted for `localhost` alone: browsers give no camera elsewhere.
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
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match scheme {
            "https" => Ok(()),
            "http" if local && self.tls == TlsConfig::Off => Ok(()),
            "http" if local => Err("server.public_url: with server.tls on it begins with https://".to_owned()),
            "http" => Err(format!(
                "server.public_url: {url:?} must begin with https:// (browsers give no camera to http:// outside localhost)"
            )),
            _ => Err(format!("server.public_url: {url:?} must begin with https://")),
        }
    }
}
