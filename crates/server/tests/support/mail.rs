//! A mail server on loopback: the part of SMTP (RFC 5321) that sending needs.

use std::net::Ipv4Addr;

use bedside::config::{MailConfig, MailTls};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::soon;

/// Accepts and keeps all mail.
pub(crate) struct MailServer {
    port: u16,
    taken: watch::Receiver<Vec<Mail>>,
    refusals: watch::Sender<Vec<&'static str>>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: String,
    /// Headers and body as sent.
    pub(crate) text: String,
}

impl Mail {
    /// Returns the link in the mail.
    pub(crate) fn link(&self) -> String {
        self.text.split_whitespace().find(|word| word.contains("://")).expect("an address").to_owned()
    }
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (keep, taken) = watch::channel(Vec::new());
        let refusals = watch::Sender::new(Vec::new());
        let to_give = refusals.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that disconnects half-way sends nothing.
                tokio::spawn(converse(stream, keep.clone(), to_give.clone()));
            }
        });
        Self { port, taken, refusals, serving }
    }

    /// Refuses the next recipients with these lines.
    pub(crate) fn refuse(&self, lines: impl IntoIterator<Item = &'static str>) {
        self.refusals.send_modify(|all| all.extend(lines));
    }

    /// Waits until all refusals were sent.
    pub(crate) async fn refused(&self) {
        let mut refusals = self.refusals.subscribe();
        soon("refusals", refusals.wait_for(Vec::is_empty)).await.expect("it serves");
    }

    pub(crate) fn config(&self) -> MailConfig {
        MailConfig {
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            tls: MailTls::None,
            user: None,
            password: None,
            from: "Riverside Clinic <visits@example.org>".to_owned(),
        }
    }

    /// Waits until this many mails were accepted, and returns all.
    pub(crate) async fn taken(&self, count: usize) -> Vec<Mail> {
        let mut taken = self.taken.clone();
        let all = soon("mail", taken.wait_for(|all| all.len() >= count)).await.expect("it serves");
        all.clone()
    }

    /// Returns the mails accepted so far.
    pub(crate) fn so_far(&self) -> Vec<Mail> {
        self.taken.borrow().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(
    stream: TcpStream,
    keep: watch::Sender<Vec<Mail>>,
    refusals: watch::Sender<Vec<&'static str>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut to = String::new();
    stream.write_all(b"220 ready\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_owned();
        let answer = match command.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.example.org\r\n250 8BITMIME".to_owned(),
            "RCPT" => {
                to = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let mut answer = "250 ok".to_owned();
                refusals.send_if_modified(|all| {
                    let refuses = !all.is_empty();
                    if refuses {
                        answer = all.remove(0).to_owned();
                    }
                    refuses
                });
                answer
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut text).await? == 0 {
                        return Ok(());
                    }
                }
                let to = to.clone();
                keep.send_modify(|all| all.push(Mail { to, text }));
                "250 taken".to_owned()
            }
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}
