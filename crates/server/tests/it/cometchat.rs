//! A clinic with a CometChat account: users, tokens, authorization, and webhooks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside::check_cometchat;
use bedside::config::CometChatConfig;
use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::{AuditAction, CallBackend, Clock as _, OwnWork};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::double::{Double, Fault, KEY, WEBHOOK};
use crate::support::{Client, Page, Reply, Server, When};

const USER: &str = "/api/cometchat/user";
const WEBHOOKS: &str = "/api/webhooks/cometchat";

async fn clinic() -> (Double, Server) {
    let double = Double::start().await;
    let config = double.config();
    let server = Server::start_with(|all| {
        all.cometchat = Some(config);
        all.visits.call_backend = CallBackend::CometChat;
    })
    .await;
    (double, server)
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect("JSON")
}

async fn token(client: &Client, asked: Value) -> Value {
    let reply = client.post_json(USER, &asked).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    body(&reply)
}

#[tokio::test]
async fn a_person_is_made_and_gets_a_token() {
    let (double, server) = clinic().await;
    let grace = server.sign_in(&server.provider).await;
    let answer = token(&grace, json!({})).await;
    let uid = server.provider.id().to_string();
    assert_eq!(answer["success"], json!(true));
    assert_eq!(answer["cometchatUid"], json!(uid));
    assert_eq!(answer["error"], Value::Null);
    assert!(answer["authToken"].as_str().is_some_and(|token| token.starts_with(&uid)));
    assert_eq!(double.asked().len(), 1, "user and token are created in one request");

    let again = token(&grace, json!({})).await;
    assert_eq!(again["authToken"], answer["authToken"], "a valid token is reused");
    let fresh = token(&grace, json!({ "forceRecreate": true })).await;
    assert_ne!(fresh["authToken"], answer["authToken"]);
}

#[tokio::test]
async fn cometchat_gets_both_users_of_an_appointment_and_only_their_names() {
    let (double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    token(&grace, json!({ "appointmentId": visit.id.to_string() })).await;
    let (patient, provider) = (server.patient.id().to_string(), server.provider.id().to_string());
    assert_eq!(double.user(&provider), Some(("Dr. Grace Hopper".to_owned(), None)));
    assert_eq!(double.user(&patient), Some(("Ada".to_owned(), None)), "a patient's first name is used");
    let said = format!("{:?}", double.asked());
    for private in ["Lovelace", "ada@", "1985", "Blood pressure", KEY] {
        assert!(!said.contains(private), "{private} in {said}");
    }

    token(&grace, json!({ "appointmentId": visit.id.to_string() })).await;
    assert!(double.asked().iter().all(|(_, path, _)| !path.contains(&patient)), "known users are not sent again");
}

#[tokio::test]
async fn a_user_deleted_at_cometchat_is_created_again() {
    let (double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let asked = json!({ "appointmentId": visit.id.to_string(), "forceRecreate": true });
    token(&grace, asked.clone()).await;
    let people = [server.patient.id().to_string(), server.provider.id().to_string()];
    people.iter().for_each(|uid| double.delete(uid));
    token(&grace, asked).await;
    assert!(people.iter().all(|uid| double.user(uid).is_some()));
}

#[tokio::test]
async fn an_existing_user_is_brought_up_to_date_however_it_is_said() {
    for status in [409, 400] {
        let (double, server) = clinic().await;
        double.says_exists_with(status);
        let ada = server.sign_in(&server.patient).await;
        let visit = server.book(When::Now).await;
        let own = json!({ "appointmentId": visit.id.to_string() });
        token(&ada, own.clone()).await;
        let uid = server.patient.id().to_string();
        double.deactivate(&uid);
        token(&ada, own.clone()).await;
        assert!(double.user(&uid).is_some(), "a deactivated user is activated again");
        assert_eq!(double.tokens_of(&uid), 1, "{status}");
    }
}

#[tokio::test]
async fn no_user_gets_a_token_for_another_user() {
    let (_double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let anonymous = server.client().post_json(USER, &json!({})).await;
    assert_eq!(anonymous.status, 401);
    let mary = server.sign_in(&server.other_patient).await;
    let other = json!({ "userId": server.patient.id().to_string() });
    assert_eq!(mary.post_json(USER, &other).await.status, 403);
    let foreign = json!({ "appointmentId": visit.id.to_string() });
    assert_eq!(mary.post_json(USER, &foreign).await.status, 404);
    assert_eq!(mary.post_json(USER, &json!({ "userId": "nobody" })).await.status, 403);

    let by_link = server.client();
    by_link.join_by_link(&server.link(visit.id).await).await;
    assert_eq!(by_link.post_json(USER, &json!({})).await.status, 400, "a link is valid only for its appointment");
    let own = json!({ "userId": server.patient.id().to_string(), "appointmentId": visit.id.to_string() });
    token(&by_link, own).await;
}

#[tokio::test]
async fn cometchat_calls_have_two_participants() {
    let (double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    for role in ["guest", "interpreter", "observer"] {
        let (_, client) = server.companion(visit.id, "Ines", role).await;
        let refused = client.post_json(USER, &json!({ "appointmentId": visit.id.to_string() })).await;
        assert_eq!((refused.status, refused.problem().as_str()), (403, "call-for-two"));
    }
    assert!(double.asked().is_empty(), "neither user is created there");
}

#[tokio::test]
async fn without_an_account_cometchat_is_not_found() {
    let server = Server::start().await;
    let grace = server.sign_in(&server.provider).await;
    let reply = grace.post_json(USER, &json!({})).await;
    assert_eq!((reply.status, body(&reply)["type"].clone()), (404, json!("/problems/no-cometchat")));
    assert_eq!(grace.get("/call/cometchat").await.status, 404);
}

#[tokio::test]
async fn transient_errors_are_retried_and_permanent_ones_reported() {
    let (double, server) = clinic().await;
    let grace = server.sign_in(&server.provider).await;
    double.fail([Fault::TooMany(0), Fault::Status(500), Fault::Status(503)]);
    token(&grace, json!({})).await;

    double.fail([Fault::Status(500); 8]);
    let reply = grace.post_json(USER, &json!({})).await;
    let said = body(&reply);
    assert_eq!((reply.status, said["success"].clone()), (502, json!(false)));
    assert!(said["error"].as_str().is_some_and(|text| text.contains("video service")), "{said}");
    assert!(!reply.body.contains("500") && !reply.body.contains(KEY), "{}", reply.body);
}

#[tokio::test]
async fn the_operators_check_names_what_is_wrong() {
    let double = Double::start().await;
    let right = double.config();
    check_cometchat(&right).await.expect("the check succeeds");
    let wrong_key = CometChatConfig { api_key: "another-key".to_owned().into(), ..right.clone() };
    let nowhere = CometChatConfig { api_url: Some("http://127.0.0.1:9/v3".to_owned()), ..right.clone() };
    let refused = |code| Some(Fault::Refusal(403, code));
    for (config, fault, said) in [
        (&wrong_key, None, ["does not accept the API key", "cometchat.region"]),
        (&nowhere, None, ["cannot be reached", "port 443"]),
        (&right, refused("AUTH_ERR_NO_ACCESS"), ["lacks a permission", "not the auth key"]),
        (&right, refused("ERR_PLAN_RESTRICTION"), ["plan does not include", "dashboard"]),
    ] {
        double.fail(fault);
        let error = check_cometchat(config).await.expect_err("the check fails");
        assert!(said.iter().all(|words| error.contains(words)), "{error}");
        assert!(!error.contains(KEY) && !error.contains("another-key"), "{error}");
    }
}

#[tokio::test]
async fn one_person_cannot_mint_without_end() {
    let (_double, server) = clinic().await;
    let grace = server.sign_in(&server.provider).await;
    let mut last = 200;
    for _ in 0..30 {
        last = grace.post_json(USER, &json!({})).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn signing_out_takes_the_tokens_back() {
    let (double, server) = clinic().await;
    let grace = server.sign_in(&server.provider).await;
    token(&grace, json!({})).await;
    let uid = server.provider.id().to_string();
    assert_eq!(double.tokens_of(&uid), 1);
    grace.post("/sign-out", &[]).await;
    until_revoked(&double, &uid).await;
}

async fn until_revoked(double: &Double, uid: &str) {
    crate::support::soon("the tokens' end", async {
        while double.tokens_of(uid) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_revocation_that_fails_is_made_after_a_restart() {
    let (double, server) = clinic().await;
    let grace = server.sign_in(&server.provider).await;
    token(&grace, json!({})).await;
    let uid = server.provider.id().to_string();
    double.fail([Fault::Status(400)]);
    grace.post("/sign-out", &[]).await;
    let due = async || server.store.list_due_jobs(server.clock.now(), 9).await.expect("read");
    let tried = async { while !due().await.is_empty() {} };
    crate::support::soon("the failed try", tried).await;
    assert_eq!((double.tokens_of(&uid), server.store.count_jobs().await.expect("read")), (1, 1));
    let server = server.restart().await;
    server.clock.advance(Duration::from_secs(31));
    until_revoked(&double, &uid).await;
}

#[tokio::test]
async fn users_who_lose_access_have_no_tokens_left() {
    let (double, server) = clinic().await;
    let ada = server.sign_in(&server.patient).await;
    token(&ada, json!({})).await;
    let uid = server.patient.id().to_string();
    assert_eq!(double.tokens_of(&uid), 1);
    server.operator().set_disabled(&server.patient.email, true).await.expect("disabled");
    until_revoked(&double, &uid).await;
}

#[tokio::test]
async fn the_appointment_says_what_a_page_needs_and_no_secret() {
    let (double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let reply = ada.get(&format!("/api/appointments/{}", visit.id)).await;
    let call = &body(&reply)["data"]["call"];
    assert_eq!(call["backend"], json!("cometchat"));
    assert_eq!(call["cometchat"]["providerUid"], json!(server.provider.id().to_string()));
    assert_eq!(call["cometchat"]["clientHost"], json!(double.host));
    let page = ada.get(&format!("/appointment/{}", visit.id)).await;
    for reply in [&reply, &page] {
        assert!(!reply.body.contains(KEY) && !reply.body.contains("token-canary") && !reply.body.contains(WEBHOOK));
    }
}

#[tokio::test]
async fn only_the_documents_of_the_sdks_get_what_the_sdks_need() {
    let (_double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let policy = |reply: &Reply| reply.header("content-security-policy").expect("a policy").to_owned();
    let page = policy(&grace.get(&format!("/appointment/{}", visit.id)).await);
    assert!(
        !page.contains("unsafe") && page.contains("frame-src 'self'") && page.contains("frame-ancestors 'none'"),
        "{page}"
    );
    let frame = policy(&grace.get("/call/cometchat").await);
    assert!(frame.contains("'unsafe-eval'") && frame.contains("frame-ancestors 'self'"), "{frame}");
    let day = policy(&grace.get("/").await);
    assert!(!day.contains("unsafe") && !day.contains("frame-src"), "{day}");
    assert_eq!(
        server.client().get("/call/cometchat").await.status,
        303,
        "an anonymous client is redirected to sign-in"
    );
}

#[tokio::test]
async fn a_call_is_moved_and_stays_there() {
    let (_double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut patient = Page::open(&server, &ada, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    assert_eq!(patient.view.backend, CallBackend::CometChat);
    let there = Command::MoveCall { backend: CallBackend::Embedded };
    assert_eq!(patient.command(there.clone()).await, Err(Refusal::WrongRole));
    provider.command(there).await.expect("moved");
    patient.until("moved", |view| view.backend == CallBackend::Embedded).await;
    let booked = server.store.get_appointment(visit.id).await.expect("read").expect("there");
    let booked = booked.unseal_for(OwnWork::Operator);
    assert_eq!(booked.backend, CallBackend::Embedded);
    let moved = AuditAction::VisitBackendChanged.as_str();
    assert!(server.audit().await.iter().any(|row| row.action == moved));
}

async fn report(server: &Server, credentials: Option<&str>, body: &Value) -> Reply {
    let client = server.client();
    // Webhooks are not sent by a browser, so they have no origin.
    let mut request = client.request(Method::POST, WEBHOOKS).origin(None).json(body);
    if let Some(credentials) = credentials {
        request = request.header("authorization", &format!("Basic {}", STANDARD.encode(credentials)));
    }
    request.send().await
}

#[tokio::test]
async fn webhooks_are_recorded_once_and_find_their_visit() {
    let (_double, server) = clinic().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    page.command(Command::Start).await.expect("started");
    let ringing = json!({ "trigger": "call_initiated", "webhook": "w", "data": { "call": {
        "id": "1", "sender": server.provider.id().to_string(), "receiver": server.patient.id().to_string(), "sentAt": 5,
        "data": { "entities": { "on": { "entity": { "sessionid": "v1.us.x.1" } } } } } } });
    let started =
        json!({ "trigger": "call_started", "webhook": "w", "data": { "sessionId": "v1.us.x.1", "created_at": 6 } });
    for body in [&ringing, &ringing, &started, &started] {
        assert_eq!(report(&server, Some(WEBHOOK), body).await.status, 200);
    }
    let rows: Vec<_> =
        server.audit().await.into_iter().filter(|row| row.action == AuditAction::BackendReported.as_str()).collect();
    let events: Vec<_> = rows.iter().map(|row| row.detail.as_deref().unwrap_or_default()).collect();
    assert_eq!(events, ["call_initiated", "call_started"], "each event once");
    assert!(rows.iter().all(|row| row.appointment == Some(visit.id) && row.visit == Some(page.view.visit)));
}

#[tokio::test]
async fn webhooks_without_the_password_are_refused() {
    let (_double, server) = clinic().await;
    let body = json!({ "trigger": "call_ended", "data": { "sessionId": "x" } });
    for wrong in [None, Some("webhooks:wrong"), Some("")] {
        let reply = report(&server, wrong, &body).await;
        assert_eq!((reply.status, reply.header("www-authenticate").is_some()), (401, true));
    }
    assert_eq!(report(&server, Some(WEBHOOK), &json!("nonsense")).await.status, 400);
    assert_eq!(report(&server, Some(WEBHOOK), &json!({ "trigger": "message_sent", "data": {} })).await.status, 200);
    assert!(server.audit().await.iter().all(|row| row.action != AuditAction::BackendReported.as_str()));
}
