use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::hidden::{hidden, hidden_option};

/// `[cometchat]`: a CometChat account, whose service can carry calls instead of the embedded media server. Absent:
/// CometChat is disabled.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CometChatConfig {
    /// App ID, from the CometChat dashboard.
    pub app_id: String,
    /// Region of the app: `us`, `eu` or `in`.
    pub region: String,
    /// REST API key (scope `fullAccess`). Preferably set in the environment, as `BEDSIDE_COMETCHAT__API_KEY`.
    #[serde(serialize_with = "hidden")]
    pub api_key: SecretString,
    /// HTTP Basic credentials of CometChat webhooks, as `name:password`. Absent: webhooks are refused.
    #[serde(default, serialize_with = "hidden_option")]
    pub webhook: Option<SecretString>,
    /// Host or host:port that the SDKs in the pages connect to, for a dedicated cluster. Defaults to the app's own
    /// hosts.
    #[serde(default)]
    pub client_host: Option<String>,
    /// URL of the REST API, for a dedicated cluster. Defaults to the app's own host.
    #[serde(default)]
    pub api_url: Option<String>,
}

impl CometChatConfig {
    /// Returns the URL of the REST API, without a trailing slash.
    #[must_use]
    pub fn api(&self) -> String {
        match &self.api_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}.api-{}.cometchat.io/v3", self.app_id, self.region),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain(&self.app_id) {
            return Err("cometchat.app_id: set the App ID of your CometChat app (letters and digits)".to_owned());
        }
        if !["us", "eu", "in"].contains(&self.region.as_str()) {
            return Err("cometchat.region: must be us, eu or in, as shown in the dashboard".to_owned());
        }
        if self.api_key.expose_secret().trim().is_empty() {
            return Err("cometchat.api_key: set the REST API key".to_owned());
        }
        if self.webhook.as_ref().is_some_and(|webhook| !is_credentials(webhook.expose_secret())) {
            return Err("cometchat.webhook: must be name:password; the password needs 20 characters or more".to_owned());
        }
        let secure = |url: &str| url.starts_with("https://") || url.starts_with("http://127.0.0.1");
        if self.api_url.as_deref().is_some_and(|url| !secure(url)) {
            return Err("cometchat.api_url: must be an https URL".to_owned());
        }
        let host =
            |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if self.client_host.as_deref().is_some_and(|text| !host(text)) {
            return Err("cometchat.client_host: must be a host or host:port".to_owned());
        }
        Ok(())
    }
}

/// CometChat accepts names of up to 50 and passwords of up to 100 letters and digits.
fn is_credentials(text: &str) -> bool {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    text.split_once(':').is_some_and(|(name, password)| {
        (1..=50).contains(&name.len()) && (20..=100).contains(&password.len()) && plain(name) && plain(password)
    })
}
