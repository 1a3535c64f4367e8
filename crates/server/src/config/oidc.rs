use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::hidden::hidden;
use super::is_loopback;

/// `[oidc]`: an OpenID Connect provider for sign-in. Absent: OpenID Connect is disabled.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Issuer URL, exactly as the provider states it: the part before `/.well-known/openid-configuration`.
    pub issuer: String,
    /// Client ID at the provider.
    pub client_id: String,
    /// Client secret. Preferably set in the environment, as `BEDSIDE_OIDC__CLIENT_SECRET`.
    #[serde(serialize_with = "hidden")]
    pub client_secret: SecretString,
    /// Name of the provider for users: the button says "Sign in with …". 1 to 60 characters.
    pub label: String,
    /// Scopes to request in addition to `openid`.
    #[serde(default = "email_alone")]
    pub scopes: Vec<String>,
    /// Values of `acr` or `amr` with which the provider indicates that it has verified a second factor itself, such as
    /// `mfa`. Bedside then does not ask for a code. Empty: every user with two-factor authentication is asked for a
    /// code.
    #[serde(default)]
    pub second_step: Vec<String>,
    /// E-mail domains for which addresses from this provider are trusted even though it does not send `email_verified`,
    /// as Microsoft Entra does not. List only domains whose addresses are assigned by the provider's administrators: a
    /// user who can choose their own address could otherwise link another user's account. Empty: none.
    #[serde(default)]
    pub trusted_email_domains: Vec<String>,
    /// Whether users who sign out are offered to sign out at the provider too, if it has an end-session endpoint.
    #[serde(default = "yes")]
    pub offer_sign_out: bool,
}

const fn yes() -> bool {
    true
}

fn email_alone() -> Vec<String> {
    vec!["email".to_owned()]
}

impl OidcConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        let beyond = self.issuer.split_once("://").map(|(scheme, rest)| (scheme, rest.split(['/', ':']).next()));
        let safe = match beyond {
            Some(("https", Some(host))) => !host.is_empty(),
            Some(("http", Some(host))) => is_loopback(host),
            Some(_) | None => false,
        };
        let plain = self.issuer.bytes().all(|b| b.is_ascii_graphic() && !b"?#@\\\"<>".contains(&b));
        if !safe || !plain || self.issuer.len() > 500 {
            return Err("oidc.issuer: must be the OpenID provider's https URL, exactly as it names itself".to_owned());
        }
        if self.client_id.trim().is_empty() {
            return Err("oidc.client_id: set the client ID that is registered at the OpenID provider".to_owned());
        }
        if self.client_secret.expose_secret().trim().is_empty() {
            return Err("oidc.client_secret: set the client secret issued by the OpenID provider".to_owned());
        }
        if self.label.trim().is_empty() || self.label.chars().count() > 60 {
            return Err("oidc.label: set the name of the OpenID provider for users, 1 to 60 characters".to_owned());
        }
        let word = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !self.scopes.iter().all(word) || !self.second_step.iter().all(word) {
            return Err("oidc.scopes, oidc.second_step: must be words without spaces".to_owned());
        }
        let domain = |text: &String| word(text) && text.contains('.') && !text.contains(['@', '*', '/']);
        if !self.trusted_email_domains.iter().all(domain) {
            return Err("oidc.trusted_email_domains: must be domains, such as example.org".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_over_https_or_on_this_machine() {
        let check = |issuer: &str| {
            let (client_id, label) = ("bedside".to_owned(), "the clinic".to_owned());
            let config = OidcConfig {
                issuer: issuer.to_owned(),
                client_id,
                client_secret: "secret".into(),
                label,
                scopes: email_alone(),
                second_step: vec![],
                trusted_email_domains: vec![],
                offer_sign_out: true,
            };
            config.validate().is_ok()
        };
        for good in ["https://id.example.org", "https://id.example.org:8443/realms/a/", "http://127.0.0.1:1/x"] {
            assert!(check(good), "{good}");
        }
        for bad in
            ["http://id.example.org", "https://", "id.example.org", "https://a@b", "https://a?x", "http://localhost.x"]
        {
            assert!(!check(bad), "{bad}");
        }
    }
}
