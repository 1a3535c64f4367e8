//! Authorization matrix: every route, requested by every kind of client.

use std::collections::BTreeSet;

use bedside::config::SecondFactor;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{Appointment, Clock as _};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::account::turn_on_second_step;
use crate::support::{Account, Client, Ending, PASSWORD, Page, Refused, Reply, Server, When};

/// The expected table: a row for every route, a column for every kind of client.
///
/// A number is the status (of a page, of the API, or the close code of a WebSocket). `in`, `home`, `room`, `call` and
/// `bye` are redirects to sign-in, the start page, the waiting room, the page of a companion and the last page; `acct`
/// redirects to the account, `asks` to where a device waits to be admitted. `open` is a WebSocket that shows the visit.
/// `{used}` is the link that `link` joined with, `{link}` a fresh one.
const TABLE: &str = include_str!("matrix.txt");

/// The clients, in the order of the table's columns. The appointment belongs to the patient, the provider and the three
/// companions who joined by their own links; `program` booked it. `link2` joined by a link of another visit of the same
/// two users.
const EVERYONE: [&str; 15] = [
    "anonymous",
    "patient",
    "link",
    "patient2",
    "provider",
    "provider2",
    "link2",
    "interp",
    "guest",
    "observer",
    "staff",
    "admin",
    "program",
    "reader",
    "program2",
];

/// Clients without valid access, now or ever: they get the same responses as anonymous clients.
const AS_ANONYMOUS: [&str; 9] = [
    "disabled patient",
    "revoked link",
    "made-up cookie",
    "made-up token",
    "token of a removed key",
    "token of a disabled program",
    "token and another user's cookies",
    "waits for a code",
    "waits to set a second step up",
];

/// The page on which a client enters its second factor: it does not exist for others.
const PENDING_SIGN_IN: &str = "/sign-in/code";

struct Clinic {
    server: Server,
    visit: Appointment,
    /// An appointment of two other users.
    foreign: Appointment,
    used: String,
    /// The clients of [`EVERYONE`].
    browsers: Vec<Client>,
    /// The clients of [`AS_ANONYMOUS`].
    unauthenticated: Vec<Client>,
}

impl Clinic {
    async fn new() -> Self {
        let mut server = Server::start().await;
        let all = "appointments:read appointments:write people:write";
        let program = server.add_program("Records", all).await;
        let reader = server.operator().new_key(program.user, "appointments:read".parse().expect("a scope")).await;
        let program2 = server.add_program("Other records", all).await;
        let (ada, grace) = (&server.patient.person, &server.provider.person);
        let visit = server.book_by(Some(program.user), ada, grace, When::Now).await;
        let foreign = server.book_for(&server.other_patient.person, &server.other_provider.person, When::Now).await;
        let another = server.book(When::Now).await;
        let used = server.link(visit.id).await;
        let (by_link, by_other_link) = (server.client(), server.client());
        by_link.join_by_link(&used).await;
        by_other_link.join_by_link(&server.link(another.id).await).await;
        let desk = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
        let admin = server.add_clerk("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await;
        let browsers = vec![
            server.client(),
            server.sign_in(&server.patient).await,
            by_link,
            server.sign_in(&server.other_patient).await,
            server.sign_in(&server.provider).await,
            server.sign_in(&server.other_provider).await,
            by_other_link,
            server.companion(visit.id, "Ines", "interpreter").await.1,
            server.companion(visit.id, "George", "guest").await.1,
            server.companion(visit.id, "Oscar", "observer").await.1,
            server.sign_in(&desk).await,
            server.sign_in(&admin).await,
            server.program(&program).await,
            server.program(&reader.expect("a key")).await,
            server.program(&program2).await,
        ];
        let mut unauthenticated = Self::unauthenticated(&server, &visit, &browsers[1]).await;
        let second = server.add_clerk("Clara Barton", "clara@example.org", ClinicRole::Admin).await;
        turn_on_second_step(&server, &second).await;
        // From here on no staff member signs in with a password alone.
        server.config.sign_in.second_factor = SecondFactor::Required;
        let server = server.restart().await;
        unauthenticated.extend([Self::waits(&server, &second).await, Self::waits(&server, &admin).await]);
        let used = used.replace(&server.origin, "");
        Self { server, visit, foreign, used, browsers, unauthenticated }
    }

    async fn unauthenticated(server: &Server, visit: &Appointment, ada: &Client) -> Vec<Client> {
        let shut_out = server.add_person("Percy", Some("percy@example.org")).await;
        let his = server.book_for(&shut_out.person, &server.provider.person, When::Now).await;
        let disabled = server.sign_in(&shut_out).await;
        let (guest, revoked) = server.companion(visit.id, "Gone", "guest").await;
        let grace = server.sign_in(&server.provider).await;
        let gone = format!("/api/appointments/{}/invites/{guest}", visit.id);
        assert_eq!(grace.request(Method::DELETE, &gone).send().await.status, 200);
        let made_up = server.client();
        made_up.set_cookie("bedside-session", &"A".repeat(43));
        made_up.set_cookie("bedside-visit", &"A".repeat(43));
        let removed = server.add_program("Removed", "appointments:read").await;
        let of_removed = server.program(&removed).await;
        server.operator().remove_key(removed.client_id).await.expect("removed");
        let off = server.add_program("Off", "appointments:read").await;
        let of_disabled = server.program(&off).await;
        server.disable(off.user).await;
        server.disable(shut_out.id()).await;
        assert_eq!(disabled.get(&format!("/api/appointments/{}", his.id)).await.status, 401);
        vec![
            disabled,
            revoked,
            made_up,
            server.client().with_token("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0.e30."),
            of_removed,
            of_disabled,
            ada.with_same_cookies().with_token("x"),
        ]
    }

    /// Signs in with an administrator's password, but without a second factor.
    async fn waits(server: &Server, account: &Account) -> Client {
        let client = server.client();
        let reply = client.try_sign_in(&account.email, PASSWORD).await;
        assert_eq!(reply.location(), Some(PENDING_SIGN_IN), "{}", reply.body);
        client
    }

    async fn ask(&self, method: &str, route: &str, id: &str, browser: &Client) -> Result<Reply, String> {
        let mut path = route.replace("{id}", id).replace("/v/{used}", &self.used);
        path = path.replace("{token}", &"A".repeat(43)).replace("{name}", "none.js");
        path = path.replace("{user}", &self.server.provider.id().to_string());
        path = path.replace("{admission}", &Uuid::now_v7().to_string());
        path = path.replace("{person}", &self.server.other_patient.id().to_string());
        if path.contains("{link}") {
            path = self.server.link(self.visit.id).await.replace(&self.server.origin, "");
        }
        // Cookies that one request changes do not affect the next one.
        let browser = browser.with_same_cookies();
        if (method, route.split('{').next()) == ("POST", Some("/v/")) {
            // Opens the page first, like a browser: it sets the cookies that the form needs.
            browser.get(&path).await;
        }
        if method == "WS" {
            return Err(match Page::try_open(&self.server, &browser, &path, Some(&self.server.origin)).await {
                Ok(_) => "open".to_owned(),
                Err(Refused::Ended(Ending::Code(code))) => code.to_string(),
                Err(other) => format!("{other:?}"),
            });
        }
        let request = browser.request(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
        let unknown = format!("{}@example.org", Uuid::now_v7());
        let request = match (form(&path, method), body(&self.server, route, method)) {
            _ if (method, route) == ("POST", "/sign-in") => request.form(&[("email", &unknown), ("password", "x")]),
            _ if (method, route) == ("POST", "/people") => {
                request.form(&[("user", &self.server.other_patient.id().to_string()), ("disabled", "false")])
            }
            _ if route == "/booking/{id}/admissions" => {
                request.form(&[("admission", &Uuid::now_v7().to_string()), ("admit", "true")])
            }
            _ if route == "/booking/{id}/link" => request.form(&[("user", &self.server.patient.id().to_string())]),
            _ if route == "/booking/{id}/revoke" => {
                request.form(&[("user", &self.server.provider.id().to_string()), ("sure", "true")])
            }
            (Some(fields), _) => request.form(fields),
            (None, Some(body)) => request.json(&body),
            (None, None) => request,
        };
        Ok(request.send().await)
    }

    async fn outcome(&self, method: &str, route: &str, browser: &Client) -> String {
        match self.ask(method, route, &self.visit.id.to_string(), browser).await {
            Ok(reply) => {
                self.answer_pending_request().await;
                word(&reply)
            }
            Err(word) => word,
        }
    }

    /// Answers the pending request to join on another device: only a few can be pending at a time.
    async fn answer_pending_request(&self) {
        let now = self.server.clock.now();
        let mut transaction = self.server.store.begin().await.expect("begin");
        for asked in self.server.store.list_admissions(now - std::time::Duration::from_secs(60)).await.expect("read") {
            transaction.answer_admission(asked.id, false, now).await.expect("answered");
        }
        transaction.commit().await.expect("commit");
    }
}

fn form(path: &str, method: &str) -> Option<&'static [(&'static str, &'static str)]> {
    let fields: &[(&str, &str)] = match path {
        "/book" if method == "POST" => &[],
        path if path.ends_with("/companions") && path.starts_with("/booking") => &[("name", "Gil"), ("role", "guest")],
        "/account/password" => &[("current", "x"), ("new", "y")],
        "/sign-in/code" if method == "POST" => &[("code", "123456")],
        "/account/second-step" if method == "POST" => &[("sealed", "AAAA"), ("code", "123456"), ("current", "x")],
        "/account/second-step/remove" => &[("current", "x")],
        "/sign-in/forgotten" if method == "POST" => &[("email", "nobody@example.org")],
        "/reset" if method == "POST" => &[("new", "x")],
        "/account/provider" | "/account/provider/remove" => &[("current", "x")],
        "/account/passkeys/remove" => &[("which", "x"), ("current", "x")],
        "/account/sign-ins" => &[("which", "others")],
        _ => return None,
    };
    Some(fields)
}

/// Returns a valid body.
fn body(server: &Server, route: &str, method: &str) -> Option<Value> {
    match (method, route) {
        ("POST", "/api/appointments") => Some(json!({
            "patientId": server.patient.id().to_string(), "providerId": server.provider.id().to_string(),
            "datetime": format!("{}T09:00:00Z", server.in_days(40)), "duration": 30, "type": "Follow-up",
            "reason": "A rash", "allowOverlap": true,
        })),
        ("POST", "/api/appointments/{id}/companions") => Some(json!({ "name": "Gil", "role": "guest" })),
        ("POST", "/api/people") => Some(json!({ "name": "Gil", "birthDate": "1980-02-29", "specialty": null })),
        ("POST", "/api/appointments/{id}/admissions/{admission}") => Some(json!({ "admit": true })),
        ("PUT", "/api/people/{person}/standing") => Some(json!({ "disabled": false })),
        ("POST", "/account/passkeys/options") => Some(json!({ "current": "x" })),
        ("POST", "/account/passkeys" | "/sign-in/passkey" | "/sign-in/passkey/options") => Some(json!({})),
        ("POST", "/api/token") => None,
        ("POST", path) if path.starts_with("/api/") => Some(json!({})),
        _ => None,
    }
}

fn word(reply: &Reply) -> String {
    match reply.location() {
        None => reply.status.to_string(),
        Some("/") => "home".to_owned(),
        Some("/ended") => "bye".to_owned(),
        Some("/account?done=sign-ins") => "acct".to_owned(),
        Some(to) if to.starts_with("/v/") => "asks".to_owned(),
        Some("/reset") => "reset".to_owned(),
        Some("/desk") => "desk".to_owned(),
        Some("/people") => "people".to_owned(),
        Some(to) if to.starts_with("/booking/") => "booking".to_owned(),
        Some(to) if to.starts_with("/sign-in") => "in".to_owned(),
        Some(to) if to.starts_with("/video-call/patient?appointmentId=") => "room".to_owned(),
        Some(to) if to.starts_with("/appointment/") => "call".to_owned(),
        Some(other) => format!("to {other}"),
    }
}

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    TABLE.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty())
}

#[tokio::test]
async fn every_route() {
    let clinic = Clinic::new().await;
    let columns: Vec<&str> = TABLE.lines().next().expect("a head").split_whitespace().collect();
    assert_eq!(columns, EVERYONE);
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for row in rows() {
        let [method, route, expected @ ..] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(expected.len(), EVERYONE.len(), "{row:?}");
        let everyone = EVERYONE.iter().zip(&clinic.browsers).zip(expected.iter().copied());
        let unauthenticated = AS_ANONYMOUS.iter().zip(&clinic.unauthenticated).zip(std::iter::repeat(expected[0]));
        for ((who, browser), expected) in everyone.chain(unauthenticated) {
            let asked = *route == PENDING_SIGN_IN && who.starts_with("waits");
            let expected = if asked { "200" } else { expected };
            let found = clinic.outcome(method, route, browser).await;
            cells += 1;
            if found != expected {
                wrong.push(format!("{method} {route}, {who}: {found}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    report(&format!("the matrix: {cells} cells hold"));
}

#[expect(clippy::print_stdout, reason = "prints the number of cells")]
fn report(line: &str) {
    println!("{line}");
}

/// A client without access to an appointment cannot tell whether it exists.
#[tokio::test]
async fn foreign_and_missing_are_indistinguishable_on_every_route() {
    let clinic = Clinic::new().await;
    let missing = Uuid::now_v7().to_string();
    let foreign = clinic.foreign.id.to_string();
    let mut wrong = Vec::new();
    for row in rows().filter(|row| row[1].contains("{id}")) {
        for (who, browser) in EVERYONE.iter().zip(&clinic.browsers) {
            // The appointment belongs to these, or they are staff, who can access all.
            if matches!(*who, "patient2" | "provider2" | "staff" | "admin") {
                continue;
            }
            let one = clinic.ask(row[0], row[1], &foreign, browser).await;
            let other = clinic.ask(row[0], row[1], &missing, browser).await;
            let seen = |asked: Result<Reply, String>, id: &str| match asked {
                Ok(reply) => (reply.status, reply.body.replace(id, "")),
                Err(word) => (0, word),
            };
            let (one, other) = (seen(one, &foreign), seen(other, &missing));
            if one != other || one.0 == 200 || one.1 == "open" {
                wrong.push(format!("{} {}, {who}: {one:?} and {other:?}", row[0], row[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// An unknown field is refused, whatever its name means.
#[tokio::test]
async fn nothing_is_changed_by_a_field_that_is_not_asked_for() {
    let clinic = Clinic::new().await;
    let fields = [
        "id",
        "status",
        "bookedBy",
        "booked_by",
        "provider",
        "patient",
        "callBackend",
        "backend",
        "heldAt",
        "forgottenAt",
        "createdAt",
        "userId",
        "user_id",
        "email",
        "password",
        "passwordHash",
        "clinicRole",
        "clinic_role",
        "admin",
        "isAdmin",
        "role",
        "roles",
        "scope",
        "disabled",
        "disabledAt",
        "avatarUrl",
        "totpSecret",
        "consent",
        "terms",
        "companions",
        "expiresAt",
        "url",
        "as",
    ];
    let admin = &clinic.browsers[11];
    let mut tried = 0;
    for row in rows().filter(|row| row[1].starts_with("/api/") && row[0] != "GET") {
        let Some(whole) = body(&clinic.server, row[1], row[0]) else { continue };
        if row[1].contains("cometchat") || row[1].ends_with("/cancel") {
            continue;
        }
        let known: &[&str] = match row[1] {
            "/api/appointments/{id}/invites" => &["userId"],
            _ => &[],
        };
        let people = clinic.server.store.count_users().await.expect("read");
        let booked = clinic.server.store.count_appointments().await.expect("read");
        for field in fields.iter().filter(|field| !known.contains(field) && whole.get(**field).is_none()) {
            let mut more = whole.clone();
            more[*field] = json!("admin");
            let path = row[1].replace("{id}", &clinic.visit.id.to_string());
            let path = path.replace("{admission}", &Uuid::now_v7().to_string());
            let path = path.replace("{person}", &clinic.server.other_patient.id().to_string());
            let reply = admin.request(Method::from_bytes(row[0].as_bytes()).expect("a method"), &path).json(&more);
            let reply = reply.send().await;
            assert_eq!((reply.status, reply.problem().as_str()), (400, "bad-request"), "{row:?} {field}");
            tried += 1;
        }
        assert_eq!(clinic.server.store.count_users().await.expect("read"), people);
        assert_eq!(clinic.server.store.count_appointments().await.expect("read"), booked);
    }
    assert!(tried > 100, "{tried}");
}

/// Returns routes such as `GET /v/{token}`, as defined in the router's source.
pub(crate) fn routes_of_the_router() -> BTreeSet<String> {
    let router = include_str!("../../src/http/router.rs");
    let mut routes = BTreeSet::new();
    for line in router.lines().filter_map(|line| Some(line.split_once(".route(\"")?.1)) {
        let (path, methods) = line.split_once('"').expect("a path");
        for (name, method) in [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")] {
            if methods.contains(&format!(" {name}")) || methods.contains(&format!(").{name}")) {
                routes.insert(format!("{method} {path}"));
            }
        }
        assert!(!methods.contains("any("), "{path} accepts any method");
    }
    routes
}

/// A route without a row has not been considered.
#[test]
fn the_table_has_every_route_of_the_router() {
    let table: BTreeSet<String> = rows()
        .map(|row| {
            let method = if row[0] == "WS" { "GET" } else { row[0] };
            let path = row[1].split('?').next().expect("a path");
            let path = path.replace("{link}", "{token}").replace("{used}", "{token}").replace("{person}", "{id}");
            format!("{method} {path}")
        })
        .collect();
    assert_eq!(routes_of_the_router(), table);
}
