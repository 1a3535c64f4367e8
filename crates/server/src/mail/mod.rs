//! Account mails to users: short plain text without any details of visits.

mod letter;
mod queue;

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bedside_visit::{EmailAddress, Timestamp};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use self::letter::{Change, Letter, Link};
pub(crate) use self::queue::{send_due, send_reset, tell};
use crate::app::clock::fresh_id;
use crate::config::{Config, MailConfig, MailTls};

/// Timeout of one step of an SMTP conversation.
const STEP: Duration = Duration::from_secs(10);
/// Timeout of a whole SMTP conversation: the transport's own timeout does not cover every step.
const CONVERSATION: Duration = Duration::from_secs(20);
/// Maximum number of attempts, with growing delays.
const TRIES: u32 = 3;
/// Maximum number of concurrent SMTP conversations.
const AT_ONCE: usize = 8;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Sends mails by SMTP.
#[derive(Debug, Clone)]
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    clinic: String,
    /// The server's host name, for Message-IDs.
    host: String,
    places: Arc<Semaphore>,
    conversation: Duration,
}

/// Why a mail was not sent. Never includes the mail server's response, because it may contain personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MailError {
    #[error("cannot reach the mail server (mail.host)")]
    Unreachable,
    #[error("the mail server did not respond in time")]
    TooSlow,
    #[error("cannot set up TLS with the mail server (mail.host, mail.tls)")]
    Tls,
    #[error("the mail server refused the mail or the sign-in with code {0}")]
    Refused(u16),
    #[error("unexpected response from the mail server (mail.port, mail.tls)")]
    Unexpected,
    #[error("mail cannot be sent to this address")]
    NoAddress,
}

/// Connects and authenticates to the mail server without sending a mail.
///
/// # Errors
/// A sentence that describes the problem.
pub async fn check_mail(config: &Config) -> Result<(), String> {
    let Some(mail) = &config.mail else { return Ok(()) };
    let mailer = Mailer::new(mail, config)?;
    let asked = timeout(CONVERSATION, mailer.transport.test_connection()).await;
    match asked.map_err(|_| MailError::TooSlow).and_then(|asked| asked.map_err(|error| of_transport(&error))) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("[mail]: {}", MailError::Unexpected)),
        Err(error) => Err(format!("[mail]: {error}")),
    }
}

impl Mailer {
    /// Creates a mailer.
    ///
    /// # Errors
    /// A sentence that says which part of `[mail]` is invalid.
    pub(crate) fn new(mail: &MailConfig, config: &Config) -> Result<Self, String> {
        let tls = || TlsParameters::new(mail.host.clone()).map_err(|_| "mail.tls: cannot set up TLS".to_owned());
        let tls = match mail.tls {
            MailTls::Implicit => Tls::Wrapper(tls()?),
            MailTls::Starttls => Tls::Required(tls()?),
            MailTls::None => Tls::None,
        };
        let host = config.server.host().to_owned();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port())
            .tls(tls)
            .timeout(Some(STEP))
            .hello_name(ClientId::Domain(host.clone()));
        if let (Some(user), Some(password)) = (&mail.user, &mail.password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        let from = mail.from.parse().map_err(|_| "mail.from: not an e-mail address".to_owned())?;
        Ok(Self {
            transport: builder.build(),
            from,
            clinic: config.clinic.name.clone(),
            host,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            conversation: CONVERSATION,
        })
    }

    /// Sends a mail, and retries after temporary errors.
    ///
    /// # Errors
    /// The [`MailError`] of the last attempt.
    pub(crate) async fn send(&self, to: &EmailAddress, letter: &Letter, now: Timestamp) -> Result<(), MailError> {
        let message = self.write(to, letter, now)?;
        let (mut wait, mut tried) = (FIRST_WAIT, 1);
        let _place = self.places.acquire().await.map_err(|_| MailError::Unreachable)?;
        loop {
            let error = match timeout(self.conversation, self.transport.send(message.clone())).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if error.is_permanent() => return Err(of_transport(&error)),
                Ok(Err(error)) => of_transport(&error),
                Err(_) => MailError::TooSlow,
            };
            if tried == TRIES {
                return Err(error);
            }
            sleep(wait).await;
            wait *= 4;
            tried += 1;
        }
    }

    fn write(&self, to: &EmailAddress, letter: &Letter, now: Timestamp) -> Result<Message, MailError> {
        let to = to.reveal().parse().map_err(|_| MailError::NoAddress)?;
        let millis = u64::try_from(now.as_millis()).unwrap_or_default();
        // RFC 3834, section 5: prevents automatic replies.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(format!("<{}@{}>", fresh_id(), self.host)))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject(&self.clinic))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .body(letter.text(&self.clinic))
            .map_err(|_| MailError::NoAddress)
    }
}

/// Returns whether a connection error was caused by TLS. Handshake errors are wrapped twice.
fn comes_of_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<rustls::Error>()) || error.source().is_some_and(comes_of_tls)
}

fn of_transport(error: &lettre::transport::smtp::Error) -> MailError {
    match error.status() {
        Some(code) => MailError::Refused(u16::from(code)),
        None if error.is_timeout() => MailError::TooSlow,
        None if error.is_tls() || comes_of_tls(error) => MailError::Tls,
        None if error.is_response() || error.is_client() => MailError::Unexpected,
        None => MailError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The server accepts connections and never responds: each conversation times out and releases its slot.
    #[tokio::test]
    async fn a_mail_server_that_says_nothing_keeps_no_place() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mail = MailConfig {
            host: "127.0.0.1".to_owned(),
            port: Some(silent.local_addr().expect("an address").port()),
            tls: MailTls::None,
            user: None,
            password: None,
            from: "visits@example.org".to_owned(),
        };
        let held = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = silent.accept().await {
                held.push(stream);
            }
        });
        let mailer = Mailer::new(&mail, &Config::default()).expect("a mailer");
        let mailer = Mailer { conversation: Duration::from_millis(20), ..mailer };
        let to: EmailAddress = "ada@example.org".parse().expect("an address");
        let letter = Letter::Changed(Change::Password);
        let all = async {
            for _ in 0..3 {
                let sent = mailer.send(&to, &letter, Timestamp::from_millis(1)).await;
                assert_eq!(sent, Err(MailError::TooSlow));
            }
        };
        timeout(Duration::from_secs(60), all).await.expect("each ends");
        assert_eq!(mailer.places.available_permits(), AT_ONCE);
        held.abort();
    }
}
