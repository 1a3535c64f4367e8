//! Resetting a forgotten password.

use std::time::Duration;

use reqwest::Method;

use crate::support::mail::MailServer;
use crate::support::{Client, Ending, PASSWORD, Page, Reply, Server, When};

const NEW: &str = "umbrella kettle frosty nine";

async fn clinic() -> (MailServer, Server) {
    let mail = MailServer::start().await;
    let config = mail.config();
    let server = Server::start_with(|all| {
        all.mail = Some(config);
        all.clinic.name = "Riverside Clinic".to_owned();
    })
    .await;
    (mail, server)
}

async fn ask(client: &Client, email: &str) -> Reply {
    client.post("/sign-in/forgotten", &[("email", email)]).await
}

/// Returns the link's path.
fn path(server: &Server, link: &str) -> String {
    link.strip_prefix(&server.origin).expect("a link to this server").to_owned()
}

async fn rows(server: &Server, action: &str) -> usize {
    server.audit().await.into_iter().filter(|row| row.action == action).count()
}

/// Waits until the audit log has this many reset requests, which are handled after the response.
async fn asked(server: &Server, count: usize) {
    crate::support::soon("the log", async {
        while rows(server, "user.password_reset_asked").await < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn set(client: &Client, new: &str) -> Reply {
    client.post("/reset", &[("new", new)]).await
}

#[tokio::test]
async fn a_link_by_mail_sets_a_new_password_once() {
    let (mail, server) = clinic().await;
    assert!(server.client().get("/sign-in").await.body.contains("href=\"/sign-in/forgotten\""));
    let there = server.sign_in(&server.provider).await;
    let visit = server.book(When::Now).await;
    let mut page = Page::open(&server, &there, visit.id).await;
    let client = server.client();
    let reply = ask(&client, " Grace@Example.org").await;
    assert!(reply.status == 200 && reply.body.contains("Check your e-mail"), "{}", reply.body);

    let sent = mail.taken(1).await.remove(0);
    assert_eq!(sent.to, "grace@example.org");
    for part in ["Subject: A new password for Riverside Clinic\r\n", "Auto-Submitted: auto-generated\r\n"] {
        assert!(sent.text.contains(part), "{part}: {}", sent.text);
    }
    assert!(
        !sent.text.contains("Hopper") && !sent.text.contains("visit/"),
        "the mail contains no personal data: {}",
        sent.text
    );
    let link = path(&server, &sent.link());

    // A mail scanner opens the link first, then the user: it is not used up, and the token is removed from the address.
    server.client().get(&link).await;
    let opened = client.get(&link).await;
    assert_eq!((opened.status, opened.location()), (303, Some("/reset")));
    let form = client.get("/reset").await;
    assert!(form.body.contains("autocomplete=\"new-password\"") && form.body.contains("grace@example.org"));
    assert!(!form.body.contains(link.rsplit('/').next().expect("a token")), "{}", form.body);
    for (new, said) in [("short", "at least 15 characters"), ("grace@example.org 1", "easy to guess")] {
        let refused = set(&client, new).await;
        assert!(refused.status == 200 && refused.body.contains(said), "{new}: {}", refused.body);
    }
    let done = set(&client, NEW).await;
    assert_eq!((done.status, done.location()), (303, Some("/sign-in?done=password")), "{}", done.body);
    assert!(client.get("/sign-in?done=password").await.body.contains("Your password has changed."));

    assert_eq!(page.ending().await, Ending::Code(4401), "open pages are disconnected");
    assert_eq!(there.get("/account").await.status, 303, "all sessions ended");
    assert_eq!(
        server.client().try_sign_in("grace@example.org", PASSWORD).await.status,
        200,
        "the old password is not accepted"
    );
    assert_eq!(server.client().try_sign_in("grace@example.org", NEW).await.status, 303);
    let told = mail.taken(2).await.remove(1);
    assert!(told.text.contains("was changed") && !told.text.contains("://"), "{}", told.text);

    let again = server.client();
    again.get(&link).await;
    assert!(again.get("/reset").await.body.contains("This link no longer works"));
    let refused = set(&again, "another umbrella kettle nine").await;
    assert!(refused.body.contains("This link no longer works"), "{}", refused.body);
    assert_eq!(server.client().try_sign_in("grace@example.org", NEW).await.status, 303, "the password is unchanged");
    assert_eq!(rows(&server, "user.password_reset").await, 1);
}

#[tokio::test]
async fn unknown_disabled_and_passwordless_get_no_mail_and_the_same_answer() {
    let (mail, server) = clinic().await;
    let shut_out = server.add_person("Charles Babbage", Some("charles@example.org")).await;
    server.disable(shut_out.id()).await;
    let client = server.client();
    let known = ask(&client, "ada@example.org").await;
    let same = known.body.replace("ada@example.org", "(typed)");
    mail.taken(1).await;
    for email in ["nobody@example.org", "charles@example.org"] {
        let reply = ask(&client, email).await;
        assert_eq!((reply.status, reply.body.replace(email, "(typed)")), (200, same.clone()), "{email}");
    }
    asked(&server, 3).await;
    let asked: Vec<_> = server
        .audit()
        .await
        .into_iter()
        .filter(|row| row.action == "user.password_reset_asked")
        .map(|row| (row.actor, row.subject))
        .collect();
    assert!(asked.contains(&(None, Some(server.patient.id()))) && asked.contains(&(None, None)), "{asked:?}");
    // Earlier mails would have arrived by now: the next one is for another user.
    ask(&client, "mary@example.org").await;
    let to: Vec<String> = mail.taken(2).await.into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, ["ada@example.org", "mary@example.org"]);
    let none = ask(&client, "no address").await;
    assert!(none.body.contains("Write it like name@example.org."), "{}", none.body);
}

#[tokio::test]
async fn a_link_ends_by_time_by_a_newer_one_and_with_the_account() {
    let (mail, server) = clinic().await;
    let client = server.client();
    ask(&client, "ada@example.org").await;
    let first = path(&server, &mail.taken(1).await[0].link());
    ask(&client, "ada@example.org").await;
    let second = path(&server, &mail.taken(2).await[1].link());
    let is_good = async |link: &str| {
        let browser = server.client();
        browser.get(link).await;
        browser.get("/reset").await.body.contains("autocomplete=\"new-password\"")
    };
    assert!(!is_good(&first).await && is_good(&second).await, "only the newest link is valid");
    server.clock.advance(Duration::from_secs(29 * 60));
    assert!(is_good(&second).await);
    server.clock.advance(Duration::from_secs(60));
    assert!(!is_good(&second).await, "a link expires after half an hour");

    ask(&client, "ada@example.org").await;
    let third = path(&server, &mail.taken(3).await[2].link());
    let browser = server.client();
    browser.get(&third).await;
    server.disable(server.patient.id()).await;
    assert!(set(&browser, NEW).await.body.contains("This link no longer works"));
    assert!(!is_good("/reset/none").await && !is_good(&format!("/reset/{}", "A".repeat(43))).await);
}

#[tokio::test]
async fn another_password_ends_an_open_link() {
    let (mail, server) = clinic().await;
    let client = server.sign_in(&server.patient).await;
    ask(&client, "ada@example.org").await;
    let link = path(&server, &mail.taken(1).await[0].link());
    client.post("/account/password", &[("current", PASSWORD), ("new", NEW)]).await;
    let thief = server.client();
    thief.get(&link).await;
    assert!(thief.get("/reset").await.body.contains("This link no longer works"));
}

#[tokio::test]
async fn the_second_step_outlives_a_new_password() {
    let (mail, server) = clinic().await;
    let phone = crate::account::turn_on_second_step(&server, &server.provider).await;
    let client = server.client();
    ask(&client, "grace@example.org").await;
    // The first mail says that two-factor authentication is now on.
    let sent = mail.taken(2).await;
    let link = sent.iter().find(|mail| mail.text.contains("/reset/")).expect("a link").link();
    client.get(&path(&server, &link)).await;
    assert_eq!(set(&client, NEW).await.status, 303);
    assert_eq!(client.try_sign_in("grace@example.org", NEW).await.location(), Some("/sign-in/code"));
    assert_eq!(client.post("/sign-in/code", &[("code", &phone.shows(&server, 30))]).await.location(), Some("/"));
}

#[tokio::test]
async fn reset_mails_to_one_user_are_limited() {
    let (_mail, server) = clinic().await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let client = server.client();
        for _ in 0..4 {
            assert_eq!(ask(&client, email).await.status, 200);
        }
        let slowed = ask(&client, email).await;
        assert_eq!(slowed.status, 429, "{email}");
    }
    assert_eq!(server.client().try_sign_in("ada@example.org", PASSWORD).await.status, 303, "signing in still works");
}

#[tokio::test]
async fn mail_that_is_not_taken_at_once_is_sent_again_and_a_refusal_is_final() {
    let (mail, server) = clinic().await;
    let client = server.client();
    mail.refuse(["451 later, ada@example.org", "451 later"]);
    ask(&client, "ada@example.org").await;
    assert_eq!(mail.taken(1).await[0].to, "ada@example.org");
    mail.refuse(["550 there is no mary@example.org"]);
    assert_eq!(ask(&client, "mary@example.org").await.status, 200);
    mail.refused().await;
    ask(&client, "james@example.org").await;
    mail.taken(2).await;
    let to: Vec<String> = mail.so_far().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, ["ada@example.org", "james@example.org"]);
}

/// A promised mail is sent despite a restart, and once the mail server is available again.
#[tokio::test]
async fn a_mail_that_was_promised_outlives_a_restart() {
    let (mail, server) = clinic().await;
    mail.refuse(["451 later"; 3]);
    assert_eq!(ask(&server.client(), "ada@example.org").await.status, 200);
    mail.refused().await;
    let server = server.restart().await;
    server.clock.advance(Duration::from_secs(3_500));
    let sent = mail.taken(1).await.remove(0);
    assert_eq!(sent.to, "ada@example.org");
    let client = server.client();
    client.get(&path(&server, &sent.link())).await;
    assert_eq!(set(&client, NEW).await.status, 303, "the link was created when the mail was sent");
    assert!(mail.taken(2).await[1].text.contains("was changed"));
    crate::support::soon("nothing waits", async {
        while server.store.count_jobs().await.expect("counted") > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_offered_and_the_operator_makes_links() {
    let server = Server::start().await;
    let client = server.client();
    assert!(!client.get("/sign-in").await.body.contains("forgotten"));
    assert_eq!(ask(&client, "ada@example.org").await.status, 404);
    let made = server.operator().reset_password(&"ada@example.org".parse().expect("an address")).await;
    let link = path(&server, &made.expect("a link"));
    client.get(&link).await;
    assert_eq!(set(&client, NEW).await.status, 303);
    assert_eq!(client.try_sign_in("ada@example.org", NEW).await.status, 303);
    assert!(server.operator().reset_password(&"nobody@example.org".parse().expect("an address")).await.is_err());
    server.disable(server.provider.id()).await;
    assert!(server.operator().reset_password(&"grace@example.org".parse().expect("an address")).await.is_err());
}

#[tokio::test]
async fn another_site_cannot_set_a_password_with_an_opened_link() {
    let (mail, server) = clinic().await;
    let client = server.client();
    ask(&client, "ada@example.org").await;
    client.get(&path(&server, &mail.taken(1).await[0].link())).await;
    let foreign = client.request(Method::POST, "/reset").origin(Some("https://evil.example")).form(&[("new", NEW)]);
    assert_eq!(foreign.send().await.status, 403);
    assert!(client.try_sign_in("ada@example.org", PASSWORD).await.status == 303);
}

#[tokio::test]
async fn a_new_password_that_is_sent_twice_is_set_once_and_says_so_twice() {
    let (mail, server) = clinic().await;
    let client = server.client();
    ask(&client, "grace@example.org").await;
    client.get(&path(&server, &mail.taken(1).await.remove(0).link())).await;
    let second = client.with_same_cookies();
    let (one, two) = tokio::join!(set(&client, NEW), set(&second, NEW));
    for reply in [one, two] {
        assert_eq!((reply.status, reply.location()), (303, Some("/sign-in?done=password")), "{}", reply.body);
    }
    assert_eq!(rows(&server, "user.password_reset").await, 1);
}
