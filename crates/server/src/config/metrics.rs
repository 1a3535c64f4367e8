use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::hidden::hidden_option;

/// Minimum length of the token, so that it cannot be guessed.
const SHORTEST: usize = 20;

/// `[metrics]`: access to `/metrics`. Unauthorized clients receive 404.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether clients on the same machine may read the metrics without a token. Requests forwarded by a reverse proxy
    /// on this machine are excluded: they are recognized by the headers that proxies add (`X-Forwarded-For` and
    /// similar).
    pub loopback: bool,
    /// Bearer token for other clients (`Authorization: Bearer …`): at least 20 characters without spaces. Preferably
    /// set in the environment, as `BEDSIDE_METRICS__TOKEN`, or in a file.
    #[serde(serialize_with = "hidden_option")]
    pub token: Option<SecretString>,
    /// File with the token. It is read at startup and again after each change.
    pub token_file: Option<PathBuf>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { loopback: true, token: None, token_file: None }
    }
}

impl MetricsConfig {
    /// Returns the token, if one is configured.
    ///
    /// # Errors
    /// A sentence that names the setting, if the file cannot be read or its content is not a valid token.
    pub fn token(&self) -> Result<Option<SecretString>, String> {
        let Some(file) = &self.token_file else { return Ok(self.token.clone()) };
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("metrics.token_file: {}: {error}", file.display()))?;
        let token = SecretString::from(text.trim());
        if is_token(&token) { Ok(Some(token)) } else { Err(format!("metrics.token_file: {WANTED}")) }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.token.is_some() && self.token_file.is_some() {
            return Err("metrics.token_file: set metrics.token or metrics.token_file, not both".to_owned());
        }
        if self.token.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(format!("metrics.token: {WANTED}"));
        }
        Ok(())
    }
}

const WANTED: &str = "a token must have at least 20 ASCII characters without spaces";

fn is_token(token: &SecretString) -> bool {
    let token = token.expose_secret();
    token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(token: &str) -> MetricsConfig {
        MetricsConfig { token: Some(token.into()), ..MetricsConfig::default() }
    }

    #[test]
    fn a_token_is_long_and_comes_from_one_place() {
        assert_eq!(MetricsConfig::default().validate(), Ok(()));
        assert_eq!(with("aLongTokenOfLettersAndDigits").validate(), Ok(()));
        for bad in ["", "short", "twenty characters and spaces", "twentyCharactersAnd\u{e9}"] {
            assert!(with(bad).validate().is_err_and(|fault| fault.starts_with("metrics.token: ")), "{bad}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let from_file = MetricsConfig { token_file: Some(file.clone()), ..MetricsConfig::default() };
        let missing = from_file.token().expect_err("missing");
        assert!(missing.starts_with("metrics.token_file: "), "{missing}");
        std::fs::write(&file, "short\n").expect("written");
        assert!(from_file.token().is_err());
        std::fs::write(&file, "aLongTokenOfLettersAndDigits\n").expect("written");
        let token = from_file.token().expect("read").expect("a token");
        assert_eq!(token.expose_secret(), "aLongTokenOfLettersAndDigits");
        let both = MetricsConfig { token: Some(token), ..from_file };
        assert!(both.validate().is_err_and(|fault| fault.starts_with("metrics.token_file: ")));
    }
}
