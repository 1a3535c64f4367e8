//! Configuration: one struct for each section, with defaults and `validate`.
//!
//! Values are merged from the defaults, the file and the environment variables `BEDSIDE_SECTION__KEY`, in increasing
//! order of precedence. Every error is reported, not only the first.

mod clinic;
mod cometchat;
mod database;
mod hidden;
mod limits;
mod mail;
mod media;
mod metrics;
mod network;
mod oidc;
mod retention;
mod server;
mod sign_in;
mod tracing;
mod visits;

use std::path::Path;

use bedside_visit::VisitRules;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use clinic::ClinicConfig;
pub use cometchat::CometChatConfig;
pub use database::DatabaseConfig;
pub use limits::LimitsConfig;
pub use mail::{MailConfig, MailTls};
pub use media::MediaConfig;
pub use metrics::MetricsConfig;
pub use network::Network;
pub use oidc::OidcConfig;
pub use retention::RetentionConfig;
pub use server::{AcmeConfig, ServerConfig, TlsConfig};
pub use sign_in::{SecondFactor, SignInConfig};
pub use tracing::TracingConfig;
pub use visits::VisitsConfig;

/// Environment variables with the `BEDSIDE_` prefix that belong to the command line and are not settings.
const NO_SETTINGS: [&str; 3] = ["config", "log", "password"];

/// Complete configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The clinic.
    pub clinic: ClinicConfig,
    /// HTTP server.
    pub server: ServerConfig,
    /// Storage.
    pub database: DatabaseConfig,
    /// Embedded media server.
    pub media: MediaConfig,
    /// Sign-in.
    pub sign_in: SignInConfig,
    /// Visits.
    pub visits: VisitsConfig,
    /// Data retention.
    pub retention: RetentionConfig,
    /// Access to the metrics.
    pub metrics: MetricsConfig,
    /// Trace export.
    pub tracing: TracingConfig,
    /// CometChat account, if any.
    pub cometchat: Option<CometChatConfig>,
    /// Mail server, if any.
    pub mail: Option<MailConfig>,
    /// OpenID provider, if any.
    pub oidc: Option<OidcConfig>,
}

/// Errors in a configuration, one sentence for each, naming the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.join("\n"))]
pub struct ConfigError {
    /// The errors.
    pub faults: Vec<String>,
}

impl Config {
    /// Loads the configuration from `file` (if given) and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with every error found.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut sources = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
                faults: vec![format!("cannot read the configuration file {}: {error}", path.display())],
            })?;
            sources = sources.merge(Toml::string(&text));
        }
        let config: Self = sources
            .merge(Env::prefixed("BEDSIDE_").ignore(&NO_SETTINGS).split("__"))
            .extract()
            .map_err(|errors| ConfigError { faults: errors.into_iter().map(|fault| describe(&fault)).collect() })?;
        config.validate()?;
        Ok(config)
    }

    /// Returns the visit rules, including the call backends that are available.
    #[must_use]
    pub fn rules(&self) -> VisitRules {
        self.visits.rules(self.cometchat.is_some())
    }

    fn validate_backend(&self) -> Result<(), String> {
        if self.rules().offers(self.visits.call_backend) {
            Ok(())
        } else {
            Err("visits.call_backend: cometchat requires the section [cometchat]".to_owned())
        }
    }

    /// Validates what the types cannot express.
    ///
    /// # Errors
    /// [`ConfigError`] with every error found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            self.clinic.validate(),
            self.server.validate(),
            self.database.validate(),
            self.media.validate(),
            self.sign_in.validate(),
            self.visits.validate(),
            self.retention.validate(),
            self.metrics.validate(),
            self.tracing.validate(),
            self.cometchat.as_ref().map_or(Ok(()), CometChatConfig::validate),
            self.mail.as_ref().map_or(Ok(()), MailConfig::validate),
            self.oidc.as_ref().map_or(Ok(()), OidcConfig::validate),
            self.validate_backend(),
        ];
        let faults: Vec<String> = checks.into_iter().filter_map(Result::err).collect();
        if faults.is_empty() { Ok(()) } else { Err(ConfigError { faults }) }
    }
}

/// Returns whether a host is the local machine.
fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

fn describe(fault: &figment::Error) -> String {
    let setting = fault.path.join(".");
    if setting.is_empty() { fault.kind.to_string() } else { format!("{setting}: {}", fault.kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("bedside.toml");
        std::fs::write(&file, text).expect("write");
        Config::load(Some(&file))
    }

    #[test]
    fn the_example_file_is_valid_and_shows_the_defaults() {
        let example = include_str!("../../../../bedside.example.toml");
        let config = load(example).expect("the example is valid");
        let uncommented: String = example
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        load(&uncommented).expect("every commented setting is valid");
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_fault_is_named() {
        let error = load("[clinic]\ntime_zone = 'Mars/Base'\n[visits]\nring_seconds = 0\n").expect_err("two faults");
        assert_eq!(error.faults.len(), 2, "{error}");
        assert!(error.to_string().contains("clinic.time_zone") && error.to_string().contains("visits.ring_seconds"));
    }

    #[test]
    fn unknown_settings_and_wrong_types_are_named() {
        let error = load("[server]\nlissen = '0.0.0.0:1'\n").expect_err("a typing mistake").to_string();
        assert!(error.contains("lissen"), "{error}");
        let error = load("[media]\nport = 'high'\n").expect_err("a wrong type").to_string();
        assert!(error.contains("media.port"), "{error}");
        let error = load("[sign_in]\nsecond_factor = 'must'\n").expect_err("another word").to_string();
        assert!(error.contains("sign_in.second_factor") && error.contains("required"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::load(Some(Path::new("/nowhere/bedside.toml"))).expect_err("missing").to_string();
        assert!(error.contains("/nowhere/bedside.toml"), "{error}");
    }
}
