use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::hidden::hidden_option;
use super::is_loopback;

/// `[mail]`: SMTP server for outgoing mail. Absent: no mail is sent, and users who have forgotten their password ask
/// the operator (`bedside user reset`).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Host name of the server, such as `smtp.example.org`, as in its certificate.
    pub host: String,
    /// Port. Defaults to 465 with implicit TLS, 587 with STARTTLS, and 25 without TLS.
    #[serde(default)]
    pub port: Option<u16>,
    /// Encryption of the connection.
    #[serde(default)]
    pub tls: MailTls,
    /// User name to authenticate with. Absent: no authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// Password to authenticate with. Preferably set in the environment, as `BEDSIDE_MAIL__PASSWORD`.
    #[serde(default, serialize_with = "hidden_option")]
    pub password: Option<SecretString>,
    /// Sender address, such as `Riverside Clinic <visits@example.org>`.
    pub from: String,
}

/// Encryption of the connection to a mail server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// Implicit TLS (RFC 8314).
    #[default]
    Implicit,
    /// STARTTLS, required (RFC 3207).
    Starttls,
    /// No encryption. Only for a mail server on the same machine.
    None,
}

impl MailConfig {
    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Implicit => 465,
            MailTls::Starttls => 587,
            MailTls::None => 25,
        })
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if self.host.is_empty() || !plain(&self.host) {
            return Err("mail.host: set the host name of the mail server, such as smtp.example.org".to_owned());
        }
        if self.port == Some(0) {
            return Err("mail.port: must be 1 to 65535".to_owned());
        }
        if self.tls == MailTls::None && !is_loopback(&self.host) {
            return Err("mail.tls: none is only for a mail server on this machine; use implicit or starttls".to_owned());
        }
        if self.user.is_some() != self.password.is_some() {
            return Err("mail.user: set both user and password, or neither".to_owned());
        }
        if self.from.parse::<Mailbox>().is_err() {
            return Err("mail.from: must have the form Riverside Clinic <visits@example.org>".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(host: &str, tls: MailTls, user: Option<&str>, from: &str) -> Result<(), String> {
        let user = user.map(str::to_owned);
        let password = Some(SecretString::from("x"));
        MailConfig { host: host.to_owned(), port: None, tls, password, user, from: from.to_owned() }.validate()
    }

    #[test]
    fn what_would_send_mail_in_clear_or_from_nobody_is_refused() {
        let from = "Clinic <visits@example.org>";
        assert_eq!(mail("smtp.example.org", MailTls::Implicit, Some("x"), from), Ok(()));
        assert_eq!(mail("127.0.0.1", MailTls::None, Some("x"), "visits@example.org"), Ok(()));
        for (refused, setting) in [
            (mail("smtp.example.org", MailTls::None, Some("x"), from), "mail.tls"),
            (mail("localhost.example.org", MailTls::None, Some("x"), from), "mail.tls"),
            (mail("smtp://example.org", MailTls::Implicit, Some("x"), from), "mail.host"),
            (mail("smtp.example.org", MailTls::Implicit, None, from), "mail.user"),
            (mail("smtp.example.org", MailTls::Implicit, Some("x"), "visits"), "mail.from"),
            (
                mail("smtp.example.org", MailTls::Implicit, Some("x"), "a@example.org\r\nBcc: b@example.org"),
                "mail.from",
            ),
        ] {
            assert!(refused.as_ref().is_err_and(|fault| fault.starts_with(setting)), "{setting}: {refused:?}");
        }
    }
}
