//! The operator's commands.

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bedside::check_mail;
use bedside::config::{Config, MailConfig, MailTls};
use bedside_visit::signalling::Command;
use bedside_visit::{AppointmentStatus, TermsId};
use serde_json::Value;

use crate::desk::{Desk, Said, Serving, free_port};
use crate::support::double::Double;
use crate::support::mail::MailServer;
use crate::support::{PASSWORD, Page, Server, When};

#[test]
fn check_config_names_every_fault() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["check-config"]).worked(), "the configuration is valid");
    let file = desk.config(
        "[clinic]\nname = ''\n[server]\npublic_url = 'http://visits.example.org'\n[sign_in]\nidle_minutes = 0\n\
         [visits]\nring_seconds = 0\n",
    );
    let said = desk.run(&["check-config", "--config", &file]).refused();
    for setting in ["clinic.name", "server.public_url", "sign_in.idle_minutes", "visits.ring_seconds"] {
        assert!(said.contains(&format!("bedside: {setting}: ")), "{setting}: {said}");
    }
}

/// All users of the machine can see command lines.
#[test]
fn details_of_patients_come_from_a_file_or_standard_input_and_flags_are_warned_about() {
    let desk = Desk::new();
    std::fs::write(desk.path("ada.toml"), "name = 'Ada Lovelace'\nbirth_date = '1985-12-10'\n").expect("written");
    let said = desk.run(&["user", "add", "--from", "ada.toml"]);
    assert!(said.err.is_empty(), "{said:?}");
    let ada = said.worked();
    let said = desk.run(&["user", "add", "--name", "Ada Lovelace", "--birth-date", "1985-12-10"]);
    assert!(said.success && said.err.contains("can see --name and --birth-date in the process list"), "{said:?}");
    desk.add_user("Grace Hopper", "grace@example.org");
    let mut booking = desk.command(&["appointment", "add", "--patient", &ada, "--from", "-"]);
    let mut booking =
        booking.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let text = b"provider = 'grace@example.org'\nat = 'now'\nminutes = 20\ntype = 'Follow-up'\nreason = 'A rash'\n";
    booking.stdin.take().expect("a pipe").write_all(text).expect("written");
    let said = Said::from(booking.wait_with_output().expect("it ends"));
    assert!(said.success && said.err.is_empty(), "{said:?}");
    let said = desk.run(&[
        "appointment",
        "add",
        "--patient",
        &ada,
        "--provider",
        "grace@example.org",
        "--at",
        "now",
        "--reason",
        "A rash",
    ]);
    assert!(said.success && said.err.contains("can see --reason"), "{said:?}");
    for (text, words) in
        [("nam = 'x'", "nam"), ("name = 5", "name"), ("name = 'x'\nbirth_date = 'never'", "birth_date")]
    {
        std::fs::write(desk.path("bad.toml"), text).expect("written");
        let said = desk.run(&["user", "add", "--from", "bad.toml"]).refused();
        assert!(said.contains(words), "{said}");
    }
    assert!(desk.run(&["user", "add"]).refused().contains("--name"));
}

#[test]
fn check_config_reads_the_files_for_tls() {
    let desk = Desk::new();
    let acme = "mode = 'acme'\ncontact = 'it@example.org'\nagree_to_terms = true\nauthority = 'nowhere.pem'";
    for tls in ["mode = 'files'\ncertificate = 'nowhere.pem'\nkey = 'key.pem'", acme] {
        let file = desk.config(&format!("[server]\npublic_url = 'https://visits.example.org'\n[server.tls]\n{tls}\n"));
        let said = desk.run(&["check-config", "--config", &file]).refused();
        assert!(said.contains("bedside: server.tls: cannot read") && said.contains("nowhere.pem"), "{said}");
    }
}

#[test]
fn a_broken_configuration_names_file_line_and_setting() {
    let desk = Desk::new();
    for (text, named) in [
        ("[server\n", "line 1"),
        ("[server]\nlissen = '127.0.0.1:1'\n", "lissen"),
        ("[server]\nlisten = 'here'\n", "server.listen"),
        ("[server]\nlisten = 8080\n", "server.listen"),
        ("[server.tls]\nmode = 'maybe'\n", "server.tls"),
        ("[server.tls]\nmode = 'files'\n", "server.tls"),
        ("[media]\nport = 70000\n", "media.port"),
        ("[nowhere]\n", "nowhere"),
    ] {
        let file = desk.config(text);
        for command in ["check-config", "migrate", "serve"] {
            let said = desk.run(&[command, "--config", &file]).refused();
            assert!(said.contains(named), "{command} {text:?}: {said}");
        }
    }
    let said = desk.run(&["check-config", "--config", "/nowhere/bedside.toml"]).refused();
    assert!(said.contains("/nowhere/bedside.toml"), "{said}");
}

#[test]
fn the_environment_wins_over_the_file_and_its_other_variables_are_no_settings() {
    let desk = Desk::new();
    let file = desk.config("[clinic]\ntime_zone = 'Mars/Base'\n");
    let variables = [
        ("BEDSIDE_CONFIG", file.as_str()),
        ("BEDSIDE_CLINIC__TIME_ZONE", "Europe/Vienna"),
        ("BEDSIDE_PASSWORD", PASSWORD),
        ("BEDSIDE_LOG", "info"),
    ];
    assert_eq!(desk.run_with(&["check-config"], &variables).worked(), "the configuration is valid");
    let said = desk.run_with(&["check-config"], &[("BEDSIDE_VISITS__RING_SECONDS", "0")]).refused();
    assert!(said.contains("visits.ring_seconds"), "{said}");
    let said = desk.run_with(&["check-config"], &[("BEDSIDE_SERVER__LISSEN", "x")]).refused();
    assert!(said.to_lowercase().contains("lissen"), "{said}");
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let desk = Desk::new();
    std::fs::write(desk.path("file"), "not a database, but long enough to be taken for one".repeat(100))
        .expect("written");
    std::fs::create_dir(desk.path("folder")).expect("made");
    let cases = [
        (desk.path("file") + "/data/bedside.db", "cannot create the folder"),
        ("/proc/bedside/bedside.db".to_owned(), "cannot create the folder"),
        (desk.path("folder"), "it is a directory"),
        (desk.path("file"), "it is not a database"),
    ];
    for (path, words) in cases {
        for command in ["migrate", "serve"] {
            let variables = [("BEDSIDE_DATABASE__PATH", path.as_str()), ("BEDSIDE_SERVER__LISTEN", "127.0.0.1:0")];
            let said = desk.run_with(&[command], &variables).refused();
            assert!(said.contains(words) && said.contains("database.path"), "{command} {path}: {said}");
        }
    }
}

#[test]
fn a_busy_port_is_named() {
    let desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let said = desk.run_with(&["serve"], &[("BEDSIDE_SERVER__LISTEN", &address)]).refused();
    assert!(said.contains(&address) && said.contains("server.listen"), "{said}");
    assert!(!Path::new(&desk.path("data")).exists(), "ports are checked before anything is written");

    let media = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = media.local_addr().expect("an address").port().to_string();
    let variables = [
        ("BEDSIDE_SERVER__LISTEN", "127.0.0.1:0"),
        ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
        ("BEDSIDE_MEDIA__PORT", port.as_str()),
    ];
    let said = desk.run_with(&["serve"], &variables).refused();
    assert!(said.contains(&port) && said.contains("media.port"), "{said}");
}

#[test]
fn migrating_twice_does_it_once() {
    let desk = Desk::new();
    let first = desk.run(&["migrate"]).worked();
    assert!(first.ends_with("migrations applied; the database is up to date") && !first.starts_with('0'), "{first}");
    assert_eq!(desk.run(&["migrate"]).worked(), "0 migrations applied; the database is up to date");
    assert!(Path::new(&desk.path("data/bedside.db")).exists(), "the folder is created");
}

#[test]
fn users_are_checked_before_they_are_added() {
    let desk = Desk::new();
    let add = |arguments: &[&str], password: &str| {
        let arguments: Vec<&str> = ["user", "add"].iter().chain(arguments).copied().collect();
        desk.run_with(&arguments, &[("BEDSIDE_PASSWORD", password)])
    };
    let ada = ["--name", "Ada", "--email", "ada@example.org"];
    let said = add(&ada, "fourteen chars").refused();
    assert!(said.contains("at least 15 characters"), "{said}");
    assert!(add(&ada, &"x".repeat(1025)).refused().contains("at most 1024"));
    assert!(add(&["--name", "Ada", "--email", "ada"], PASSWORD).refused().contains("not an e-mail address"));
    for nameless in [" ", "\u{3164}", "\u{202e}"] {
        assert!(add(&["--name", nameless], PASSWORD).refused().contains("at least one letter or digit"));
    }
    assert!(add(&["--name", &"x".repeat(201)], PASSWORD).refused().contains("at most 200 characters"));
    let bad_date = add(&["--name", "Ada", "--birth-date", "1985-13-40"], PASSWORD);
    assert!(!bad_date.success && bad_date.err.contains("--birth-date"), "{bad_date:?}");

    let id = add(&ada, PASSWORD).worked();
    assert_eq!(id.len(), 36, "{id}");
    let again = add(&["--name", "Another", "--email", "ADA@example.org"], PASSWORD).refused();
    assert!(again.contains("another user already has this e-mail address"), "{again}");
    assert!(!again.contains(PASSWORD));
    assert_eq!(add(&["--name", "By link", "--birth-date", "1985-12-10"], "").worked().len(), 36);
}

#[test]
fn a_password_can_be_typed() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["user", "add", "--name", "Grace", "--email", "grace@example.org"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(format!("{PASSWORD}\r\n").as_bytes()).expect("typed");
    let said = Said::from(child.wait_with_output().expect("it ends"));
    assert!(said.err.contains("at least 15 characters"), "{said:?}");
    assert_eq!(said.worked().len(), 36, "only the ID is printed, for scripts");
}

#[test]
fn appointments_are_checked_before_they_are_booked() {
    let desk = Desk::new();
    let ada = desk.add_user("Ada", "ada@example.org");
    desk.add_user("Grace", "grace@example.org");
    let add = |patient: &str, provider: &str, at: &str, minutes: &str| {
        let arguments =
            ["appointment", "add", "--patient", patient, "--provider", provider, "--at", at, "--minutes", minutes];
        desk.run(&arguments)
    };
    let (grace, unknown) = ("grace@example.org", "0192d3a0-7c1e-7000-8000-000000000001");
    assert!(add(&ada, "nobody@example.org", "now", "30").refused().contains("bedside user add"));
    assert!(add(unknown, grace, "now", "30").refused().contains(unknown));
    assert!(add("Ada", grace, "now", "30").refused().contains("neither a user ID nor an e-mail address"));
    assert!(add(&ada, "ada@example.org", "now", "30").refused().contains("different people"));
    assert!(add(&ada, grace, "tomorrow", "30").refused().contains("--at"));
    assert!(add(&ada, grace, "2026-11-23T14:00:00", "30").refused().contains("--at"), "a time zone is required");
    for minutes in ["4", "1441"] {
        assert!(add(&ada, grace, "now", minutes).refused().contains("5 to 1440 minutes"));
    }
    assert!(!add(&ada, grace, "now", "-5").success);

    assert!(add(&ada, grace, "2024-11-23T14:00:00+01:00", "30").refused().contains("has passed"));
    let soon = bedside_visit::Clock::now(&bedside::SystemClock).as_millis() + 40 * 86_400_000;
    let soon = jiff::Timestamp::from_millisecond(soon).expect("a time").to_string()[..10].to_owned();
    let booked = add(&ada, grace, &format!("{soon}T14:00:00+01:00"), "30").worked();
    let [id, link] = after_labels(&booked, ["Appointment ID: ", "Patient link:   "]);
    assert!(id.len() == 36 && link.starts_with("http://localhost:8080/v/"), "{booked}");
    assert_ne!(desk.run(&["appointment", "link", id]).worked(), link, "the link is replaced");
    assert_eq!(desk.run(&["appointment", "cancel", id]).worked(), "");
    for command in ["link", "cancel"] {
        assert!(desk.run(&["appointment", command, unknown]).refused().contains(unknown));
        assert!(desk.run(&["appointment", command, "x"]).refused().contains("not an appointment ID"));
    }
}

/// Labels printed by `integrator add` and `add-key`.
const KEY: [&str; 3] = ["Integrator ID:              ", "Client ID:                  ", "Client secret (shown once): "];

/// Returns the values after the labels, one per line.
fn after_labels<'a, const N: usize>(printed: &'a str, labels: [&str; N]) -> [&'a str; N] {
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), N, "{printed}");
    std::array::from_fn(|line| lines[line].strip_prefix(labels[line]).unwrap_or_else(|| panic!("{printed}")))
}

/// People read labels, scripts read JSON, and a single value is printed without either.
#[test]
fn what_a_command_has_made_is_labelled_or_json() {
    let desk = Desk::new();
    let object = |arguments: &[&str]| -> Value {
        let printed = desk.run_with(arguments, &[("BEDSIDE_PASSWORD", PASSWORD)]).worked();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    };
    let keys = |made: &Value| -> Vec<String> { made.as_object().expect("an object").keys().cloned().collect() };
    let ada = object(&["user", "add", "--name", "Ada", "--email", "ada@example.org", "--json"]);
    let grace = object(&["user", "add", "--name", "Grace", "--json"]);
    let [ada, grace] = [ada, grace].map(|made| made["id"].as_str().expect("an id").to_owned());
    let booked = object(&["appointment", "add", "--patient", &grace, "--provider", &ada, "--at", "now", "--json"]);
    assert_eq!(keys(&booked), ["id", "link"]);
    let id = booked["id"].as_str().expect("an id");
    assert_eq!(keys(&object(&["appointment", "link", id, "--json"])), ["link"]);
    assert!(desk.run(&["appointment", "link", id]).worked().starts_with("http://localhost:8080/v/"));
    assert_eq!(keys(&object(&["user", "reset", "ada@example.org", "--json"])), ["link"]);
    let key = object(&["integrator", "add", "--name", "Records", "--json"]);
    assert_eq!(keys(&key), ["client_id", "client_secret", "id"]);
    let more = object(&["integrator", "add-key", key["id"].as_str().expect("an id"), "--json"]);
    assert_eq!((keys(&more), &more["id"]), (keys(&key), &key["id"]));
}

/// The program serves what was created on the command line.
#[tokio::test]
async fn an_operators_day() {
    let desk = Desk::new();
    desk.run(&["user", "add", "--name", "Ada Lovelace"]).worked();
    let server = Server::start().await;
    let database = server.database().display().to_string();
    let variables = [
        ("BEDSIDE_DATABASE__PATH", database.as_str()),
        ("BEDSIDE_SERVER__PUBLIC_URL", server.origin.as_str()),
        ("BEDSIDE_PASSWORD", PASSWORD),
    ];
    // A command is run while the program uses the same database.
    let patient = desk.run_with(&["user", "add", "--name", "Ada Byron"], &variables).worked();
    let provider = ["user", "add", "--name", "Dr. Who", "--email", "who@example.org", "--specialty", "Time"];
    desk.run_with(&provider, &variables).worked();
    let (id, link) = desk.book(&["--patient", &patient, "--provider", "who@example.org", "--at", "now"], &variables);
    let id = id.as_str();

    let client = server.client();
    client.join_by_link(&link).await;
    assert_eq!(client.get(&format!("/appointment/{id}")).await.status, 200);
    let who = server.client();
    let reply = who.try_sign_in("who@example.org", PASSWORD).await;
    assert_eq!(reply.status, 303, "a password of realistic length: {}", reply.body);
    assert!(who.get(&format!("/appointment/{id}")).await.body.contains("<provider-video-call"));

    for lost in ["forget-second-step", "forget-passkeys"] {
        desk.run_with(&["user", lost, "who@example.org"], &variables).worked();
    }
    assert_eq!(who.get("/").await.location(), Some("/sign-in"), "all sessions ended");

    desk.run_with(&["appointment", "cancel", id], &variables).worked();
    assert_eq!(server.status(id.parse().expect("an id")).await, AppointmentStatus::Cancelled);
    assert_eq!(client.get(&format!("/appointment/{id}")).await.status, 403);
    let actions: Vec<String> = server.audit().await.into_iter().map(|row| row.action).collect();
    for action in ["user.added", "appointment.added", "invite.created", "invite.used", "appointment.cancelled"] {
        assert!(actions.iter().any(|known| known == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn who_agreed_to_which_words_is_listed_line_by_line() {
    let words = "I agree to be seen by video.";
    let server = Server::start_with(|config| config.visits.consent_text = Some(words.to_owned())).await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let data = ada.get(&format!("/api/appointments/{}", visit.id)).await.json();
    let shown = &data["data"]["call"]["terms"];
    assert_eq!((shown["language"].as_str(), shown["text"].as_str()), (Some("en"), Some(words)));
    let terms: TermsId = shown["id"].as_str().expect("a name").parse().expect("a name of terms");
    let mut page = Page::open(&server, &ada, visit.id).await;
    for given in [true, false] {
        page.command(Command::SetConsent { given, terms }).await.expect("done");
    }
    let desk = Desk::new();
    let database = server.database().display().to_string();
    let variables = [("BEDSIDE_DATABASE__PATH", database.as_str())];
    let listed = desk.run_with(&["appointment", "consents", &visit.id.to_string()], &variables).worked();
    let lines: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{listed}");
    for (line, given) in lines.iter().zip([true, false]) {
        assert_eq!(line["given"], given);
        assert_eq!(line["user"], server.patient.id().to_string());
        assert_eq!((line["text"].as_str(), line["method"].as_str()), (Some(words), Some("page")));
    }
}

#[tokio::test]
async fn what_people_wrote_goes_when_it_is_old_and_not_held() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let mut page = Page::open(&server, &ada, visit.id).await;
    page.command(Command::Enter).await.expect("in");
    page.command(Command::Say { text: "It hurts here".to_owned().try_into().expect("a text") }).await.expect("said");
    page.command(Command::Leave).await.expect("left");
    let messages = async || {
        let latest = server.store.get_latest_visit(visit.id).await.expect("read").expect("a visit");
        server.store.list_messages(latest.id).await.expect("read").len()
    };

    let operator = server.operator();
    let keeps = Duration::from_secs(30 * 24 * 60 * 60);
    assert_eq!(operator.forget_old(keeps, true).await.expect("done").appointments, 0, "nothing is old enough");
    server.clock.advance(keeps + Duration::from_secs(24 * 60 * 60));
    operator.set_held(visit.id, true).await.expect("held");
    let held = operator.forget_old(keeps, true).await.expect("done");
    assert_eq!((held.messages, held.held, messages().await), (0, 1, 1));
    operator.set_held(visit.id, false).await.expect("released");
    let dry = operator.forget_old(keeps, false).await.expect("said");
    assert_eq!((dry.applied, dry.messages, messages().await), (false, 1, 1), "a dry run removes nothing");
    let done = operator.forget_old(keeps, true).await.expect("done");
    assert_eq!((done.applied, done.messages, messages().await), (true, 1, 0));
    assert_eq!(operator.forget_old(keeps, true).await.expect("done").appointments, 0, "nothing is left to remove");
    let actions: Vec<String> = server.audit().await.into_iter().map(|row| row.action).collect();
    let own = |action: &&String| action.starts_with("appointment.") && !action.ends_with("viewed");
    let said: Vec<&str> = actions.iter().filter(own).map(String::as_str).collect();
    assert!(said.ends_with(&["appointment.held", "appointment.released", "appointment.forgotten"]), "{said:?}");
}

#[test]
fn a_link_for_a_password_is_printed() {
    let desk = Desk::new();
    let add = ["user", "add", "--name", "Ada", "--email", "ada@example.org"];
    desk.run_with(&add, &[("BEDSIDE_PASSWORD", PASSWORD)]).worked();
    let link = desk.run(&["user", "reset", "Ada@Example.org"]).worked();
    let token = link.strip_prefix("http://localhost:8080/reset/").expect("a link");
    assert_eq!(token.len(), 43, "{link}");
    assert!(desk.run(&["user", "reset", "eve@example.org"]).refused().contains("there is no user"));
    desk.run(&["user", "disable", "ada@example.org"]).worked();
    assert!(desk.run(&["user", "reset", "ada@example.org"]).refused().contains("user enable"));
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_used_is_named() {
    let mail = MailServer::start().await;
    let mut config = Config { mail: Some(mail.config()), ..Config::default() };
    assert_eq!(check_mail(&config).await, Ok(()));
    config.mail = Some(MailConfig { port: Some(free_port()), ..mail.config() });
    assert_eq!(check_mail(&config).await, Err("[mail]: cannot reach the mail server (mail.host)".to_owned()));
    // A server with a self-signed certificate.
    let double = Double::start().await;
    let port = double.host.split_once(':').and_then(|(_, port)| port.parse().ok());
    let host = "localhost".to_owned();
    config.mail = Some(MailConfig { host, port, tls: MailTls::Implicit, ..mail.config() });
    let said = check_mail(&config).await;
    assert_eq!(said, Err("[mail]: cannot set up TLS with the mail server (mail.host, mail.tls)".to_owned()));
    // Without TLS, nothing is sent to a server that does not offer encryption.
    config.mail = Some(MailConfig { tls: MailTls::Starttls, ..mail.config() });
    assert!(check_mail(&config).await.is_err());
    let desk = Desk::new();
    let file = desk.config("[mail]\nhost = 'smtp.example.org'\ntls = 'none'\nfrom = 'nobody'\n");
    assert!(desk.run(&["check-config", "--config", &file]).refused().contains("mail.tls"));
    let oidc = "[oidc]\nissuer = 'http://id.example.org'\nclient_id = 'a'\nclient_secret = 'b'\nlabel = 'c'\n";
    assert!(desk.run(&["check-config", "--config", &desk.config(oidc)]).refused().contains("oidc.issuer"));
}

#[test]
fn serve_says_where_and_ends_when_told_to() {
    let desk = Desk::new();
    let port = free_port();
    let serving = Serving::start(&desk, &["serve"], port);
    assert!(serving.line_with("listening").contains(&format!("http://localhost:{port} (127.0.0.1:{port})")));
    serving.terminate();
}

#[tokio::test]
async fn a_demo_prints_a_working_link_for_each_and_goes_on_the_next_time() {
    let desk = Desk::new();
    let port = free_port();
    for _ in 0..2 {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let http = http.build().expect("a client");
        let serving = Serving::start(&desk, &["serve", "--demo"], port);
        let link = |who| serving.line_with(who).split_whitespace().last().expect("a link").to_owned();
        let (provider, patient) = (link("provider"), link("patient"));
        let page = http.get(&patient).send().await.expect("an answer");
        assert!(page.text().await.expect("text").contains("Join visit"));
        let page = http.get(&provider).send().await.expect("an answer");
        assert!(page.text().await.expect("text").contains("Continue as Dr. Grace Hopper"));
        let entered =
            http.post(&provider).header("origin", format!("http://localhost:{port}")).send().await.expect("an answer");
        assert_eq!(entered.status(), 303);
        assert!(
            entered.headers()["location"].to_str().expect("text").starts_with("/video-call/provider?appointmentId=")
        );
        let guessed = format!("http://localhost:{port}/demo/{}", "A".repeat(43));
        assert_eq!(http.get(&guessed).send().await.expect("an answer").status(), 404);
        serving.terminate();
    }
}

#[tokio::test]
async fn another_program_is_given_keys_and_trusted() {
    let desk = Desk::new();
    let printed = desk.run(&["integrator", "add", "--name", "Records", "--scope", "appointments:read"]).worked();
    let [id, client, secret] = after_labels(&printed, KEY);
    assert_eq!((id.len(), client.len(), secret.len()), (36, 36, 43));
    let more = desk.run(&["integrator", "add-key", id]).worked();
    assert_ne!(after_labels(&more, KEY)[1], client);
    desk.run(&["integrator", "remove-key", client]).worked();
    assert!(desk.run(&["integrator", "remove-key", client]).refused().contains("there is no client key"));
    assert!(desk.run(&["integrator", "add", "--name", "X", "--scope", "everything"]).err.contains("appointments:read"));

    let file = desk.path("keys.json");
    let issuer = ["--issuer", "https://records.example.org"];
    let trust = |id: &str| desk.run(&["integrator", "trust", id, issuer[0], issuer[1], "--jwks", &file]);
    assert!(trust(id).refused().contains("keys.json"));
    std::fs::write(&file, r#"{"keys":[{"kty":"oct","kid":"1","k":"c2VjcmV0"}]}"#).expect("written");
    assert!(trust(id).refused().contains("shared secret"));
    let good =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    std::fs::write(&file, good).expect("written");
    trust(id).worked();
    let other = desk.run(&["integrator", "add", "--name", "Other"]).worked();
    assert!(trust(after_labels(&other, KEY)[0]).refused().contains("belongs to another integrator"));
    desk.run(&["integrator", "distrust", id, issuer[0], issuer[1]]).worked();
    assert!(desk.run(&["integrator", "distrust", id, issuer[0], issuer[1]]).refused().contains("there is no issuer"));
}

#[tokio::test]
async fn the_front_desk_is_given_on_the_command_line() {
    let desk = Desk::new();
    let add = ["user", "add", "--name", "Dorothy", "--email", "dorothy@example.org", "--clinic-role"];
    let with = |role: &'static str| desk.run_with(&[&add[..], &[role]].concat(), &[("BEDSIDE_PASSWORD", PASSWORD)]);
    for role in ["integrator", "boss"] {
        assert!(with(role).err.contains("staff or admin"), "{role}");
    }
    with("staff").worked();
    for role in ["admin", "none", "staff"] {
        desk.run(&["user", "set-clinic-role", "dorothy@example.org", role]).worked();
    }
    assert!(
        desk.run(&["user", "set-clinic-role", "nobody@example.org", "admin"]).refused().contains("there is no user")
    );
}
