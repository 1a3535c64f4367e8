//! Who may do what: everyone, on every route and with every command.

use std::collections::BTreeSet;

use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::Stage;
use bedside_visit::{Appointment, CallBackend, DeviceCheck, TermsId};
use reqwest::Method;
use serde_json::json;

use crate::support::double::Double;
use crate::support::{Client, Ending, Page, Refused, Reply, Server, When};

const EVERYONE: [&str; 7] =
    ["nobody", "patient", "patient by link", "other patient", "provider", "other provider", "link of another visit"];

/// A number is the status (of a page, of the API, or the close code of a WebSocket). `sign-in`, `home`,
/// `room` and `bye` are redirects: to sign-in, the day, the waiting room, the last page. `open` is a
/// WebSocket that shows the visit. `{used}` is the link by which `link` came, `{link}` a fresh one.
///
/// `other link`: the link of another visit of the same two people.
const ROUTES: &str = "
                                                nobody   patient  link     other-pa provider other-pr other-li
    GET  /                                      sign-in  200      room     200      200      200      room
    GET  /sign-in                               200      home     200      home     home     home     200
    POST /sign-in                               200      200      200      200      200      200      200
    GET  /v/{link}                              200      200      200      200      200      200      200
    POST /v/{link}                              room     room     room     room     room     room     room
    GET  /v/{used}                              403      403      200      403      403      403      403
    POST /v/{used}                              403      403      room     403      403      403      403
    GET  /appointment/{id}                      sign-in  200      200      404      200      404      404
    GET  /video-call/patient?appointmentId={id} sign-in  200      200      404      403      404      404
    GET  /video-call/provider?appointmentId={id} sign-in 403      403      404      200      404      404
    GET  /ended                                 200      200      200      200      200      200      200
    GET  /api                                   200      200      200      200      200      200      200
    GET  /demo/{token}                          404      404      404      404      404      404      404
    POST /demo/{token}                          404      404      404      404      404      404      404
    GET  /api/appointments/{id}                 401      200      200      404      200      404      404
    POST /api/appointments/{id}/invites         401      403      403      404      200      404      404
    POST /api/cometchat/user                    404      404      404      404      404      404      404
    GET  /call/cometchat                        404      404      404      404      404      404      404
    POST /api/webhooks/cometchat                404      404      404      404      404      404      404
    WS   /api/appointments/{id}/signalling      4401     open     open     4403     open     4403     4403
    GET  /api/openapi.json                      200      200      200      200      200      200      200
    GET  /assets/{name}                         404      404      404      404      404      404      404
    GET  /healthz                               200      200      200      200      200      200      200
    GET  /account                               sign-in  200      sign-in  200      200      200      sign-in
    GET  /sign-in/code                          sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  sign-in
    POST /sign-in/code                          sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  sign-in
    GET  /account/second-step                   sign-in  200      sign-in  200      200      200      sign-in
    POST /account/second-step                   sign-in  403      sign-in  403      403      403      sign-in
    POST /account/second-step/remove            sign-in  403      sign-in  403      403      403      sign-in
    POST /account/password                      sign-in  200      sign-in  200      200      200      sign-in
    POST /account/sign-ins                      sign-in  account  sign-in  account  account  account  sign-in
    POST /sign-out                              bye      sign-in  bye      sign-in  sign-in  sign-in  bye
";

struct Clinic {
    server: Server,
    visit: Appointment,
    used: String,
    /// As in [`EVERYONE`].
    browsers: [Client; 7],
}

impl Clinic {
    async fn new() -> Self {
        let server = Server::start().await;
        let (visit, another) = (server.book(When::Now).await, server.book(When::Now).await);
        let used = server.link(visit.id).await;
        let (by_link, by_other_link) = (server.client(), server.client());
        by_link.join_by_link(&used).await;
        by_other_link.join_by_link(&server.link(another.id).await).await;
        let browsers = [
            server.client(),
            server.sign_in(&server.patient).await,
            by_link,
            server.sign_in(&server.other_patient).await,
            server.sign_in(&server.provider).await,
            server.sign_in(&server.other_provider).await,
            by_other_link,
        ];
        let used = used.replace(&server.origin, "");
        Self { server, visit, used, browsers }
    }

    async fn outcome(&self, method: &str, route: &str, browser: &Client) -> String {
        let mut path = route.replace("{id}", &self.visit.id.to_string()).replace("/v/{used}", &self.used);
        path = path.replace("{token}", &"A".repeat(43)).replace("{name}", "none.js");
        if path.contains("{link}") {
            path = self.server.link(self.visit.id).await.replace(&self.server.origin, "");
        }
        // What a request leaves in the browser is not for the next one.
        let browser = browser.with_same_cookies();
        if method == "WS" {
            return match Page::try_open(&self.server, &browser, &path, Some(&self.server.origin)).await {
                Ok(_) => "open".to_owned(),
                Err(Refused::Ended(Ending::Code(code))) => code.to_string(),
                Err(other) => format!("{other:?}"),
            };
        }
        let request = browser.request(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
        let reply = match path.as_str() {
            "/sign-in" if method == "POST" => request.form(&[("email", "nobody@example.org"), ("password", "x")]),
            "/account/password" => request.form(&[("current", "x"), ("new", "y")]),
            "/sign-in/code" if method == "POST" => request.form(&[("code", "123456")]),
            "/account/second-step" if method == "POST" => {
                request.form(&[("sealed", "AAAA"), ("code", "123456"), ("current", "x")])
            }
            "/account/second-step/remove" => request.form(&[("current", "x")]),
            "/account/sign-ins" => request.form(&[("which", "others")]),
            api if method == "POST" && api.starts_with("/api/") => request.json(&json!({})),
            _ => request,
        };
        word(&reply.send().await)
    }
}

fn word(reply: &Reply) -> String {
    match reply.location() {
        None => reply.status.to_string(),
        Some("/") => "home".to_owned(),
        Some("/ended") => "bye".to_owned(),
        Some("/account?done=sign-ins") => "account".to_owned(),
        Some(to) if to.starts_with("/sign-in") => "sign-in".to_owned(),
        Some(to) if to.starts_with("/video-call/patient?appointmentId=") => "room".to_owned(),
        Some(other) => format!("to {other}"),
    }
}

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    ROUTES.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty())
}

#[tokio::test]
async fn every_route() {
    let clinic = Clinic::new().await;
    let mut wrong = Vec::new();
    for row in rows() {
        let [method, route, expected @ ..] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(expected.len(), EVERYONE.len(), "{row:?}");
        for ((who, browser), expected) in EVERYONE.iter().zip(&clinic.browsers).zip(expected) {
            let found = clinic.outcome(method, route, browser).await;
            if found != *expected {
                wrong.push(format!("{method} {route}, {who}: {found}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Such as `GET /v/{token}`, as the router's source has them.
pub(crate) fn routes_of_the_router() -> BTreeSet<String> {
    let router = include_str!("../../src/router.rs");
    let mut routes = BTreeSet::new();
    for line in router.lines().filter_map(|line| Some(line.split_once(".route(\"")?.1)) {
        let (path, methods) = line.split_once('"').expect("a path");
        for (name, method) in [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")] {
            if methods.contains(&format!(" {name}")) || methods.contains(&format!(").{name}")) {
                routes.insert(format!("{method} {path}"));
            }
        }
        assert!(!methods.contains("any("), "{path} takes any method");
    }
    routes
}

/// A route that nobody has thought about has no row.
#[test]
fn the_table_has_every_route_of_the_router() {
    let table: BTreeSet<String> = rows()
        .map(|row| {
            let method = if row[0] == "WS" { "GET" } else { row[0] };
            let path = row[1].split('?').next().expect("a path");
            format!("{method} {}", path.replace("{link}", "{token}").replace("{used}", "{token}"))
        })
        .collect();
    assert_eq!(routes_of_the_router(), table);
}

/// What each may say, in a state in which it makes sense: done, or refused as the other role's.
/// Everyone else has no seat to say it from, as `signalling` in [`ROUTES`] has it.
const fn commands(command: &Command) -> [(&'static str, bool); 3] {
    let (patient, provider) = match command {
        Command::Enter
        | Command::Rejoin
        | Command::Leave
        | Command::SetMedia { .. }
        | Command::ReportCheck { .. }
        | Command::ReportCapture { .. }
        | Command::ReportMedia { .. }
        | Command::ReportStranger
        | Command::SetConsent { .. }
        | Command::Say { .. } => (true, true),
        Command::Decline => (true, false),
        Command::Start
        | Command::Cancel
        | Command::KeepWaiting
        | Command::MarkMissed
        | Command::End
        | Command::MoveCall { .. } => (false, true),
    };
    [("patient", patient), ("patient by link", patient), ("provider", provider)]
}

fn every_kind() -> [Command; 17] {
    [
        Command::Enter,
        Command::Rejoin,
        Command::Leave,
        Command::Decline,
        Command::Start,
        Command::Cancel,
        Command::KeepWaiting,
        Command::MarkMissed,
        Command::End,
        Command::SetMedia { microphone: false, camera: false },
        Command::ReportCheck {
            check: DeviceCheck {
                browser: bedside_visit::Check::Works,
                camera: bedside_visit::Check::Works,
                microphone: bedside_visit::Check::Works,
                heard: true,
            },
        },
        Command::ReportCapture { capture: bedside_visit::Capture::Interrupted },
        Command::ReportMedia { carries: true },
        Command::ReportStranger,
        Command::MoveCall { backend: CallBackend::Embedded },
        Command::SetConsent { given: false, terms: TermsId::new([0; 16]) },
        Command::Say { text: "Hello".to_owned().try_into().expect("a text") },
    ]
}

#[tokio::test]
async fn every_command() {
    let double = Double::start().await;
    let server = Server::start_with(|config| {
        config.cometchat = Some(double.config());
        config.visits.call_backend = CallBackend::CometChat;
    })
    .await;
    let ada = server.sign_in(&server.patient).await;
    let grace = server.sign_in(&server.provider).await;
    for command in every_kind() {
        for (who, may) in commands(&command) {
            let visit = server.book(When::Now).await;
            let mut provider = Page::open(&server, &grace, visit.id).await;
            if command != Command::Start {
                provider.command(Command::Start).await.expect("started");
            }
            let before = server.audit().await.len();
            let mut page = match who {
                "provider" => provider,
                "patient" => Page::open(&server, &ada, visit.id).await,
                _ => {
                    let client = server.client();
                    client.join_by_link(&server.link(visit.id).await).await;
                    Page::open(&server, &client, visit.id).await
                }
            };
            if matches!(command, Command::Say { .. }) {
                page.command(Command::Enter).await.expect("one writes from inside");
            }
            let answer = page.command(command.clone()).await;
            let expected = if may { Ok(()) } else { Err(Refusal::WrongRole) };
            assert_eq!(answer, expected, "{command:?} of {who}");
            if !may {
                let after = server.audit().await.split_off(before);
                let done: Vec<_> = after.iter().filter(|row| row.action.starts_with("visit.")).collect();
                assert!(done.is_empty(), "{command:?} of {who} did {done:?}");
            }
        }
    }
}

/// When the door is open, and for whom: the page and the WebSocket agree.
#[tokio::test]
async fn every_door() {
    let server = Server::start().await;
    let (now, later, earlier, off) = (
        server.book(When::Now).await,
        server.book(When::Later).await,
        server.book(When::Earlier).await,
        server.book(When::Now).await,
    );
    server.cancel(off.id).await;
    let clients = [
        server.sign_in(&server.patient).await,
        server.sign_in(&server.provider).await,
        server.sign_in(&server.other_provider).await,
    ];
    #[rustfmt::skip]
    let table = [
        //                  patient                provider               other provider
        ("now",     &now,     [("open", "open"), ("open", "open"), ("404",  "4403")]),
        ("later",   &later,   [("403",  "4403"), ("open", "open"), ("404",  "4403")]),
        ("earlier", &earlier, [("403",  "4403"), ("403",  "4403"), ("404",  "4403")]),
        ("off",     &off,     [("403",  "4403"), ("403",  "4403"), ("404",  "4403")]),
    ];
    for (when, visit, row) in table {
        for (client, (page, socket)) in clients.iter().zip(row) {
            let status = client.get(&format!("/appointment/{}", visit.id)).await.status;
            let shown = if status == 200 { "open".to_owned() } else { status.to_string() };
            let path = format!("/api/appointments/{}/signalling", visit.id);
            let opened = match Page::try_open(&server, client, &path, Some(&server.origin)).await {
                Ok(page) => {
                    assert!(matches!(page.view.stage, Stage::Idle | Stage::Preparing));
                    "open".to_owned()
                }
                Err(Refused::Ended(Ending::Code(code))) => code.to_string(),
                Err(other) => format!("{other:?}"),
            };
            assert_eq!((shown.as_str(), opened.as_str()), (page, socket), "{when}");
        }
    }
}
