//! Signing in with an OpenID provider.

use std::time::Duration;

use bedside_store::NewUser;
use bedside_visit::{Clock as _, Person, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::provider::{Provider, Signing};
use crate::support::{Client, PASSWORD, Server, When};

async fn clinic() -> (Provider, Server) {
    let provider = Provider::start().await;
    let config = provider.config();
    let server = Server::start_with(|all| all.oidc = Some(config)).await;
    provider.tell_time_of(&server);
    add_without_password(&server, "Rosalind Franklin", "rosalind@example.org").await;
    (provider, server)
}

async fn add_without_password(server: &Server, name: &str, email: &str) -> UserId {
    let id = UserId::new(Uuid::now_v7());
    let person = Person { id, name: name.into(), specialty: None, birth_date: None, avatar_url: None };
    let user = NewUser { person, email: Some(email.parse().expect("an address")), password_hash: None };
    let mut transaction = server.store.begin().await.expect("begun");
    transaction.insert_user(&user, server.clock.now()).await.expect("added");
    transaction.commit().await.expect("committed");
    id
}

fn rosalind() -> Value {
    json!({ "email": "Rosalind@example.org", "email_verified": true })
}

/// Returns the provider's address from the page that links an account.
pub(crate) fn way_there(page: &str) -> String {
    let address = page.split("href=\"").find(|part| part.starts_with("http")).expect("a way there");
    address.split('"').next().expect("an end").replace("&#38;", "&").replace("&amp;", "&")
}

async fn is_signed_in(client: &Client) -> bool {
    client.get("/account").await.status == 200
}

async fn refusals(server: &Server) -> Vec<String> {
    let rows = server.audit().await.into_iter().filter(|row| row.action == "session.provider_refused");
    rows.filter_map(|row| row.detail).collect()
}

#[tokio::test]
async fn a_user_known_to_the_openid_provider_signs_in_and_keeps_their_account() {
    let (provider, server) = clinic().await;
    let client = server.client();
    let page = client.get("/sign-in?next=/account%3Fa=b").await;
    assert!(page.body.contains("href=\"/sign-in/provider?next=/account%3Fa%3Db\""), "{}", page.body);
    assert!(page.body.contains("Sign in with your clinic account"));

    let sent = client.get("/sign-in/provider?next=/account%3Fa%3Db").await;
    let cookie = sent.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("bedside-provider=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    let back = provider.signs_in(sent.location().expect("to the provider"), rosalind());
    let entered = client.get(&back).await;
    assert_eq!((entered.status, entered.location()), (303, Some("/account?a=b")), "{}", entered.body);
    assert!(is_signed_in(&client).await);
    let rows = server.audit().await;
    assert!(rows.iter().any(|row| row.action == "user.provider_linked"));
    assert!(rows.iter().any(|row| row.action == "session.signed_in" && row.detail.as_deref() == Some("provider")));

    // From then on the user is identified by the subject, whatever the e-mail address, with either signature algorithm.
    provider.sign_with(Signing::Rs256);
    let again = server.client();
    let other = json!({ "email": "ada@example.org", "email_verified": true });
    assert_eq!(provider.sign_in(&again, other).await.status, 303);
    assert!(again.get("/account").await.body.contains("Rosalind Franklin"));
    assert_eq!(provider.keys_asked(), 1, "the provider's metadata is cached");
}

#[tokio::test]
async fn invalid_id_tokens_are_refused() {
    let (provider, server) = clinic().await;
    let now = server.clock.now().as_millis() / 1_000;
    let with = |name: &str, value: Value| {
        let mut claims = rosalind();
        claims[name] = value;
        claims
    };
    let cases = [
        (Signing::Es256, with("nonce", json!("another")), "nonce"),
        (Signing::Es256, with("nonce", Value::Null), "nonce"),
        (Signing::Es256, with("aud", json!("another client")), "audience"),
        (Signing::Es256, with("aud", json!(["bedside", "another client"])), "audience"),
        (Signing::Es256, with("azp", json!("another client")), "audience"),
        (Signing::Es256, with("iss", json!("https://evil.example")), "issuer"),
        (Signing::Es256, with("iss", json!(format!("{}/", provider.issuer))), "issuer"),
        (Signing::Es256, with("exp", json!(now - 1)), "expired"),
        (Signing::Es256, with("iat", json!(now - 3600)), "expired"),
        (Signing::Es256, with("iat", json!(now + 3600)), "expired"),
        (Signing::None, rosalind(), "signature"),
        (Signing::Hs256WithThePublicKey, rosalind(), "algorithm"),
        (Signing::Hs256WithTheSecret, rosalind(), "algorithm"),
        (Signing::AnothersKey, rosalind(), "signature"),
    ];
    for (signing, claims, _) in &cases {
        provider.sign_with(*signing);
        let client = server.client();
        let reply = provider.sign_in(&client, claims.clone()).await;
        assert!(reply.status == 403 && reply.body.contains("Sign-in failed"), "{claims}: {}", reply.body);
        assert!(!is_signed_in(&client).await, "{signing:?} {claims}");
    }
    let expected: Vec<&str> = cases.iter().map(|(.., code)| *code).collect();
    assert_eq!(refusals(&server).await, expected);
    provider.sign_with(Signing::Es256);
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303, "a valid answer signs in");
}

#[tokio::test]
async fn an_openid_response_is_valid_once_in_its_browser_for_ten_minutes() {
    let (provider, server) = clinic().await;
    let client = server.client();
    let go = async |client: &Client| {
        let sent = client.get("/sign-in/provider").await;
        provider.signs_in(sent.location().expect("to the provider"), rosalind())
    };
    let (back, thief) = (go(&client).await, server.client());
    assert_eq!(thief.get(&back).await.status, 403, "another browser that started nothing");
    let theirs = go(&thief).await;
    assert_eq!(client.get(&theirs).await.status, 403, "another browser's state");
    let before = client.with_same_cookies();
    assert_eq!(client.get(&back).await.status, 303);
    assert_eq!(before.get(&back).await.status, 403, "the response is repeated with all old cookies");
    assert!(!is_signed_in(&before).await && !is_signed_in(&thief).await);

    let late = server.client();
    let back = go(&late).await;
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(late.get(&back).await.status, 403);

    // An authorization code that the provider has already redeemed.
    let (one, two) = (server.client(), server.client());
    let (first, second) = (go(&one).await, go(&two).await);
    let state = second.split("&state=").nth(1).expect("a state");
    let code = first.split("&state=").next().expect("a code").to_owned();
    assert_eq!(one.get(&first).await.status, 303);
    assert_eq!(two.get(&format!("{code}&state={state}")).await.status, 403);
    assert!(refusals(&server).await.contains(&"code".to_owned()));
}

/// RFC 9207: the issuer in the response.
#[tokio::test]
async fn another_providers_answer_is_refused() {
    let (provider, server) = clinic().await;
    let go = async |client: &Client| {
        let sent = client.get("/sign-in/provider").await;
        provider.signs_in(sent.location().expect("to the provider"), rosalind())
    };
    let client = server.client();
    let back = go(&client).await;
    assert_eq!(client.get(&format!("{back}&iss=https://evil.example")).await.status, 403);
    let back = go(&client).await;
    assert_eq!(client.get(&format!("{back}&iss={}", provider.issuer)).await.status, 303);

    provider.describe(json!({ "authorization_response_iss_parameter_supported": true }));
    server.clock.advance(Duration::from_secs(3601));
    let other = server.client();
    let back = go(&other).await;
    assert_eq!(other.get(&back).await.status, 403, "its metadata says that it always names the issuer");
    let back = go(&other).await;
    assert_eq!(other.get(&format!("{back}&iss={}", provider.issuer)).await.status, 303);
}

#[tokio::test]
async fn the_first_time_only_an_account_without_a_way_in_of_its_own_is_found() {
    let (provider, server) = clinic().await;
    let shut_out = add_without_password(&server, "Charles Babbage", "charles@example.org").await;
    server.disable(shut_out).await;
    for (claims, why) in [
        (json!({ "email": "rosalind@example.org" }), "unverified"),
        (json!({ "email": "rosalind@example.org", "email_verified": false }), "unverified"),
        (json!({}), "no address"),
        (json!({ "email": "nobody@example.org", "email_verified": true }), "a stranger"),
        (json!({ "email": "ada@example.org", "email_verified": true }), "has a password"),
        (json!({ "email": "charles@example.org", "email_verified": true }), "disabled"),
    ] {
        let client = server.client();
        let reply = provider.sign_in(&client, claims).await;
        assert!(reply.status == 403 && reply.body.contains("That account is not connected"), "{why}: {}", reply.body);
        assert!(!is_signed_in(&client).await, "{why}");
    }
    assert_eq!(server.audit().await.iter().filter(|row| row.action == "user.provider_linked").count(), 0);

    // A linked account that was disabled, and another subject with the same address.
    let client = server.client();
    assert_eq!(provider.sign_in(&client, rosalind()).await.status, 303);
    let mut another = rosalind();
    another["sub"] = json!("subject-2");
    assert_eq!(provider.sign_in(&server.client(), another).await.status, 403);
    let id = server.store.get_account(&"rosalind@example.org".parse().expect("one")).await.expect("read");
    server.disable(id.expect("there").user).await;
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 403);
    assert!(!is_signed_in(&client).await);
}

/// Some providers return e-mail addresses only from the userinfo endpoint.
#[tokio::test]
async fn an_address_from_userinfo_counts_for_the_same_subject() {
    let (provider, server) = clinic().await;
    let mut person = rosalind();
    for (subject, verified, status) in [("another", true, 403), ("subject-1", false, 403), ("subject-1", true, 303)] {
        person["sub"] = json!(subject);
        person["email_verified"] = json!(verified);
        provider.says_of_them(person.clone());
        let client = server.client();
        assert_eq!(provider.sign_in(&client, json!({})).await.status, status, "{subject} {verified}");
        assert_eq!(is_signed_in(&client).await, status == 303);
    }
    // Claims in the ID token are not requested again.
    let mut claims = rosalind();
    (claims["email_verified"], claims["sub"]) = (json!(false), json!("subject-2"));
    add_without_password(&server, "Maria Mitchell", "maria@example.org").await;
    provider.says_of_them(json!({ "sub": "subject-2", "email": "maria@example.org", "email_verified": true }));
    assert_eq!(provider.sign_in(&server.client(), claims).await.status, 403);
}

#[tokio::test]
async fn a_signed_in_user_links_the_openid_provider_with_their_password() {
    let (provider, server) = clinic().await;
    let client = server.sign_in(&server.provider).await;
    assert_eq!(client.post("/account/provider", &[("current", "wrong")]).await.status, 403);
    let page = client.post("/account/provider", &[("current", PASSWORD)]).await;
    let address = way_there(&page.body);
    // A browser in which another user is signed in cannot intervene.
    let stranger = server.sign_in(&server.other_provider).await;
    let back = provider.signs_in(&address, json!({ "sub": "grace-elsewhere" }));
    assert_eq!(stranger.get(&back).await.location(), Some("/"), "their own session is unchanged");
    assert_eq!(server.audit().await.iter().filter(|row| row.action == "user.provider_linked").count(), 0);
    let done = client.get(&back).await;
    assert_eq!(done.location(), Some("/account?done=provider"), "{}", done.body);
    let elsewhere = json!({ "sub": "grace-elsewhere" });
    let other = server.client();
    assert_eq!(provider.sign_in(&other, elsewhere.clone()).await.location(), Some("/"));
    assert!(other.get("/account").await.body.contains("Grace Hopper"));

    let removed = client.post("/account/provider/remove", &[("current", PASSWORD)]).await;
    assert_eq!(removed.location(), Some("/account?done=provider-removed"));
    assert_eq!(provider.sign_in(&server.client(), elsewhere).await.status, 403);
}

/// Two tabs restored by a browser, and a reload of one of them.
#[tokio::test]
async fn tabs_sign_in_each_by_its_own_answer_and_a_repeated_answer_is_no_attack() {
    let (provider, server) = clinic().await;
    let client = server.client();
    let mut backs = Vec::new();
    for next in ["/account", "/"] {
        let sent = client.get(&format!("/sign-in/provider?next={next}")).await;
        backs.push(provider.signs_in(sent.location().expect("to the provider"), rosalind()));
    }
    let [first, second] = [client.get(&backs[0]).await, client.get(&backs[1]).await];
    assert_eq!((first.location(), second.location()), (Some("/account"), Some("/")), "{} {}", first.body, second.body);
    assert!(is_signed_in(&client).await);
    let again = client.get(&backs[0]).await;
    assert_eq!((again.status, again.location()), (303, Some("/")), "signed-in users stay signed in");
    assert_eq!(refusals(&server).await, Vec::<String>::new());
    let signed_in = server.audit().await.iter().filter(|row| row.action == "session.signed_in").count();
    assert_eq!(signed_in, 1, "one session, not one for each tab");
}

/// A computer that several people share.
#[tokio::test]
async fn after_a_sign_out_the_provider_asks_which_account_and_can_be_signed_out_of() {
    let (provider, server) = clinic().await;
    let client = server.client();
    assert_eq!(provider.sign_in(&client, rosalind()).await.status, 303);
    let left = client.post("/sign-out", &[]).await;
    let page = client.get(left.location().expect("a redirect to the sign-in page")).await;
    assert!(page.body.contains("You are signed out.") && !page.body.contains("too</a>"), "{}", page.body);
    let sent = client.get("/sign-in/provider").await;
    assert!(sent.location().expect("to the provider").contains("prompt=select_account"));

    provider.describe(json!({ "end_session_endpoint": format!("{}/out", provider.issuer) }));
    server.clock.advance(Duration::from_secs(3601));
    let page = client.get("/sign-in?done=signed-out").await;
    assert!(page.body.contains("sign out of your clinic account too"), "{}", page.body);
    let out = way_there(&page.body);
    assert!(
        out.starts_with(&format!("{}/out?client_id=bedside&post_logout_redirect_uri=http", provider.issuer)),
        "{out}"
    );

    assert_eq!(provider.sign_in(&client, rosalind()).await.status, 303);
    let sent = client.with_same_cookies().get("/sign-in/provider").await;
    assert!(
        !sent.location().expect("to the provider").contains("prompt="),
        "no prompt is requested after the next sign-in"
    );
}

/// Microsoft Entra ID sends no `email_verified`.
#[tokio::test]
async fn an_address_that_the_provider_says_nothing_about_counts_where_its_domain_is_trusted() {
    let provider = Provider::start().await;
    let config = provider.config();
    let server = Server::start_with(|all| {
        let oidc = all.oidc.insert(config);
        oidc.trusted_email_domains = vec!["Example.org".to_owned()];
    })
    .await;
    provider.tell_time_of(&server);
    add_without_password(&server, "Rosalind Franklin", "rosalind@example.org").await;
    add_without_password(&server, "Mallory", "mallory@sub.example.org").await;
    for (claims, status) in [
        (json!({ "sub": "m", "email": "mallory@sub.example.org" }), 403),
        (json!({ "email": "rosalind@example.org", "email_verified": false }), 403),
        (json!({ "email": "rosalind@example.org" }), 303),
    ] {
        assert_eq!(provider.sign_in(&server.client(), claims.clone()).await.status, status, "{claims}");
    }
}

/// ID tokens as sent by real providers. Claims that are not needed are not parsed strictly.
#[tokio::test]
async fn what_real_providers_send_is_read() {
    let (provider, server) = clinic().await;
    let fixtures = [
        (
            "Google",
            json!({ "email_verified": true, "hd": "example.org", "at_hash": "x", "azp": "bedside", "picture": "https://x.example/a" }),
        ),
        (
            "Entra",
            json!({ "email_verified": true, "ver": "2.0", "tid": "9f5c", "oid": "1b", "preferred_username": "r@example.org", "rh": "0.A", "uti": "z", "groups": ["a"], "xms_edov": "1" }),
        ),
        (
            "Keycloak",
            json!({ "email_verified": true, "typ": "ID", "auth_time": 1_767_225_600, "session_state": "s", "acr": "1", "sid": "s", "preferred_username": "r", "address": {} }),
        ),
        (
            "Auth0",
            json!({ "email_verified": "true", "updated_at": "2026-11-30T10:20:30.123Z", "nickname": "r", "sid": "s" }),
        ),
        (
            "Okta",
            json!({ "email_verified": true, "ver": 1, "amr": ["pwd"], "idp": "00o", "updated_at": 1_767_225_600, "zoneinfo": "America/Los_Angeles", "locale": "en-US" }),
        ),
        (
            "Cognito",
            json!({ "email_verified": "true", "cognito:groups": ["g"], "cognito:username": "r", "token_use": "id", "event_id": "e", "origin_jti": "o", "identities": [{ "userId": "1", "primary": "true" }], "auth_time": 1_767_225_600 }),
        ),
        (
            "ADFS",
            json!({ "email_verified": true, "upn": "r@example.org", "unique_name": "EXAMPLE\\r", "auth_time": 1_767_225_600, "apptype": "Confidential", "pwd_exp": "1100000" }),
        ),
        (
            "Authentik",
            json!({ "email_verified": true, "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"], "groups": [], "nickname": "r", "given_name": "Rosalind", "family_name": "" }),
        ),
    ];
    for (name, mut claims) in fixtures {
        claims["email"] = json!("rosalind@example.org");
        let reply = provider.sign_in(&server.client(), claims).await;
        assert_eq!(reply.status, 303, "{name}: {}", reply.body);
    }
}

#[tokio::test]
async fn an_operator_unlinks_a_provider_that_moved_and_addresses_count_again() {
    let (provider, server) = clinic().await;
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    let mut moved = rosalind();
    moved["sub"] = json!("subject-after-the-move");
    assert_eq!(provider.sign_in(&server.client(), moved.clone()).await.status, 403);
    assert_eq!(server.operator().unlink_provider(None, "https://elsewhere.example").await.expect("none"), 0);
    assert_eq!(server.operator().unlink_provider(None, &provider.issuer).await.expect("unlinked"), 1);
    assert_eq!(provider.sign_in(&server.client(), moved).await.status, 303);
    let rows = server.audit().await.into_iter().filter(|row| row.action == "user.provider_unlinked");
    assert_eq!(rows.map(|row| row.detail).collect::<Vec<_>>(), [Some("operator".to_owned())]);
    let named = server.operator().unlink_provider(Some("rosalind@example.org"), &provider.issuer).await;
    assert_eq!(named.expect("unlinked"), 1);
}

#[tokio::test]
async fn a_connection_that_was_begun_ends_with_its_session() {
    let (provider, server) = clinic().await;
    let client = server.sign_in(&server.provider).await;
    let page = client.post("/account/provider", &[("current", PASSWORD)]).await;
    let address = way_there(&page.body);
    let back = provider.signs_in(&address, json!({}));
    client.post("/sign-out", &[]).await;
    client.sign_in(&server.other_provider).await;
    assert_eq!(client.get(&back).await.status, 403);
    assert_eq!(server.audit().await.iter().filter(|row| row.action == "user.provider_linked").count(), 0);
}

#[tokio::test]
async fn the_second_step_is_asked_for_here_unless_the_provider_has() {
    let (provider, server) = clinic().await;
    let phone = crate::account::turn_on_second_step(&server, &server.provider).await;
    let client = server.client();
    client.try_sign_in("grace@example.org", PASSWORD).await;
    client.post("/sign-in/code", &[("code", &phone.shows(&server, 30))]).await;
    let page = client.post("/account/provider", &[("current", PASSWORD)]).await;
    let address = way_there(&page.body);
    client.get(&provider.signs_in(&address, json!({}))).await;

    let plain = server.client();
    assert_eq!(provider.sign_in(&plain, json!({ "amr": ["pwd"] })).await.location(), Some("/sign-in/code"));
    assert!(!is_signed_in(&plain).await);
    for said in [json!({ "amr": ["pwd", "mfa"] }), json!({ "acr": "mfa" })] {
        let strong = server.client();
        assert_eq!(provider.sign_in(&strong, said).await.location(), Some("/"));
        assert!(is_signed_in(&strong).await);
    }
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found() {
    let (provider, server) = clinic().await;
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    server.clock.advance(Duration::from_secs(61));
    provider.rotate();
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    assert_eq!(provider.keys_asked(), 2);
    provider.rotate();
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 403, "keys are not fetched again so soon");
    assert_eq!(provider.keys_asked(), 2);
}

#[tokio::test]
async fn a_new_key_under_the_same_name_is_found() {
    let (provider, server) = clinic().await;
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    server.clock.advance(Duration::from_secs(61));
    provider.rotate_under_the_same_name();
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    assert_eq!(provider.keys_asked(), 2);
    provider.rotate_under_the_same_name();
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 403, "keys are not fetched again so soon");
    assert_eq!(provider.keys_asked(), 2);
}

/// Metadata is refreshed each hour; if that fails, the previous metadata is used.
#[tokio::test]
async fn what_is_known_of_a_provider_stays_in_use_while_it_cannot_be_read_anew() {
    let (provider, server) = clinic().await;
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    provider.describe(json!({ "issuer": "https://another.example" }));
    server.clock.advance(Duration::from_secs(61 * 60));
    for _ in 0..2 {
        assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    }
    provider.describe(json!({}));
    server.clock.advance(Duration::from_secs(6));
    assert_eq!(provider.sign_in(&server.client(), rosalind()).await.status, 303);
    assert_eq!(provider.keys_asked(), 2);
    provider.describe(json!({ "issuer": "https://another.example" }));
    server.clock.advance(Duration::from_secs(25 * 60 * 60));
    assert_eq!(server.client().get("/sign-in/provider").await.status, 502, "cached metadata expires");
}

#[tokio::test]
async fn an_unavailable_openid_provider_is_reported() {
    let (provider, server) = clinic().await;
    provider.set_down(true);
    let client = server.client();
    let down = client.get("/sign-in/provider").await;
    assert!(down.is_page() && down.body.contains("is not responding correctly"), "{}", down.body);
    assert!(down.body.contains("href=\"/sign-in\""), "the page links to sign-in: {}", down.body);
    assert_eq!(
        client.try_sign_in("ada@example.org", PASSWORD).await.status,
        303,
        "signing in with a password still works"
    );
    provider.set_down(false);
    server.clock.advance(Duration::from_secs(6));
    let sent = server.client();
    let address = sent.get("/sign-in/provider").await.location().expect("a redirect to the provider").to_owned();
    provider.set_down(true);
    let back = sent.get(&provider.signs_in(&address, rosalind())).await;
    assert!(back.is_page() && back.body.contains("is not responding correctly"), "{}", back.body);

    let (provider, server) = clinic().await;
    provider.describe(json!({ "issuer": "https://evil.example" }));
    assert_eq!(server.client().get("/sign-in/provider").await.status, 502, "its metadata names another issuer");
    let (provider, server) = clinic().await;
    provider.describe(json!({ "authorization_endpoint": "http://evil.example/authorize" }));
    assert_eq!(server.client().get("/sign-in/provider").await.status, 502, "its authorization endpoint uses http");
}

#[tokio::test]
async fn bad_input_is_a_refusal_and_never_a_fault() {
    let (provider, server) = clinic().await;
    server.book(When::Now).await;
    for query in ["", "?error=access_denied", "?code=x", "?code=%ff&state=%00", "?state=a&state=b", "?code=x&state=y"] {
        let client = server.client();
        client.get("/sign-in/provider").await;
        let reply = client.get(&format!("/sign-in/provider/back{query}")).await;
        assert!(matches!(reply.status, 400 | 403) && reply.is_page(), "{query}: {} {}", reply.status, reply.body);
    }
    for subject in ["", &"x".repeat(256)] {
        let mut claims = rosalind();
        claims["sub"] = json!(subject);
        let reply = provider.sign_in(&server.client(), claims).await;
        assert_eq!(reply.status, 403, "an invalid subject: {}", reply.body);
    }
    let client = server.client();
    let sent = client.get("/sign-in/provider?next=//evil.example").await;
    let back = provider.signs_in(sent.location().expect("to the provider"), rosalind());
    assert_eq!(client.get(&back).await.location(), Some("/"), "a redirect only to this site");
}
