//! Log filtering: personal data and secrets that must not reach a log at any level.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside::{check_cometchat, log_filter};
use bedside_visit::Private;
use bedside_visit::signalling::{ClientMessage, Command, Sdp};
use jiff::civil::date;
use reqwest::Method;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::authenticator::Authenticator;
use crate::support::double::{Double, Fault, KEY, WEBHOOK};
use crate::support::mail::MailServer;
use crate::support::provider::{Provider, SECRET, Signing};
use crate::support::{PASSWORD, Page, Server, When};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn holds_none_of(&self, words: &[&str]) {
        let log = self.text();
        assert!(log.contains("the log works") && log.contains("TRACE"));
        for word in words {
            let line = log.lines().find(|line| line.contains(word));
            assert!(line.is_none(), "{word} in: {line:?}");
        }
    }
}

/// Personal data does not occur even at trace level.
#[tokio::test]
async fn personal_data_is_not_logged() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(log_filter("trace"));
    let subscriber = tracing_subscriber::registry().with(layer);
    // Applies to this thread, on which the whole server runs.
    let _guard = subscriber.set_default();

    let server = Server::start().await;
    let mut patient = server.add_person("Canary Patientname", Some("canary@mail.example")).await;
    patient.person.birth_date = Some(Private::new(date(1971, 2, 3)));
    let visit = server.book_for(&patient.person, &server.provider.person, When::Now).await;
    let link = server.link(visit.id).await;
    let client = server.client();
    client.try_sign_in("canary@mail.example", "canary wrong password").await;
    client.try_sign_in("canary@mail.example", PASSWORD).await;
    let by_link = server.client();
    by_link.join_by_link(&link).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &by_link, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    page.command(Command::Enter).await.expect("in");
    provider.command(Command::Start).await.expect("started");
    let sdp =
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:cana\r\na=ice-pwd:canaryicepasswordcanary\r\n";
    page.send(&ClientMessage::Offer { peer: 1, sdp: Sdp(sdp.to_owned()) }).await;
    page.other().await;
    page.send_text("{\"type\":\"canary malformed\"}").await;
    page.other().await;
    client.get(&format!("/appointment/{}?canary=query", visit.id)).await;
    client.get("/v/canarylinkthatisnone").await;
    let secrets = [&client, &by_link, &grace].map(|client| client.cookies().into_values().collect::<Vec<_>>()).concat();
    server.stop().await;

    tracing::error!("the log works");
    let token = link.rsplit('/').next().expect("a token");
    let mut words = vec![
        "Canary Patientname",
        "canary@mail.example",
        "canary wrong password",
        PASSWORD,
        "1971-02-03",
        "Blood pressure check",
        "canaryicepassword",
        "canary malformed",
        "canarylinkthatisnone",
        token,
    ];
    words.extend(secrets.iter().map(String::as_str));
    log.holds_none_of(&words);
}

/// This includes what a mail server says about an address that it refuses.
#[tokio::test]
async fn password_reset_data_is_not_logged() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(log_filter("trace"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = subscriber.set_default();

    let mail = MailServer::start().await;
    let config = mail.config();
    let server = Server::start_with(|all| all.mail = Some(config)).await;
    server.add_person("Canary Patientname", Some("canary@mail.example")).await;
    let client = server.client();
    mail.refuse(["550 there is no canary@mail.example"]);
    client.post("/sign-in/forgotten", &[("email", "canary@mail.example")]).await;
    mail.refused().await;
    client.post("/sign-in/forgotten", &[("email", "canary@mail.example")]).await;
    let link = mail.taken(1).await[0].link();
    client.get(&link.replace(&server.origin, "")).await;
    client.post("/reset", &[("new", "canary kettle frosty nine")]).await;
    server.stop().await;

    tracing::error!("the log works");
    let token = link.rsplit('/').next().expect("a token");
    log.holds_none_of(&["Canary", "canary@mail", "canary kettle", token]);
}

#[tokio::test]
async fn openid_sign_in_data_is_not_logged() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(log_filter("trace"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = subscriber.set_default();

    let provider = Provider::start().await;
    let config = provider.config();
    let server = Server::start_with(|all| all.oidc = Some(config)).await;
    provider.tell_time_of(&server);
    let claims =
        json!({ "sub": "subject-canary", "email": "canary@mail.example", "email_verified": true, "name": "Canary" });
    let client = server.client();
    assert_eq!(provider.sign_in(&client, claims.clone()).await.status, 403);
    for signing in [Signing::AnothersKey, Signing::None] {
        provider.sign_with(signing);
        assert_eq!(provider.sign_in(&client, claims.clone()).await.status, 403);
    }
    server.stop().await;

    tracing::error!("the log works");
    log.holds_none_of(&["subject-canary", "canary@mail", "Canary", SECRET, "eyJ"]);
}

#[tokio::test]
async fn passkey_data_is_not_logged() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(log_filter("trace"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = subscriber.set_default();

    let server = Server::start().await;
    let patient = server.add_person("Canary Patientname", Some("canary@mail.example")).await;
    let (client, mut device) = (server.sign_in(&patient).await, Authenticator::new(&server.origin));
    let asked = client.post_json("/account/passkeys/options", &json!({ "current": PASSWORD })).await.json();
    let credential = device.create(&asked);
    let added = json!({ "name": "Canary's phone", "credential": credential });
    assert_eq!(client.post_json("/account/passkeys", &added).await.status, 200);
    let other = server.client();
    let question = other.post_json("/sign-in/passkey/options", &json!({})).await.json();
    let answer = json!({ "credential": device.get(&question) });
    assert_eq!(other.post_json("/sign-in/passkey", &answer).await.status, 200);
    server.stop().await;

    tracing::error!("the log works");
    let challenge = question["publicKey"]["challenge"].as_str().expect("one");
    let id = credential["id"].as_str().expect("one");
    log.holds_none_of(&["Canary", "canary@mail", PASSWORD, challenge, id, "RegistrationState", "PublicKeyCredential"]);
}

#[tokio::test]
async fn cometchat_account_data_is_not_logged() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_filter(log_filter("trace"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = subscriber.set_default();

    let double = Double::start().await;
    let config = double.config();
    check_cometchat(&config).await.expect("a key that works");
    let server = Server::start_with(|all| all.cometchat = Some(config)).await;
    let patient = server.add_person("Canary Patientname", Some("canary@mail.example")).await;
    let visit = server.book_for(&patient.person, &server.provider.person, When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let asked = json!({ "appointmentId": visit.id.to_string() });
    for faults in [vec![], vec![Fault::Status(500), Fault::TooMany(0)], vec![Fault::Status(403)]] {
        double.fail(faults);
        grace.post_json("/api/cometchat/user", &asked).await;
    }
    for credentials in [WEBHOOK, "canary:wrong"] {
        let report =
            json!({ "trigger": "call_ended", "data": { "sessionId": "session-canary", "occupant": "Canary" } });
        let client = server.client();
        let post = client.request(Method::POST, "/api/webhooks/cometchat").origin(None).json(&report);
        post.header("authorization", &format!("Basic {}", STANDARD.encode(credentials))).send().await;
    }
    grace.post("/sign-out", &[]).await;
    server.stop().await;

    tracing::error!("the log works");
    let encoded = STANDARD.encode(WEBHOOK);
    let password = WEBHOOK.split_once(':').expect("name and password").1;
    log.holds_none_of(&[
        "Canary",
        "canary:wrong",
        "token-canary",
        KEY,
        password,
        &encoded,
        &STANDARD.encode("canary:wrong"),
    ]);
}
