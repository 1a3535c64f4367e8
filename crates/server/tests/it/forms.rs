//! Forms change only what they are meant to change, whatever else is submitted (mass assignment).

use std::collections::{BTreeSet, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::ProviderLink;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{Appointment, Clock as _};
use reqwest::Method;
use serde_json::json;

use crate::account::{Phone, hidden, turn_on_second_step};
use crate::matrix::routes_of_the_router;
use crate::passkeys;
use crate::provider::way_there;
use crate::support::authenticator::Authenticator;
use crate::support::database::{Contents, Shell};
use crate::support::mail::MailServer;
use crate::support::provider::Provider;
use crate::support::{Client, PASSWORD, Reply, Server, When};

const NEW: &str = "umbrella kettle frosty nine";

/// Every route that accepts a form.
const FORMS: [&str; 25] = [
    "/sign-in",
    "/sign-in/code",
    "/sign-in/forgotten",
    "/reset",
    "/sign-out",
    "/account/password",
    "/account/second-step",
    "/account/second-step/remove",
    "/account/provider",
    "/account/provider/remove",
    "/account/passkeys/remove",
    "/account/sign-ins",
    "/book",
    "/booking/{id}/link",
    "/booking/{id}/revoke",
    "/booking/{id}/admissions",
    "/booking/{id}/companions",
    "/booking/{id}/cancel",
    "/people",
    "/v/{token}",
    "/demo/{token}",
    "/api/token",
    // This route reads no body, so a form is harmless.
    "/api/appointments/{id}/cancel",
    // These routes change nothing and read no form.
    "/sign-in/passkey/options",
    "/api/webhooks/cometchat",
];
/// The last entries of [`FORMS`].
const FOR_NOTHING: usize = 2;

/// Fields that an attacker might add, with `{eve}` for another user and `{elsewhere}` for another appointment. Fields
/// that a form has itself are not added to it.
const MORE: [(&str, &str); 78] = [
    ("id", "{eve}"),
    ("user", "{eve}"),
    ("user_id", "{eve}"),
    ("userId", "{eve}"),
    ("account", "{eve}"),
    ("actor", "{eve}"),
    ("as", "{eve}"),
    ("patient", "{eve}"),
    ("patient_id", "{eve}"),
    ("patientId", "{eve}"),
    ("provider", "{eve}"),
    ("provider_id", "{eve}"),
    ("providerId", "{eve}"),
    ("booked_by", "{eve}"),
    ("bookedBy", "{eve}"),
    ("companions", "{eve}"),
    ("appointment", "{elsewhere}"),
    ("appointment_id", "{elsewhere}"),
    ("appointmentId", "{elsewhere}"),
    ("visit", "{elsewhere}"),
    ("role", "provider"),
    ("roles", "admin"),
    ("clinic_role", "admin"),
    ("clinicRole", "admin"),
    ("scope", "people:write"),
    ("grants", "people:write"),
    ("client_id", "{eve}"),
    ("admin", "true"),
    ("is_admin", "true"),
    ("isAdmin", "true"),
    ("admit", "true"),
    ("admitted", "true"),
    ("consent", "true"),
    ("verified", "true"),
    ("disabled", "true"),
    ("held", "true"),
    ("disabled_at", "1"),
    ("disabledAt", "1"),
    ("held_at", "1"),
    ("forgotten_at", "1"),
    ("created_at", "1"),
    ("createdAt", "1"),
    ("used_at", "1"),
    ("expires_at", "9999999999999"),
    ("expiresAt", "9999999999999"),
    ("status", "fulfilled"),
    ("call_backend", "cometchat"),
    ("backend", "cometchat"),
    ("email", "eve@example.org"),
    ("name", "Eve the Eavesdropper"),
    ("birth_date", "1970-01-01"),
    ("specialty", "Surgery"),
    ("avatar_url", "https://evil.example/eve.png"),
    ("kind", "Another kind of visit"),
    ("reason", "Another reason altogether"),
    ("minutes", "1440"),
    ("password", "another password of Eve's"),
    ("password_hash", "another"),
    ("passwordHash", "another"),
    ("current", "another password of Eve's"),
    ("new", "another password of Eve's"),
    ("code", "000000"),
    ("sealed", "AAAA"),
    ("second_step", "AAAA"),
    ("totp_secret", "AAAA"),
    ("session", "AAAA"),
    ("token", "AAAA"),
    ("token_hash", "AAAA"),
    ("device", "Eve's device"),
    ("which", "others"),
    ("_method", "DELETE"),
    ("next", "https://evil.example/"),
    ("redirect", "https://evil.example/"),
    ("redirect_uri", "https://evil.example/"),
    ("return_to", "https://evil.example/"),
    ("url", "https://evil.example/"),
    ("location", "https://evil.example/"),
    ("done", "https://evil.example/"),
];

/// A clinic in which every form can be submitted.
struct Scene {
    server: Server,
    mail: MailServer,
    provider: Provider,
    visit: Appointment,
    elsewhere: Appointment,
}

/// A valid form and its sender.
struct Filled {
    client: Client,
    path: String,
    fields: Vec<(&'static str, String)>,
    /// Credentials for HTTP Basic.
    basic: Option<String>,
}

/// The effect of a form.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    location: Option<String>,
    cookies: BTreeSet<String>,
    /// The scope of an access token.
    scope: Option<String>,
    /// The browser's start page afterwards: whether it is signed in, and as whom.
    day: (u16, Option<String>),
    changes: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        let (mail, provider) = (MailServer::start().await, Provider::start().await);
        let (mail_config, oidc) = (mail.config(), provider.config());
        let server = Server::start_with(|all| {
            all.mail = Some(mail_config);
            all.oidc = Some(oidc);
        })
        .await;
        provider.tell_time_of(&server);
        let visit = server.book(When::Now).await;
        let elsewhere = server.book_for(&server.other_patient.person, &server.other_provider.person, When::Now).await;
        Self { server, mail, provider, visit, elsewhere }
    }

    async fn fill_in(&mut self, route: &str) -> Filled {
        let text = |field: &str| field.to_owned();
        let (ada, mary) = (self.server.patient.id().to_string(), self.server.other_patient.id().to_string());
        let booking = format!("/booking/{}", self.visit.id);
        let mut path = route.replace("{id}", &self.visit.id.to_string());
        let mut basic = None;
        let (client, fields) = match route {
            "/sign-in" => {
                let fields = vec![("email", text("grace@example.org")), ("password", text(PASSWORD))];
                (self.server.client(), fields)
            }
            "/sign-in/code" => {
                let phone = turn_on_second_step(&self.server, &self.server.provider).await;
                let client = self.server.client();
                client.try_sign_in("grace@example.org", PASSWORD).await;
                (client, vec![("code", phone.shows(&self.server, 30))])
            }
            "/sign-in/forgotten" => (self.server.client(), vec![("email", text("grace@example.org"))]),
            "/reset" => {
                let operator = self.server.operator();
                let link = operator.reset_password(&"grace@example.org".parse().expect("an address")).await;
                let client = self.server.client();
                client.get(&link.expect("a link").replace(&self.server.origin, "")).await;
                (client, vec![("new", text(NEW))])
            }
            "/account/password" => (self.grace().await, vec![("current", text(PASSWORD)), ("new", text(NEW))]),
            "/account/second-step" => {
                let client = self.grace().await;
                let page = client.get("/account/second-step").await.body;
                let code = Phone::scan(&page).shows(&self.server, 0);
                let sealed = hidden(&page, "sealed");
                (client, vec![("sealed", sealed), ("code", code), ("current", text(PASSWORD))])
            }
            "/account/second-step/remove" => {
                turn_on_second_step(&self.server, &self.server.other_provider).await;
                let client = self.grace().await;
                let page = client.get("/account/second-step").await.body;
                let code = Phone::scan(&page).shows(&self.server, 0);
                let fields = [("sealed", &*hidden(&page, "sealed")), ("code", &code), ("current", PASSWORD)];
                assert_eq!(client.post("/account/second-step", &fields).await.status, 303);
                (client, vec![("current", text(PASSWORD))])
            }
            "/account/provider" => (self.grace().await, vec![("current", text(PASSWORD))]),
            "/account/provider/remove" => {
                for (subject, account) in [("g", &self.server.provider), ("j", &self.server.other_provider)] {
                    let (issuer, user) = (self.provider.issuer.clone(), account.id());
                    let created_at = self.server.clock.now();
                    let link = ProviderLink { issuer, subject: text(subject), user, created_at };
                    let mut transaction = self.server.store.begin().await.expect("begun");
                    transaction.insert_provider_link(&link).await.expect("connected");
                    transaction.commit().await.expect("committed");
                }
                (self.grace().await, vec![("current", text(PASSWORD))])
            }
            "/account/passkeys/remove" => {
                let james = self.server.sign_in(&self.server.other_provider).await;
                passkeys::add(&james, &mut Authenticator::new(&self.server.origin), "Phone").await;
                let client = self.grace().await;
                passkeys::add(&client, &mut Authenticator::new(&self.server.origin), "Laptop").await;
                let which = passkeys::handle(&client.get("/account").await.body);
                (client, vec![("which", which), ("current", text(PASSWORD))])
            }
            "/account/sign-ins" => {
                self.grace().await;
                (self.grace().await, vec![("which", text("others"))])
            }
            "/book" => {
                let grace = self.server.provider.id().to_string();
                let day = self.server.in_days(40);
                let fields = [
                    ("key", "a form"),
                    ("patient", ""),
                    ("name", "Zofia"),
                    ("birth_date", "1980-02-29"),
                    ("provider", &grace),
                    ("date", &*day),
                    ("time", "12:00"),
                    ("minutes", "20"),
                    ("type", "First visit"),
                    ("reason", "A rash"),
                ];
                (self.dorothy().await, fields.map(|(name, value)| (name, text(value))).to_vec())
            }
            "/booking/{id}/link" => (self.dorothy().await, vec![("user", ada)]),
            "/booking/{id}/revoke" => {
                self.server.client().join_by_link(&self.server.link(self.visit.id).await).await;
                self.server.client().join_by_link(&self.server.link(self.elsewhere.id).await).await;
                (self.dorothy().await, vec![("user", ada), ("sure", text("true"))])
            }
            "/booking/{id}/admissions" => {
                for visit in [&self.visit, &self.elsewhere] {
                    let link = self.server.link(visit.id).await;
                    self.server.client().join_by_link(&link).await;
                    let asked = self.server.client().open_and_press(&link.replace(&self.server.origin, "")).await;
                    assert_eq!(asked.status, 303, "{}", asked.body);
                }
                let client = self.dorothy().await;
                let admission = hidden(&client.get(&booking).await.body, "admission");
                (client, vec![("admission", admission), ("admit", text("false"))])
            }
            "/booking/{id}/companions" => {
                (self.dorothy().await, vec![("key", text("a form")), ("name", text("Gil")), ("role", text("guest"))])
            }
            "/booking/{id}/cancel" | "/api/appointments/{id}/cancel" => (self.dorothy().await, vec![]),
            "/people" => {
                let fields = vec![("user", mary), ("disabled", text("false"))];
                self.server.disable(self.server.other_patient.id()).await;
                (self.dorothy().await, fields)
            }
            "/v/{token}" => {
                path = self.server.link(self.visit.id).await.replace(&self.server.origin, "");
                let client = self.server.client();
                client.get(&path).await;
                (client, vec![])
            }
            "/sign-out" => (self.grace().await, vec![]),
            "/api/token" => {
                let key = self.server.add_program("Records", "appointments:read people:write").await;
                basic = Some(STANDARD.encode(format!("{}:{}", key.client_id, key.client_secret.reveal())));
                let scope = ("scope", text("appointments:read"));
                (self.server.client(), vec![("grant_type", text("client_credentials")), scope])
            }
            "/sign-in/passkey/options" | "/api/webhooks/cometchat" => (self.server.client(), vec![]),
            other => panic!("no form is defined for {other}"),
        };
        Filled { client, path, fields, basic }
    }

    async fn grace(&self) -> Client {
        self.server.sign_in(&self.server.provider).await
    }

    /// Returns an administrator who has viewed the booking: views are logged once an hour.
    async fn dorothy(&self) -> Client {
        let dorothy = self.server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Admin).await;
        let client = self.server.sign_in(&dorothy).await;
        assert_eq!(client.get(&format!("/booking/{}", self.visit.id)).await.status, 200);
        client
    }

    /// Returns the fields that an attacker might add to a form with `fields`.
    fn more(&self, fields: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let asked: HashSet<&str> = fields.iter().map(|(name, _)| *name).collect();
        let (eve, elsewhere) = (self.server.other_provider.id().to_string(), self.elsewhere.id.to_string());
        let more = MORE.iter().filter(|(name, _)| !asked.contains(name));
        more.map(|(name, value)| (*name, value.replace("{eve}", &eve).replace("{elsewhere}", &elsewhere))).collect()
    }

    async fn contents(&self) -> Contents {
        Shell::open(&self.server.database()).await.contents().await
    }

    /// Waits for effects that happen after the response or elsewhere.
    async fn finish(&self, route: &str, filled: &Filled, reply: &Reply) {
        match route {
            "/sign-in/forgotten" => drop(self.mail.taken(1).await),
            "/account/provider" => {
                let back = self.provider.signs_in(&way_there(&reply.body), json!({ "sub": "grace-elsewhere" }));
                filled.client.get(&back).await;
            }
            _ => {}
        }
    }

    async fn outcome(&self, route: &str, filled: &Filled, path: &str, fields: &[(&str, &str)]) -> Outcome {
        let before = self.contents().await;
        let cookies: BTreeSet<String> = filled.client.cookies().into_values().collect();
        let reply = filled.send(path, fields).await;
        self.finish(route, filled, &reply).await;
        let changes = before.changes(&self.contents().await, self.server.clock.now()).into_iter();
        let changes = changes.map(|change| change.replace(&self.provider.issuer, "(the provider)")).collect();
        let location = |reply: &Reply| reply.location().map(|to| before.named(&to.replace(&filled.path, "here")));
        let fresh = filled.client.cookies().into_iter().filter(|(_, value)| !cookies.contains(value));
        let cookies = fresh.map(|(name, _)| name).collect();
        let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let day = filled.client.get("/").await;
        Outcome {
            status: reply.status,
            location: location(&reply),
            cookies,
            scope: json["scope"].as_str().map(str::to_owned),
            day: (day.status, location(&day)),
            changes,
        }
    }
}

impl Filled {
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self.client.request(Method::POST, path).form(fields);
        match &self.basic {
            Some(basic) => request.header("authorization", &format!("Basic {basic}")).send().await,
            None => request.send().await,
        }
    }
}

async fn scene_of(route: &str) -> (Scene, Filled) {
    let mut scene = Scene::new().await;
    if route == "/demo/{token}" {
        let (server, path) = scene.server.restart_as_demo().await;
        let filled = Filled { client: server.client(), path, fields: vec![], basic: None };
        return (Scene { server, ..scene }, filled);
    }
    let filled = scene.fill_in(route).await;
    (scene, filled)
}

fn lent<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The same form in identical clinics: as intended, and with every additional field, in the body and in the address.
#[tokio::test]
async fn a_form_changes_nothing_but_what_it_is_for() {
    for (number, route) in FORMS.into_iter().enumerate() {
        let (scene, filled) = scene_of(route).await;
        let right = scene.outcome(route, &filled, &filled.path, &lent(&filled.fields)).await;
        if number < FORMS.len() - FOR_NOTHING {
            assert!(matches!(right.status, 200 | 303) && !right.changes.is_empty(), "{route} does nothing: {right:?}");
        } else {
            assert_eq!(right.changes, [""; 0], "{route}");
        }

        let (scene, filled) = scene_of(route).await;
        let fields: Vec<_> = filled.fields.iter().cloned().chain(scene.more(&filled.fields)).collect();
        // In an address, `as` selects one of the signed-in users, and would find none.
        let in_address = scene.more(&[("as", String::new())]);
        let pairs = in_address.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+")));
        let path = format!("{}?{}", filled.path, pairs.collect::<Vec<_>>().join("&"));
        let with_more = scene.outcome(route, &filled, &path, &lent(&fields)).await;
        assert_eq!(with_more, right, "{route}");
    }
}

/// If a field occurs twice, the form is refused, so that no two parsers can disagree on its value.
#[tokio::test]
async fn a_field_that_comes_twice_is_refused() {
    let mut tried = 0;
    for route in FORMS {
        let (scene, filled) = scene_of(route).await;
        for (name, value) in &filled.fields {
            for other in [value.as_str(), "true", ""] {
                let fields = [lent(&filled.fields), vec![(name, other)]].concat();
                let before = scene.contents().await;
                let reply = filled.send(&filled.path, &fields).await;
                assert_eq!(reply.status, 400, "{route} {name}: {}", reply.body);
                let changes = before.changes(&scene.contents().await, scene.server.clock.now());
                assert_eq!(changes, [""; 0], "{route} {name}");
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "{tried}");
}

/// A new route is listed in [`FORMS`] or accepts no form.
#[tokio::test]
async fn every_route_that_takes_a_form_is_tried() {
    let server = Server::start().await;
    let admin = server.add_clerk("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await;
    let admin = server.sign_in(&admin).await;
    let visit = server.book(When::Now).await;
    let mut forms: BTreeSet<&str> = FORMS.into_iter().collect();
    for route in routes_of_the_router() {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        if method == "GET" || (method == "POST" && forms.remove(path)) {
            continue;
        }
        let path = path.replace("{id}", &visit.id.to_string()).replace("{user}", &server.patient.id().to_string());
        let path = path.replace("{admission}", &uuid::Uuid::now_v7().to_string());
        let request = admin.request(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
        let reply = request.form(&[("role", "admin")]).send().await;
        // A DELETE request needs no body.
        let expected = if method == "DELETE" { 200 } else { 415 };
        assert_eq!(reply.status, expected, "{route} accepts a form: add it to FORMS. {}", reply.body);
    }
    assert!(forms.is_empty(), "there is no route {forms:?}");
}
