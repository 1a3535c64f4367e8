//! A day at a clinic whose users and secrets have unique values, with logging at the highest level. Afterwards the test
//! searches for these values wherever they must not be.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bedside::SystemClock;
use bedside_visit::signalling::{ClientMessage, Command, Sdp, ServerMessage};
use bedside_visit::{AppointmentId, Clock as _};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};

use crate::account::{Phone, hidden};
use crate::desk::{Desk, Said, Serving, free_port};
use crate::support::{Client, Page};
use crate::traces::Collector;

const PATIENT: &str = "Canaria Pazientella";
const BIRTH_DATE: &str = "1971-02-03";
const PROVIDER: &str = "Dr. Canarius Vogelsang";
const EMAIL: &str = "canarius@mail.example";
const KIND: &str = "Canary consultation";
const REASON: &str = "itching behind the left feathers";
const PASSWORD: &str = "seven canaries whistle";
const OTHER_PASSWORD: &str = "eight canaries hum";
const WRONG_PASSWORD: &str = "no canary ever said so";
const SAID: [&str; 2] = ["the cage is too small for me", "open the window twice a day"];
const MALFORMED: &str = "canary out of tune";
const ICE_PWD: &str = "canaryicepasswordcanaryice";

/// A value to search for, in every encoding in which it could have been written.
pub(crate) struct Canary {
    what: String,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    pub(crate) fn new(what: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let listed = |between: &str| value.iter().map(u8::to_string).collect::<Vec<_>>().join(between).into_bytes();
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = value
            .iter()
            .map(
                |byte| {
                    if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
                },
            )
            .collect();
        let plus = percent.replace("%20", "+");
        // Omits what depends on the following bytes.
        let base64 = STANDARD.encode(&value[..value.len() / 3 * 3]);
        let url_safe = URL_SAFE_NO_PAD.encode(&value[..value.len() / 3 * 3]);
        let mut forms =
            vec![value.to_vec(), listed(", "), listed(","), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        forms.extend([percent, plus, base64, url_safe].map(String::into_bytes));
        Self { what: what.to_owned(), forms }
    }

    /// Returns a token in its text form and as the bytes it encodes.
    fn token(what: &str, text: &str) -> [Self; 2] {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
        assert!(bytes.len() >= 20, "{what} is too short to search for");
        [Self::new(what, text), Self::new(what, bytes)]
    }

    fn is_in(&self, bytes: &[u8]) -> Option<usize> {
        self.forms.iter().find_map(|form| bytes.windows(form.len()).position(|window| window == form))
    }
}

/// Returns what was found in `bytes`, which came from `place`.
pub(crate) fn hits(canaries: &[Canary], place: &str, bytes: &[u8]) -> Vec<String> {
    let found = canaries.iter().filter_map(|canary| Some((canary, canary.is_in(bytes)?)));
    let around =
        |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())]).into_owned();
    found.map(|(canary, at)| format!("{} in {place}: …{}…", canary.what, around(at))).collect()
}

fn hits_in_folder(canaries: &[Canary], folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "key") {
            found.extend(hits(canaries, &path.display().to_string(), &fs::read(&path).expect("read")));
        }
    }
    found
}

/// A browser's media connection, set up until the keys of the call are negotiated.
pub(crate) struct Media {
    rtc: Rtc,
    socket: UdpSocket,
}

impl Media {
    /// Sends an offer, applies the answer and connects. Returns the server's ICE password.
    pub(crate) async fn connect(page: &mut Page) -> (Self, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("set");
        let credentials = IceCreds { ufrag: "cana".to_owned(), pass: ICE_PWD.to_owned() };
        let mut rtc = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, true)
            .enable_vp8(true)
            .set_local_ice_credentials(credentials)
            .build(now());
        let mut api = rtc.sdp_api();
        for direction in [Direction::SendOnly, Direction::RecvOnly] {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                api.add_media(kind, direction, None, None, None);
            }
        }
        let (offer, pending) = api.apply().expect("an offer");
        let offer = offer.to_sdp_string();
        assert!(offer.contains(ICE_PWD));
        page.send(&ClientMessage::Offer { peer: 1, sdp: Sdp(offer) }).await;
        let ServerMessage::Answer { sdp: Sdp(answer), .. } = page.other().await else { panic!("no answer") };
        let password = answer.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).expect("a password").to_owned();
        let local = Candidate::host(socket.local_addr().expect("an address"), Protocol::Udp).expect("a candidate");
        rtc.add_local_candidate(local);
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).expect("SDP")).expect("taken");
        let mut media = Self { rtc, socket };
        let end = now() + Duration::from_secs(20);
        while !media.step() {
            assert!(now() < end, "timed out waiting for media");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (media, password)
    }

    /// Returns true once it is connected.
    fn step(&mut self) -> bool {
        let (mut buffer, mut connected) = ([0; 4096], false);
        let local: SocketAddr = self.socket.local_addr().expect("an address");
        while let Ok((count, from)) = self.socket.recv_from(&mut buffer) {
            let receive = Receive::new(Protocol::Udp, from, local, &buffer[..count]).expect("media");
            self.rtc.handle_input(Input::Receive(now(), receive)).expect("taken");
            connected |= self.poll();
        }
        self.rtc.handle_input(Input::Timeout(now())).expect("taken");
        connected | self.poll()
    }

    fn poll(&mut self) -> bool {
        let mut connected = false;
        loop {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(_) => return connected,
                Output::Transmit(datagram) => drop(self.socket.send_to(&datagram.contents, datagram.destination)),
                Output::Event(event) => connected |= matches!(event, Event::Connected),
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a browser has its own clock")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_and_secrets_do_not_leak() {
    let desk = Desk::new();
    let collector = Collector::start().await;
    let config = desk.config(&format!("[tracing]\notlp_endpoint = '{}'\n", collector.endpoint()));
    let mut log = Vec::new();
    // The operator may see what they type and read, but it must not be logged.
    let mut operate = |arguments: &[&str]| {
        let said: Said = desk.run_with(arguments, &[("BEDSIDE_PASSWORD", PASSWORD), ("BEDSIDE_LOG", "trace")]);
        log.extend_from_slice(said.err.as_bytes());
        said.worked()
    };
    let patient = operate(&["user", "add", "--name", PATIENT, "--birth-date", BIRTH_DATE]);
    operate(&["user", "add", "--name", PROVIDER, "--email", EMAIL]);
    let people = ["--patient", &patient, "--provider", EMAIL, "--at", "now", "--type", KIND, "--reason", REASON];
    let booked = operate(&[&["appointment", "add", "--json"], people.as_slice()].concat());
    let booked: serde_json::Value = serde_json::from_str(&booked).expect("JSON");
    let [id, first_link] = ["id", "link"].map(|key| booked[key].as_str().expect("text"));
    let link = operate(&["appointment", "link", id]);
    let appointment: AppointmentId = id.parse().expect("an id");

    let port = free_port();
    let server_log = desk.path("log");
    let into = Stdio::from(File::create(&server_log).expect("made"));
    let serving = Serving::start_saying(
        &desk,
        &["--config", &config, "serve"],
        port,
        "trace,is::agent=trace,tungstenite=trace",
        into,
    );
    let path_of = |link: &str| format!("/v/{}", link.rsplit('/').next().expect("a token"));
    let mut canaries = vec![
        Canary::new("the patient's name", PATIENT),
        Canary::new("a part of the patient's name", "Pazientella"),
        Canary::new("the date of birth", BIRTH_DATE),
        Canary::new("the provider's name", "Vogelsang"),
        Canary::new("the kind of appointment", KIND),
        Canary::new("the reason", REASON),
        Canary::new("a password", PASSWORD),
        Canary::new("another password", OTHER_PASSWORD),
        Canary::new("a wrong password", WRONG_PASSWORD),
        Canary::new("what the patient wrote", SAID[0]),
        Canary::new("what the provider wrote", SAID[1]),
        Canary::new("a malformed message", MALFORMED),
        Canary::new("the browser's password for ICE", ICE_PWD),
    ];

    // The provider signs in with a wrong and a right password, turns on two-factor authentication, changes the
    // password, and signs in with both.
    let provider = Client::new(&serving);
    assert_eq!(provider.try_sign_in(EMAIL, WRONG_PASSWORD).await.status, 200);
    assert_eq!(provider.try_sign_in(EMAIL, PASSWORD).await.status, 303);
    let page = provider.get("/account/second-step").await.body;
    let (phone, sealed) = (Phone::scan(&page), hidden(&page, "sealed"));
    let key = page.split("<code class=\"key\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let key = key.replace(' ', "");
    canaries.push(Canary::new("the TOTP secret, as it is typed", &key));
    let secret = totp_rs::Secret::try_from_base32(&key).expect("base32");
    canaries.push(Canary::new("the TOTP secret", secret.as_bytes()));
    let fields = [("sealed", sealed.as_str()), ("code", &phone.shows_at(SystemClock.now(), 0)), ("current", PASSWORD)];
    assert_eq!(provider.post("/account/second-step", &fields).await.location(), Some("/account?done=second-step"));
    let changed = provider.post("/account/password", &[("current", PASSWORD), ("new", OTHER_PASSWORD)]).await;
    assert_eq!(changed.location(), Some("/account?done=password"), "{}", changed.body);
    canaries.extend(provider.cookies().into_values().flat_map(|cookie| Canary::token("an ended session", &cookie)));
    provider.post("/sign-out", &[]).await;
    assert_eq!(provider.try_sign_in(EMAIL, OTHER_PASSWORD).await.location(), Some("/sign-in/code"));
    canaries.extend(provider.cookies().into_values().flat_map(|cookie| Canary::token("a waiting sign-in", &cookie)));
    let code = [("code", &*phone.shows_at(SystemClock.now(), 30))];
    assert_eq!(provider.post("/sign-in/code", &code).await.status, 303);
    for path in ["/", "/account", &format!("/appointment/{id}"), &format!("/api/appointments/{id}")] {
        assert_eq!(provider.get(path).await.status, 200, "{path}");
    }
    let invited = provider.post_json(&format!("/api/appointments/{id}/invites"), &serde_json::json!({})).await.json();
    let unused = invited["data"]["url"].as_str().expect("a link").to_owned();

    // The patient comes by link. Each new link replaced the previous one.
    let patient = Client::new(&serving);
    for replaced in [first_link, &link] {
        patient.get(&path_of(replaced)).await;
    }
    patient.get("/appointment/nowhere?name=Canaria").await;
    let by_link = provider.post_json(&format!("/api/appointments/{id}/invites"), &serde_json::json!({})).await.json();
    let by_link = by_link["data"]["url"].as_str().expect("a link").to_owned();
    patient.join_by_link(&by_link).await;
    for link in [first_link, &link, &unused, &by_link] {
        canaries.extend(Canary::token("a patient link", link.rsplit('/').next().expect("a token")));
    }
    for cookie in [&provider, &patient].iter().flat_map(|client| client.cookies().into_values()) {
        canaries.extend(Canary::token("a session", &cookie));
    }

    // They meet.
    let mut patients = Page::open(&serving, &patient, appointment).await;
    let mut providers = Page::open(&serving, &provider, appointment).await;
    patients.command(Command::Enter).await.expect("in");
    let (media, password) = Media::connect(&mut patients).await;
    canaries.push(Canary::new("the server's password for ICE", &password));
    providers.command(Command::Start).await.expect("started");
    for (page, text) in [(&mut patients, SAID[0]), (&mut providers, SAID[1])] {
        page.command(Command::Say { text: text.to_owned().try_into().expect("a text") }).await.expect("said");
    }
    patients.until("both messages", |view| view.messages.len() == 2).await;
    patients.send_text(&format!("{{\"type\":\"{MALFORMED}\"}}")).await;
    patients.other().await;

    // What a person with a copy of the files has.
    let (data, copy) = (desk.path("data"), desk.path("copy"));
    fs::create_dir(&copy).expect("made");
    for file in ["bedside.db", "bedside.db-wal", "bedside.db-shm"] {
        fs::copy(Path::new(&data).join(file), Path::new(&copy).join(file)).expect("copied");
    }
    // What monitoring has access to.
    let metrics = Client::new(&serving).get("/metrics").await.body;
    providers.command(Command::End).await.expect("ended");
    let mut found = hits_in_folder(&canaries, Path::new(&data));
    drop(media);
    let urls: Vec<String> = [&provider, &patient].iter().flat_map(|client| client.urls()).collect();
    serving.terminate();

    found.extend(hits_in_folder(&canaries, Path::new(&data)));
    found.extend(hits_in_folder(&canaries, Path::new(&copy)));
    let traces = collector.bytes();
    let named = [Canary::new("an address of mail", EMAIL), Canary::new("an id", id)];
    for canaries in [&canaries[..], &named] {
        found.extend(hits(canaries, "the metrics", metrics.as_bytes()));
        found.extend(hits(canaries, "the traces", &traces));
    }
    for arguments in [
        ["audit", "export"].as_slice(),
        &["audit", "export", "--format", "fhir"],
        &["audit", "verify"],
        &["keys", "rotate"],
        &["keys", "status"],
    ] {
        found.extend(hits(&canaries, arguments[0], operate(arguments).as_bytes()));
    }
    found.extend(hits_in_folder(&canaries, Path::new(&data)));
    log.extend(fs::read(server_log).expect("a log"));
    for line in log.split(|byte| *byte == b'\n') {
        found.extend(hits(&canaries, "the log", line));
    }
    found.extend(hits(&[Canary::new("an address of mail", EMAIL)], "the log", &log));
    for url in &urls {
        // A patient link contains its token; that is its purpose.
        found.extend(hits(&canaries, "an address", url.as_bytes()).into_iter().filter(|_| !url.starts_with("/v/")));
    }
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));

    // The search covered the right places.
    let text = String::from_utf8_lossy(&log);
    for target in ["TRACE", "sqlx", "bedside", "str0m"] {
        assert!(text.contains(target), "{target} is not in the log");
    }
    assert!(metrics.contains("bedside_joins_total{outcome=\"up\"} 1\n"), "{metrics}");
    let spans: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    assert!(["page", "hello", "join"].iter().all(|name| spans.iter().any(|span| span == name)), "{spans:?}");
    for folder in [&data, &copy] {
        assert!(hits_in_folder(&named, Path::new(folder)).len() >= 2, "{folder}");
    }
    assert!(
        urls.iter().any(|url| url.starts_with("/v/")) && urls.iter().any(|url| url.contains("/video-call/")),
        "{urls:?}"
    );
}

#[test]
fn a_canary_is_found_in_whatever_form_it_was_written() {
    let canary = [Canary::new("a name", "Vogelsang Jr.")];
    let bytes = "Vogelsang Jr.".as_bytes();
    for planted in [
        "x Vogelsang Jr. x".to_owned(),
        format!("{bytes:?}"),
        format!("{:02x?}", bytes).replace(", ", ""),
        format!("name={}&", "Vogelsang%20Jr%2E"),
        "name=Vogelsang+Jr%2E".to_owned(),
        STANDARD.encode(bytes),
        STANDARD.encode("Vogelsang Jr. and more"),
    ] {
        assert_eq!(hits(&canary, "here", planted.as_bytes()).len(), 1, "{planted}");
    }
    assert!(hits(&canary, "here", b"Vogelsing Jr.").is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "Vogelsang Jr.").expect("written");
    assert_eq!(hits_in_folder(&canary, folder.path()).len(), 1);
}
