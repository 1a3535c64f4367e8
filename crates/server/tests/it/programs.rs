//! Integrators: client credentials, what they may do with an access token, and the join tokens they sign.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside::NewKey;
use bedside_visit::{Appointment, Clock as _, Role, UserId};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Ending, GRANT, Page, Reply, Server, When};

const ALL: &str = "appointments:read appointments:write people:write";
const EHR: &str = "https://records.example.org";

#[tokio::test]
async fn a_program_books_and_people_meet() {
    let server = Server::start().await;
    let program = server.program(&server.add_program("Records", ALL).await).await;
    let person = program.post_json("/api/people", &json!({ "name": "Zofia", "birthDate": "1980-02-29" })).await.json();
    let at = jiff::Timestamp::from_millisecond(server.clock.now().as_millis()).expect("a time");
    let new = json!({
        "patientId": person["data"]["userId"], "providerId": server.provider.id().to_string(),
        "datetime": at.to_string(), "duration": 20, "type": "First visit", "reason": "A rash",
    });
    let booked = program.post_json("/api/appointments", &new).await;
    assert_eq!(booked.status, 200, "{}", booked.body);
    let booked = booked.json();
    let id = booked["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(program.get(&format!("/api/appointments/{id}")).await.json(), booked);
    let hour = jiff::SignedDuration::from_hours(1);
    let listed = program.get(&format!("/api/appointments?from={}&until={}", at - hour, at + hour)).await.json();
    assert_eq!(listed["data"], json!([booked["data"]]));

    let link = program.post_json(&format!("/api/appointments/{id}/invites"), &json!({})).await.json();
    let patient = server.client();
    patient.join_by_link(link["data"]["url"].as_str().expect("a link")).await;
    let id = id.parse().expect("an id");
    Page::open(&server, &patient, id).await;
    Page::open(&server, &server.sign_in(&server.provider).await, id).await;
    let off = program.request(Method::POST, &format!("/api/appointments/{id}/cancel")).send().await.json();
    assert_eq!(off["data"]["status"], "cancelled");
}

/// Responses to bookings, too, contain only what the caller may read.
#[tokio::test]
async fn an_answer_carries_what_its_reader_may_read() {
    let server = Server::start().await;
    let writer = server.program(&server.add_program("Writer", "appointments:write").await).await;
    let new = json!({
        "patientId": server.patient.id().to_string(), "providerId": server.provider.id().to_string(),
        "datetime": "2027-01-07T09:00:00Z", "duration": 30, "type": "Follow-up", "reason": "A rash",
    });
    let booked = writer.post_json("/api/appointments", &new).await.json();
    let cancel = format!("/api/appointments/{}/cancel", booked["data"]["id"].as_str().expect("an id"));
    for answer in [booked, writer.request(Method::POST, &cancel).send().await.json()] {
        let data = &answer["data"];
        assert!(data["patient"]["userId"].is_string(), "{answer}");
        for missing in [&data["patient"]["name"], &data["patient"]["age"], &data["reason"]] {
            assert_eq!(missing, &Value::Null, "{answer}");
        }
    }

    let visit = server.book(When::Now).await;
    let path = format!("/api/appointments/{}", visit.id);
    for (role, in_full) in [("observer", false), ("guest", false), ("interpreter", false), ("patient", true)] {
        let client = match role {
            "patient" => server.sign_in(&server.patient).await,
            _ => server.companion(visit.id, "Olga", role).await.1,
        };
        let data = client.get(&path).await.json()["data"].clone();
        assert_eq!(
            (data["reason"].is_string(), data["patient"]["age"].is_number()),
            (in_full, in_full),
            "{role} {data}"
        );
        assert!(data["patient"]["name"].is_string());
        if !in_full {
            let page = client.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await.body;
            let reason = visit.reason.as_ref().expect("a reason").reveal();
            assert!(!page.contains(reason.as_str()), "{role}");
        }
    }
}

#[tokio::test]
async fn a_program_is_believed_by_its_key_alone() {
    let server = Server::start().await;
    let key = server.add_program("Records", "appointments:read").await;
    let secret = key.client_secret.reveal();
    let fault = |reply: &Reply| (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned());
    let ask = async |fields: &[(&str, &str)]| fault(&server.ask_token(key.client_id, secret, fields).await);
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(ask(&[("grant_type", "password")]).await, refused(400, "unsupported_grant_type"));
    assert_eq!(ask(&[]).await, refused(400, "invalid_request"));
    assert_eq!(ask(&[GRANT[0], GRANT[0]]).await, refused(400, "invalid_request"), "a field occurs twice");
    assert_eq!(ask(&[GRANT[0], ("scope", "everything")]).await, refused(400, "invalid_scope"));
    assert_eq!(
        ask(&[GRANT[0], ("client_secret", secret)]).await,
        refused(400, "invalid_request"),
        "two authentication methods"
    );
    for (id, secret) in [(key.client_id, "wrong"), (key.client_id, ""), (Uuid::now_v7(), secret)] {
        let reply = server.ask_token(id, secret, &GRANT).await;
        assert_eq!(fault(&reply), refused(401, "invalid_client"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(reply.json()["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{}", reply.body);
        assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
    }
    assert_eq!(server.client().post("/api/token", &[("grant_type", "client_credentials")]).await.status, 401);
    let given = server.ask_token(key.client_id, secret, &GRANT).await;
    assert_eq!(given.header("cache-control"), Some("no-store"));
    let given = given.json();
    // RFC 6749, section 2.3.1: credentials in the form, for clients that cannot send the header.
    let id = key.client_id.to_string();
    let in_form = [GRANT[0], ("client_id", &id), ("client_secret", secret)];
    assert_eq!(server.client().post("/api/token", &in_form).await.status, 200);
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(given["scope"], "appointments:read");
    let actions: Vec<String> = server.audit().await.into_iter().map(|row| row.action).collect();
    assert_eq!(actions.iter().filter(|action| *action == "token.refused").count(), 3);
    assert_eq!(actions.iter().filter(|action| *action == "token.issued").count(), 2);
}

#[tokio::test]
async fn strangers_who_ask_for_tokens_are_slowed_down_and_fill_nothing() {
    let server = Server::start().await;
    let before = server.audit().await.len();
    let mut statuses = Vec::new();
    for _ in 0..200 {
        statuses.push(server.ask_token(Uuid::now_v7(), "wrong", &GRANT).await.status);
    }
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((60..120).contains(&looked_at), "{looked_at}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)));
    assert_eq!(server.audit().await.len() - before, 20, "the rest of a minute becomes one line at its end");
}

#[tokio::test]
async fn guessing_a_programs_secret_is_slowed_down() {
    let server = Server::start().await;
    let key = server.add_program("Records", ALL).await;
    let asked = (0..50).map(|_| server.ask_token(key.client_id, "wrong", &GRANT));
    let statuses: Vec<u16> = futures_util::future::join_all(asked).await.iter().map(|reply| reply.status).collect();
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((20..40).contains(&looked_at), "20 a minute, and one more every three seconds: {statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn a_token_ends_after_ten_minutes() {
    let server = Server::start().await;
    let program = server.program(&server.add_program("Records", ALL).await).await;
    let path = "/api/appointments?from=2027-01-01T00:00:00Z&until=2027-01-02T00:00:00Z";
    server.clock.advance(Duration::from_secs(595));
    assert_eq!(program.get(path).await.status, 200);
    server.clock.advance(Duration::from_secs(6));
    assert_eq!(program.get(path).await.status, 401);
}

#[tokio::test]
async fn what_cannot_be_booked_is_said() {
    let server = Server::start().await;
    let program = server.program(&server.add_program("Records", ALL).await).await;
    let right = json!({
        "patientId": server.patient.id().to_string(), "providerId": server.provider.id().to_string(),
        "datetime": format!("{}T09:00:00Z", server.in_days(40)), "duration": 30, "type": "Follow-up",
    });
    assert_eq!(program.post_json("/api/appointments", &right).await.status, 200);
    let before = server.store.count_appointments().await.expect("read");
    for (field, value) in [
        ("patientId", json!(Uuid::now_v7().to_string())),
        ("patientId", json!("x")),
        ("providerId", right["patientId"].clone()),
        ("datetime", json!("tomorrow")),
        ("datetime", json!("2027-01-07T09:00:00")),
        ("duration", json!(4)),
        ("duration", json!(1441)),
        ("duration", json!(-1)),
        ("duration", json!("30")),
        ("type", json!(" ")),
        ("type", json!("x".repeat(101))),
        ("reason", json!("x".repeat(2001))),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        let reply = program.post_json("/api/appointments", &wrong).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "bad-request"), "{wrong}");
    }
    for between in [
        "",
        "?from=x&until=y",
        "?from=2027-01-01T00:00:00Z&until=2027-03-01T00:00:00Z",
        "?from=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z",
        "?from=2027-01-01T00:00:00Z&until=2027-01-02T00:00:00Z&all=1",
    ] {
        assert_eq!(program.get(&format!("/api/appointments{between}")).await.status, 400, "{between}");
    }
    for name in ["", " ", &"x".repeat(201)] {
        assert_eq!(program.post_json("/api/people", &json!({ "name": name })).await.status, 400);
    }
    assert_eq!(server.store.count_appointments().await.expect("read"), before);
}

#[tokio::test]
async fn a_user_whose_links_are_revoked_is_disconnected() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (guest, client) = server.companion(visit.id, "Gil", "guest").await;
    let mut page = Page::open(&server, &client, visit.id).await;
    let grace = server.sign_in(&server.provider).await;
    let path = format!("/api/appointments/{}/invites/{guest}", visit.id);
    assert_eq!(grace.request(Method::DELETE, &path).send().await.status, 200);
    assert!(matches!(page.ending().await, Ending::Code(4401)), "disconnected within a second");
    assert_eq!(client.get(&format!("/api/appointments/{}", visit.id)).await.status, 401);
    assert_eq!(grace.request(Method::DELETE, &path).send().await.status, 404, "the user no longer takes part");

    let patient = server.client();
    let link = server.link(visit.id).await;
    patient.join_by_link(&link).await;
    let path = format!("/api/appointments/{}/invites/{}", visit.id, server.patient.id());
    assert_eq!(grace.request(Method::DELETE, &path).send().await.status, 200);
    assert_eq!(patient.get(&format!("/api/appointments/{}", visit.id)).await.status, 401);
    let used = link.replace(&server.origin, "");
    assert_eq!(patient.post(&used, &[]).await.status, 403, "the link is not valid again");
}

#[tokio::test]
async fn eight_people_can_be_in_a_visit() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let path = format!("/api/appointments/{}/companions", visit.id);
    for n in 0..6 {
        let reply = grace.post_json(&path, &json!({ "name": format!("Guest {n}"), "role": "guest" })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(grace.post_json(&path, &json!({ "name": "Nine", "role": "guest" })).await.status, 400);
    assert_eq!(grace.post_json(&path, &json!({ "name": "Doctor", "role": "provider" })).await.status, 400);
}

/// An integrator that signs join tokens.
struct Signer {
    pair: Ed25519KeyPair,
    key: NewKey,
}

impl Signer {
    async fn new(server: &Server, issuer: &str) -> Self {
        let signer =
            Self { pair: Ed25519KeyPair::generate().expect("a key"), key: server.add_program("EHR", ALL).await };
        let jwks = signer.jwks("one");
        server.operator().trust(signer.key.user, issuer, &jwks, false).await.expect("trusted");
        signer
    }

    fn jwks(&self, name: &str) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": name, "x": x }] }).to_string()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }

    async fn book(&self, server: &Server, when: When) -> Appointment {
        server.book_by(Some(self.key.user), &server.patient.person, &server.provider.person, when).await
    }
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": "one" })
}

fn claims(server: &Server, visit: &Appointment, user: UserId, role: Role) -> Value {
    let now = server.clock.now().as_millis() / 1000;
    json!({
        "iss": EHR, "aud": server.origin, "sub": user.to_string(), "appointment": visit.id.to_string(),
        "role": role.as_str(), "iat": now, "exp": now + 300, "jti": Uuid::now_v7().to_string(),
    })
}

async fn joins(client: &Client, token: &str) -> (u16, u16) {
    let path = format!("/v/{token}");
    (client.get(&path).await.status, client.post(&path, &[]).await.status)
}

#[tokio::test]
async fn a_link_that_a_program_signed_lets_in_once() {
    let server = Server::start().await;
    let signer = Signer::new(&server, EHR).await;
    let visit = signer.book(&server, When::Now).await;
    let token = signer.sign(&header(), &claims(&server, &visit, server.patient.id(), Role::Patient));
    let before = server.audit().await.len();
    let client = server.client();
    let shown = client.get(&format!("/v/{token}")).await;
    assert!(shown.status == 200 && shown.body.contains("Ada Lovelace"), "{}", shown.body);
    assert_eq!(server.audit().await.len(), before + 1, "showing the page changes nothing, but is logged");
    assert_eq!(joins(&client, &token).await, (200, 303));
    Page::open(&server, &client, visit.id).await;
    assert_eq!(joins(&client, &token).await, (200, 303), "it works again in the same browser");
    let elsewhere = server.client().open_and_press(&format!("/v/{token}")).await;
    assert!(elsewhere.location().is_some_and(|to| to.starts_with("/v/")), "another device has to ask");

    let provider = server.client();
    let token = signer.sign(&header(), &claims(&server, &visit, server.provider.id(), Role::Provider));
    assert_eq!(
        joins(&provider, &token).await,
        (404, 404),
        "by default an integrator cannot assign the provider's seat"
    );
    server.operator().trust(signer.key.user, EHR, &signer.jwks("one"), true).await.expect("trusted");
    let joined = provider.open_and_press(&format!("/v/{token}")).await;
    let room = format!("/video-call/provider?appointmentId={}", visit.id);
    assert_eq!(joined.location(), Some(room.as_str()), "{}", joined.body);
    assert_eq!(provider.get(&room).await.status, 200);
    assert_eq!(provider.get("/account").await.status, 303, "a link does not sign in to an account");

    // The log names the issuer and the user.
    let log = server.audit().await.into_iter().filter(|row| row.action.starts_with("invite."));
    let log: Vec<_> = log.map(|row| (row.action, row.actor, row.subject, row.appointment)).collect();
    let line =
        |action: &str, actor: UserId, subject: UserId| (action.to_owned(), Some(actor), Some(subject), Some(visit.id));
    let (program, ada, grace) = (signer.key.user, server.patient.id(), server.provider.id());
    let expected = [
        line("invite.created", program, ada),
        line("invite.used", ada, ada),
        line("invite.created", program, grace),
        line("invite.used", grace, grace),
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn users_who_joined_by_token_are_disconnected_when_the_issuer_is_no_longer_trusted() {
    for disabled in [false, true] {
        let server = Server::start().await;
        let signer = Signer::new(&server, EHR).await;
        let visit = signer.book(&server, When::Now).await;
        let client = server.client();
        let token = signer.sign(&header(), &claims(&server, &visit, server.patient.id(), Role::Patient));
        assert_eq!(joins(&client, &token).await, (200, 303));
        let mut page = Page::open(&server, &client, visit.id).await;
        if disabled {
            server.operator().set_disabled(&signer.key.user.to_string(), true).await.expect("disabled");
        } else {
            server.operator().distrust(signer.key.user, EHR).await.expect("distrusted");
        }
        assert_eq!(page.ending().await, Ending::Code(4401));
        let path = format!("/api/appointments/{}", visit.id);
        assert_eq!(client.get(&path).await.status, 401, "disabled: {disabled}");
    }
}

#[tokio::test]
async fn invalid_join_tokens_are_not_found() {
    let server = Server::start().await;
    let signer = Signer::new(&server, EHR).await;
    let stranger = Signer::new(&server, "https://other.example.org").await;
    let visit = signer.book(&server, When::Now).await;
    let (ada, grace) = (server.patient.id(), server.provider.id());
    let right = claims(&server, &visit, ada, Role::Patient);
    let now = right["iat"].as_i64().expect("a time");
    let with = |field: &str, value: Value| {
        let mut claims = right.clone();
        claims[field] = value;
        signer.sign(&header(), &claims)
    };
    let without = |field: &str| {
        let mut claims = right.clone();
        claims.as_object_mut().expect("claims").remove(field);
        signer.sign(&header(), &claims)
    };
    let headed = |header: Value| signer.sign(&header, &right);
    let theirs = stranger.book(&server, When::Now).await;
    let operators = server.book(When::Now).await;
    let good = signer.sign(&header(), &right);
    let [head, body, _] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let mut wrong = vec![
        ("another audience", with("aud", json!("https://elsewhere.example.org"))),
        ("another issuer's name", with("iss", json!("https://other.example.org"))),
        ("an unknown issuer", with("iss", json!("https://nobody.example.org"))),
        ("another program's booking", with("appointment", json!(theirs.id.to_string()))),
        ("the operator's booking", with("appointment", json!(operators.id.to_string()))),
        ("no booking", with("appointment", json!(Uuid::now_v7().to_string()))),
        ("a user without access", with("sub", json!(server.other_patient.id().to_string()))),
        ("the other's role", with("role", json!("provider"))),
        ("the other's name", with("sub", json!(grace.to_string()))),
        ("over", with("exp", json!(now))),
        ("lifetime too long", with("exp", json!(now + 601))),
        ("issued in the future", with("iat", json!(now + 120))),
        ("an empty ID", with("jti", json!(""))),
        ("no algorithm", headed(json!({ "alg": "none", "kid": "one" }))),
        ("a shared secret's algorithm", headed(json!({ "alg": "HS256", "kid": "one" }))),
        ("another kind of key's algorithm", headed(json!({ "alg": "ES256", "kid": "one" }))),
        ("not yet", with("nbf", json!(now + 300))),
        ("an unknown key", headed(json!({ "alg": "EdDSA", "kid": "two" }))),
        ("no key's name", headed(json!({ "alg": "EdDSA" }))),
        ("another's signature", stranger.sign(&header(), &right)),
        ("no signature", format!("{head}.{body}.")),
        ("too long", with("jti", json!("x".repeat(4000)))),
    ];
    for field in ["iss", "aud", "sub", "appointment", "role", "iat", "exp", "jti"] {
        wrong.push((field, without(field)));
    }
    let client = server.client();
    for (what, token) in wrong {
        assert_eq!(joins(&client, &token).await, (404, 404), "{what}");
    }
    assert!(client.cookies().is_empty());
    // RFC 7519: numbers may have a fraction (section 2), and there may be several audiences (section 4.1.3).
    let mut odd = right.clone();
    for field in ["iat", "exp"] {
        odd[field] = json!(right[field].as_f64().expect("a time") + 0.25);
    }
    odd["aud"] = json!([right["aud"], "https://elsewhere.example.org"]);
    odd["jti"] = json!("with-fractions");
    assert_eq!(server.client().get(&format!("/v/{}", signer.sign(&header(), &odd))).await.status, 200);
    assert_eq!(joins(&client, &good).await, (200, 303), "no failed attempt used up the token");

    server.operator().trust(signer.key.user, EHR, &signer.jwks("two"), false).await.expect("trusted");
    let token = signer.sign(&header(), &claims(&server, &visit, ada, Role::Patient));
    assert_eq!(joins(&server.client(), &token).await, (404, 404), "the key is no longer trusted");
    server.operator().distrust(signer.key.user, EHR).await.expect("distrusted");
    let renamed = json!({ "alg": "EdDSA", "kid": "two" });
    let token = signer.sign(&renamed, &claims(&server, &visit, ada, Role::Patient));
    assert_eq!(joins(&server.client(), &token).await, (404, 404), "no issuer is trusted");
}
