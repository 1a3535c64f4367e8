//! Passkeys: adding, removing and signing in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::authenticator::Authenticator;
use crate::support::{Account, Client, Ending, PASSWORD, Page, Reply, Server, When};

async fn options(client: &Client, current: &str) -> Reply {
    client.post_json("/account/passkeys/options", &json!({ "current": current })).await
}

/// Adds a passkey of this device to the signed-in account.
pub(crate) async fn add(client: &Client, device: &mut Authenticator, name: &str) {
    let asked = options(client, PASSWORD).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let credential = device.create(&asked.json());
    let added = client.post_json("/account/passkeys", &json!({ "name": name, "credential": credential })).await;
    assert_eq!((added.status, added.json()), (200, json!({ "next": "/account?done=passkey" })), "{}", added.body);
}

async fn asked(client: &Client) -> Value {
    let asked = client.post_json("/sign-in/passkey/options", &json!({})).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    asked.json()
}

async fn answer(client: &Client, credential: &Value) -> Reply {
    client.post_json("/sign-in/passkey", &json!({ "credential": credential, "next": "/account?a=b" })).await
}

pub(crate) async fn sign_in(client: &Client, device: &mut Authenticator) -> Reply {
    let asked = asked(client).await;
    answer(client, &device.get(&asked)).await
}

async fn is_signed_in(client: &Client) -> bool {
    client.get("/account").await.status == 200
}

/// Creates a clinic, and the provider's device with a passkey.
async fn clinic() -> (Server, Authenticator) {
    let server = Server::start().await;
    let mut device = Authenticator::new(&server.origin);
    add(&server.sign_in(&server.provider).await, &mut device, "Grace's laptop").await;
    (server, device)
}

async fn refused(server: &Server, reply: &Reply, client: &Client, code: Option<&str>) {
    assert_eq!((reply.status, reply.problem().as_str()), (403, "passkey-refused"));
    assert!(!is_signed_in(client).await);
    let mut rows = server.audit().await.into_iter().filter(|row| row.action == "session.passkey_refused");
    if let Some(code) = code {
        assert_eq!(rows.next_back().and_then(|row| row.detail).as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_passkey_signs_in_without_typing_and_without_a_second_step() {
    let (server, mut device) = clinic().await;
    crate::account::turn_on_second_step(&server, &server.provider).await;
    let client = server.client();
    assert!(client.get("/sign-in").await.body.contains("data-passkey-sign-in"));
    let reply = sign_in(&client, &mut device).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "next": "/account?a=b" })), "{}", reply.body);
    let page = client.get("/account").await.body;
    assert!(page.contains("Dr. Grace Hopper") && page.contains("Grace&#39;s laptop"), "{page}");
    assert!(page.contains("Last used"));
    let rows = server.audit().await;
    assert!(rows.iter().any(|row| row.action == "user.passkey_added"));
    assert!(rows.iter().any(|row| row.action == "session.signed_in" && row.detail.as_deref() == Some("passkey")));

    let kept = server.store.list_passkeys(server.provider.id()).await.expect("read").remove(0);
    let kept: Value = serde_json::from_str(&kept.credential).expect("JSON");
    assert_eq!((&kept["cred"]["counter"], &kept["cred"]["backup_state"]), (&json!(1), &json!(false)), "{kept}");
    let foreign = asked(&server.client()).await;
    assert_eq!(foreign["publicKey"]["allowCredentials"], json!([]), "no user is revealed");
}

#[tokio::test]
async fn invalid_passkey_signatures_and_challenges_are_refused() {
    let (server, mut device) = clinic().await;
    let client = server.client();

    // The browser is on another origin, or the device reports one.
    let mut elsewhere = asked(&client).await;
    device.origin = "https://evil.example".to_owned();
    refused(&server, &answer(&client, &device.get(&elsewhere)).await, &client, Some("proof")).await;
    device.origin.clone_from(&server.origin);
    device.host = "evil.example".to_owned();
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("proof")).await;
    device.host = "localhost".to_owned();

    // The answer to another challenge, or to none.
    elsewhere = asked(&server.client()).await;
    asked(&client).await;
    refused(&server, &answer(&client, &device.get(&elsewhere)).await, &client, Some("proof")).await;
    refused(&server, &answer(&client, &device.get(&elsewhere)).await, &client, None).await;

    // An altered signature, another user's handle, an unknown key, and a user who was not verified.
    let question = asked(&client).await;
    let mut altered = device.get(&question);
    altered["response"]["authenticatorData"] = json!("AAAA");
    refused(&server, &answer(&client, &altered).await, &client, Some("proof")).await;
    device.keys[0].user = server.patient.id().uuid().as_bytes().to_vec();
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("user")).await;
    device.keys[0].user = server.provider.id().uuid().as_bytes().to_vec();
    let mut stranger = Authenticator::new(&server.origin);
    stranger.create(&options(&server.sign_in(&server.provider).await, PASSWORD).await.json());
    refused(&server, &sign_in(&client, &mut stranger).await, &client, Some("unknown")).await;
    device.verifies = false;
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("proof")).await;
    device.verifies = true;
    assert_eq!(sign_in(&client, &mut device).await.status, 200, "a valid answer signs in");
}

#[tokio::test]
async fn an_answer_is_good_once_in_its_browser_and_for_five_minutes() {
    let (server, mut device) = clinic().await;
    let client = server.client();
    let question = asked(&client).await;
    let right = device.get(&question);
    let before = client.with_same_cookies();
    let thief = server.client();
    refused(&server, &answer(&thief, &right).await, &thief, None).await;
    assert_eq!(answer(&client, &right).await.status, 200);
    refused(&server, &answer(&before, &right).await, &before, None).await;

    let late = server.client();
    let question = asked(&late).await;
    server.clock.advance(Duration::from_secs(300));
    refused(&server, &answer(&late, &device.get(&question)).await, &late, None).await;
}

#[tokio::test]
async fn a_copied_key_shows_by_its_counter() {
    let (server, mut device) = clinic().await;
    device.counter = 10;
    assert_eq!(sign_in(&server.client(), &mut device).await.status, 200);
    device.counter = 5;
    let client = server.client();
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("counter")).await;
}

/// A synced passkey has no meaningful counter: it starts again in another password manager.
#[tokio::test]
async fn a_backed_up_key_signs_in_whatever_its_counter() {
    let server = Server::start().await;
    let mut device = Authenticator::new(&server.origin);
    device.backed_up = true;
    add(&server.sign_in(&server.provider).await, &mut device, "Manager").await;
    for counter in [10, 5, 0, 5, 100] {
        device.counter = counter;
        assert_eq!(sign_in(&server.client(), &mut device).await.status, 200, "{counter}");
    }
}

#[tokio::test]
async fn tabs_ask_for_a_passkey_each_and_each_answer_counts() {
    let (server, mut device) = clinic().await;
    let client = server.client();
    let (first, second) = (asked(&client).await, asked(&client).await);
    let answer_to_first = device.get(&first);
    assert_eq!(answer(&client, &answer_to_first).await.status, 200);
    assert_eq!(answer(&client, &device.get(&second)).await.status, 200);
    assert_eq!(answer(&client, &answer_to_first).await.problem(), "passkey-refused", "each answer works once");
}

#[tokio::test]
async fn a_passkey_is_added_with_the_password_by_its_owner_alone() {
    let server = Server::start().await;
    let (grace, ada) = (server.sign_in(&server.provider).await, server.sign_in(&server.patient).await);
    let mut device = Authenticator::new(&server.origin);
    assert_eq!(options(&grace, "not the password").await.problem(), "wrong-password");
    assert_eq!(options(&server.client(), PASSWORD).await.problem(), "not-signed-in");

    // A registration started by one user cannot be finished by another, twice, or in another session.
    let question = options(&grace, PASSWORD).await.json();
    let credential = device.create(&question);
    let body = json!({ "name": "Laptop", "credential": credential });
    let token = grace.cookies()["bedside-passkey"].clone();
    ada.set_cookie("bedside-passkey", &token);
    assert_eq!(ada.post_json("/account/passkeys", &body).await.problem(), "passkey-refused");
    assert_eq!(
        grace.post_json("/account/passkeys", &body).await.problem(),
        "passkey-refused",
        "the challenge was used"
    );
    device.origin = "https://evil.example".to_owned();
    let credential = device.create(&options(&grace, PASSWORD).await.json());
    let elsewhere = json!({ "name": "Laptop", "credential": credential });
    assert_eq!(grace.post_json("/account/passkeys", &elsewhere).await.problem(), "passkey-refused");
    device.origin.clone_from(&server.origin);
    device.verifies = false;
    let credential = device.create(&options(&grace, PASSWORD).await.json());
    let unverified = json!({ "name": "Laptop", "credential": credential });
    assert_eq!(grace.post_json("/account/passkeys", &unverified).await.problem(), "passkey-refused");
    device.verifies = true;
    for name in ["", " ", &"x".repeat(61)] {
        let body = json!({ "name": name, "credential": unverified["credential"] });
        assert_eq!(grace.post_json("/account/passkeys", &body).await.status, 400);
    }
    for id in [server.provider.id(), server.patient.id()] {
        assert!(server.store.list_passkeys(id).await.expect("read").is_empty());
    }
}

pub(crate) fn handle(page: &str) -> String {
    let rest = page.split("action=\"/account/passkeys/remove\"").nth(1).expect("a passkey");
    rest.split("name=\"which\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a handle").to_owned()
}

pub(crate) async fn remove(client: &Client, which: &str, current: &str) -> Reply {
    client.post("/account/passkeys/remove", &[("which", which), ("current", current)]).await
}

#[tokio::test]
async fn removing_a_passkey_ends_its_sessions() {
    let (server, mut device) = clinic().await;
    let (here, there) = (server.sign_in(&server.provider).await, server.client());
    assert_eq!(sign_in(&there, &mut device).await.status, 200);
    let visit = server.book(When::Now).await;
    let mut page = Page::open(&server, &there, visit.id).await;
    let which = handle(&here.get("/account").await.body);

    assert_eq!(
        remove(&server.sign_in(&server.patient).await, &which, PASSWORD).await.status,
        404,
        "another user's passkey is not found"
    );
    assert_eq!(remove(&here, &which, "not the password").await.status, 403);
    assert!(is_signed_in(&there).await);
    let removed = remove(&here, &which, PASSWORD).await;
    assert_eq!(removed.location(), Some("/account?done=passkey-removed"), "{}", removed.body);
    assert_eq!(page.ending().await, Ending::Code(4401));
    assert!(is_signed_in(&here).await && !is_signed_in(&there).await);
    let client = server.client();
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("unknown")).await;
    assert!(server.audit().await.iter().any(|row| row.action == "user.passkey_removed"));
}

#[tokio::test]
async fn a_disabled_user_cannot_sign_in_with_a_passkey() {
    let (server, mut device) = clinic().await;
    server.disable(server.provider.id()).await;
    let client = server.client();
    refused(&server, &sign_in(&client, &mut device).await, &client, Some("account")).await;
}

#[tokio::test]
async fn a_device_with_several_peoples_keys_signs_in_the_one_who_is_chosen() {
    let (server, mut device) = clinic().await;
    let name = async |client: &Client, account: &Account| client.get("/account").await.body.contains(account.name());
    add(&server.sign_in(&server.patient).await, &mut device, "The tablet in the hall").await;
    let client = server.client();
    assert_eq!(sign_in(&client, &mut device).await.status, 200);
    assert!(name(&client, &server.patient).await);
    device.keys.pop();
    assert_eq!(sign_in(&client, &mut device).await.status, 200);
    assert!(name(&client, &server.provider).await, "it replaces the previous session");
}

/// Browsers support passkeys for host names only, not for IP addresses.
#[tokio::test]
async fn where_the_address_is_a_number_there_are_no_passkeys() {
    let server = Server::start_with(|config| config.server.public_url = "https://192.0.2.1".to_owned()).await;
    let client = server.client();
    assert!(!client.get("/sign-in").await.body.contains("data-passkey"));
    assert_eq!(client.post_json("/sign-in/passkey/options", &json!({})).await.status, 404);
}

#[tokio::test]
async fn malformed_answers_are_refused() {
    let (server, mut device) = clinic().await;
    let client = server.client();
    let question = asked(&client).await;
    let right = device.get(&question);
    for (member, value) in [
        ("clientDataJSON", json!("!!")),
        ("clientDataJSON", json!("AAAA")),
        ("authenticatorData", json!("")),
        ("signature", json!("")),
        ("userHandle", json!(null)),
        ("userHandle", json!("AA")),
    ] {
        asked(&client).await;
        let mut wrong = right.clone();
        wrong["response"][member] = value;
        let reply = answer(&client, &wrong).await;
        assert!(matches!(reply.status, 400 | 403), "{member}: {}", reply.body);
        assert!(!is_signed_in(&client).await);
    }
    assert_eq!(client.post_json("/sign-in/passkey", &json!({ "credential": [] })).await.status, 400);
}
