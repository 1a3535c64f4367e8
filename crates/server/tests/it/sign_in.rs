//! Sign-in: who is let in, error messages, and redirects afterwards.

use bedside_visit::UserId;

use crate::support::{PASSWORD, Reply, Server, When};

/// Returns the page without the only part that may differ: the address that was typed.
fn without(reply: &Reply, email: &str) -> (u16, String) {
    (reply.status, reply.body.replace(email, "(typed)"))
}

#[tokio::test]
async fn the_right_password_opens_the_day() {
    let server = Server::start().await;
    let client = server.client();
    let page = client.get("/sign-in").await;
    assert_eq!(page.status, 200);
    assert!(page.is_page() && page.body.contains("autocomplete=\"current-password\""), "{}", page.body);

    let reply = client.try_sign_in("  Ada@Example.ORG ", PASSWORD).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")));
    let day = client.get("/").await;
    assert_eq!(day.status, 200);
    assert!(day.body.contains("Ada Lovelace") && day.body.contains("action=\"/sign-out\""), "{}", day.body);
    assert_eq!(client.get("/sign-in").await.location(), Some("/"), "signed-in users are redirected");
}

#[tokio::test]
async fn wrong_unknown_disabled_and_passwordless_look_the_same() {
    let server = Server::start().await;
    let shut_out = server.add_person("Charles Babbage", Some("charles@example.org")).await;
    server.disable(shut_out.id()).await;
    let client = server.client();

    let wrong = client.try_sign_in("ada@example.org", "not the password").await;
    assert_eq!(wrong.status, 200);
    assert!(wrong.body.contains("The e-mail address or the password is wrong."), "{}", wrong.body);
    assert!(wrong.body.contains("value=\"ada@example.org\""), "the address is kept: {}", wrong.body);
    assert!(!wrong.body.contains("not the password"), "the password is not returned");
    assert!(wrong.headers.get("set-cookie").is_none());

    let unknown = client.try_sign_in("nobody@example.org", "not the password").await;
    let disabled = client.try_sign_in("charles@example.org", PASSWORD).await;
    let empty = client.try_sign_in("ada@example.org", "").await;
    let decoy = client.try_sign_in("nobody@example.org", "nobody has this password").await;
    let same = without(&wrong, "ada@example.org");
    assert_eq!(without(&unknown, "nobody@example.org"), same);
    assert_eq!(without(&disabled, "charles@example.org"), same);
    assert_eq!(without(&empty, "ada@example.org"), same);
    assert_eq!(without(&decoy, "nobody@example.org"), same);
    assert!(client.cookies().is_empty());
}

#[tokio::test]
async fn a_text_that_is_no_address_is_named_at_its_field() {
    let server = Server::start().await;
    let client = server.client();
    for typed in ["ada", "", "ada@", "a b@example.org", "ada@example.org\u{0}x", &format!("{}@x", "a".repeat(300))] {
        let reply = client.try_sign_in(typed, PASSWORD).await;
        assert_eq!(reply.status, 200, "{typed}");
        assert!(reply.body.contains("href=\"#email\"") && reply.body.contains("id=\"email-fault\""), "{}", reply.body);
    }
}

#[tokio::test]
async fn what_was_typed_is_text_in_the_page_and_never_markup() {
    let server = Server::start().await;
    let reply = server.client().try_sign_in("\"><script>alert(1)</script>@example.org", PASSWORD).await;
    assert!(!reply.body.contains("<script>alert"), "{}", reply.body);
    let next = [("email", "ada"), ("password", PASSWORD), ("next", "/\"><script>alert(1)</script>")];
    let reply = server.client().post("/sign-in", &next).await;
    assert!(!reply.body.contains("<script>alert"), "{}", reply.body);
}

#[tokio::test]
async fn too_many_tries_are_slowed_down_for_known_and_unknown_alike() {
    let server = Server::start().await;
    // A password that is too long is refused without hashing, so the attempts take too little time for the limit to
    // recover.
    let too_long = "x".repeat(1025);
    for email in ["ada@example.org", "nobody@example.org"] {
        let client = server.client();
        for _ in 0..10 {
            assert_eq!(client.try_sign_in(email, &too_long).await.status, 200, "{email}");
        }
        let slowed = client.try_sign_in(email, PASSWORD).await;
        assert_eq!(slowed.status, 429, "{email}: even with the right password");
        let wait: u64 = slowed.header("retry-after").expect("a time").parse().expect("seconds");
        assert!((1..=6).contains(&wait), "{wait}");
        assert!(slowed.is_page() && slowed.body.contains("href=\"/sign-in\""), "{}", slowed.body);
    }
    let other = server.client().try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(other.status, 303, "other users are not slowed down");
}

#[tokio::test]
async fn one_address_cannot_try_one_password_on_everybody() {
    let server = Server::start().await;
    let client = server.client();
    let password = "x".repeat(1025);
    let tries = (0..90).map(|n| {
        let (client, password) = (&client, &password);
        async move { client.try_sign_in(&format!("user{n}@example.org"), password).await.status }
    });
    let answers = futures_util::future::join_all(tries).await;
    let allowed = answers.iter().filter(|status| **status == 200).count();
    let slowed = answers.iter().filter(|status| **status == 429).count();
    assert_eq!(allowed + slowed, 90, "{answers:?}");
    assert!(allowed >= 60 && slowed >= 1, "60 a minute: {allowed} were allowed");
}

#[tokio::test]
async fn after_signing_in_people_are_where_they_wanted_to_go() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let asked = format!("/video-call/provider?appointmentId={}&a=%20b", visit.id);
    let client = server.client();

    let sent = client.get(&asked).await;
    assert_eq!(sent.status, 303);
    let sign_in = sent.location().expect("to sign-in").to_owned();
    let id = visit.id;
    assert_eq!(sign_in, format!("/sign-in?next=/video-call/provider%3FappointmentId%3D{id}%26a%3D%2520b"));
    let page = client.get(&sign_in).await;
    let escaped = asked.replace('&', "&#38;");
    assert!(page.body.contains(&format!("name=\"next\" value=\"{escaped}\"")), "{}", page.body);

    // A failed try keeps the address to return to.
    let wrong = [("email", "grace@example.org"), ("password", "x"), ("next", asked.as_str())];
    let page = client.post("/sign-in", &wrong).await;
    assert!(page.body.contains(&format!("name=\"next\" value=\"{escaped}\"")), "{}", page.body);
    let right = [("email", "grace@example.org"), ("password", PASSWORD), ("next", asked.as_str())];
    let reply = client.post("/sign-in", &right).await;
    assert_eq!((reply.status, reply.location()), (303, Some(asked.as_str())));
    assert_eq!(client.get(&asked).await.status, 200);
}

#[tokio::test]
async fn redirects_after_sign_in_stay_on_this_site() {
    let server = Server::start().await;
    let client = server.sign_in(&server.patient).await;
    let foreign =
        ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/\r\nX-A:b"];
    for next in foreign {
        let fields = [("email", "grace@example.org"), ("password", PASSWORD), ("next", next)];
        let reply = server.client().post("/sign-in", &fields).await;
        assert_eq!((reply.status, reply.location()), (303, Some("/")), "{next:?}");
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reply = client.get(&format!("/sign-in?next={encoded}")).await;
        assert_eq!((reply.status, reply.location()), (303, Some("/")), "{next:?}");
    }
}

#[tokio::test]
async fn every_try_is_in_the_audit_log() {
    let server = Server::start().await;
    let client = server.client();
    client.try_sign_in("ada@example.org", "wrong").await;
    client.try_sign_in("nobody@example.org", "wrong").await;
    client.sign_in(&server.patient).await;
    client.post("/sign-out", &[]).await;
    let log: Vec<(String, Option<UserId>, Option<UserId>)> =
        server.audit().await.into_iter().map(|row| (row.action, row.actor, row.subject)).collect();
    let ada = Some(server.patient.id());
    // The log names the account that was tried, but no actor before sign-in.
    let expected = [
        ("session.sign_in_failed", None, ada),
        ("session.sign_in_failed", None, None),
        ("session.signed_in", ada, ada),
        ("session.signed_out", ada, ada),
    ];
    assert_eq!(log, expected.map(|(action, actor, subject)| (action.to_owned(), actor, subject)));
}
