//! A user's account: password, two-factor authentication and sessions.

use std::time::Duration;

use bedside_visit::{Clock as _, Timestamp};

use crate::support::{Account, Client, Ending, PASSWORD, Page, Server, When};

const NEW: &str = "umbrella kettle frosty nine";

async fn is_signed_in(client: &Client) -> bool {
    client.get("/account").await.status == 200
}

async fn change(client: &Client, current: &str, new: &str) -> crate::support::Reply {
    client.post("/account/password", &[("current", current), ("new", new)]).await
}

#[tokio::test]
async fn another_password_ends_all_other_sign_ins() {
    let server = Server::start().await;
    let (here, there) = (server.sign_in(&server.provider).await, server.sign_in(&server.provider).await);
    let visit = server.book(When::Now).await;
    let mut page = Page::open(&server, &there, visit.id).await;

    let reply = change(&here, PASSWORD, NEW).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/account?done=password")), "{}", reply.body);
    assert!(here.get("/account?done=password").await.body.contains("Your password has changed."));
    assert!(is_signed_in(&here).await && !is_signed_in(&there).await);
    assert_eq!(page.ending().await, Ending::Code(4401));

    assert_eq!(
        server.client().try_sign_in("grace@example.org", PASSWORD).await.status,
        200,
        "the old password is not accepted"
    );
    assert_eq!(server.client().try_sign_in("grace@example.org", NEW).await.status, 303);
    let done: Vec<String> = server.audit().await.into_iter().map(|row| row.action).collect();
    assert_eq!(done.iter().filter(|action| *action == "user.password_changed").count(), 1, "{done:?}");
}

#[tokio::test]
async fn a_password_that_is_wrong_short_or_easy_changes_nothing() {
    let server = Server::start().await;
    let (here, there) = (server.sign_in(&server.patient).await, server.sign_in(&server.patient).await);
    for (current, new, field) in [
        ("not the password", NEW, "current"),
        (PASSWORD, "short", "new"),
        (PASSWORD, "passwordpassword", "new"),
        (PASSWORD, "ada@example.org ada", "new"),
    ] {
        let reply = change(&here, current, new).await;
        let said = format!("id=\"{field}-fault\"");
        assert!(reply.status == 200 && reply.body.contains(&said), "{current} {new}: {}", reply.body);
        assert!(!reply.body.contains(new), "the password is not shown again");
    }
    assert!(is_signed_in(&here).await && is_signed_in(&there).await);
    assert_eq!(server.client().try_sign_in("ada@example.org", PASSWORD).await.status, 303);
    let failed = server.audit().await.into_iter().filter(|row| row.action == "user.password_change_failed").count();
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn a_stolen_session_cannot_be_used_to_guess_the_password() {
    let server = Server::start().await;
    let client = server.sign_in(&server.patient).await;
    let too_long = "x".repeat(1025);
    for _ in 0..5 {
        assert_eq!(change(&client, &too_long, NEW).await.status, 200);
    }
    assert_eq!(change(&client, PASSWORD, NEW).await.status, 429);
}

#[tokio::test]
async fn a_sign_in_elsewhere_is_seen_and_ended() {
    let server = Server::start().await;
    let (here, there) = (server.sign_in(&server.provider).await, server.sign_in(&server.provider).await);
    let stranger = server.sign_in(&server.other_provider).await;
    let page = here.get("/account").await.body;
    assert_eq!(page.matches("<li class=\"row\">").count(), 2, "{page}");
    let handle =
        page.split("name=\"which\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a handle");

    // The handle of a session is useless to other users.
    stranger.post("/account/sign-ins", &[("which", handle)]).await;
    assert!(is_signed_in(&there).await);
    here.post("/account/sign-ins", &[("which", handle)]).await;
    assert!(is_signed_in(&here).await && !is_signed_in(&there).await && is_signed_in(&stranger).await);

    let again = server.sign_in(&server.provider).await;
    here.post("/account/sign-ins", &[("which", "others")]).await;
    assert!(is_signed_in(&here).await && !is_signed_in(&again).await);
    let ended = server.audit().await.into_iter().filter(|row| row.action == "session.ended").count();
    assert_eq!(ended, 2);
}

/// The authenticator app on a user's phone.
pub(crate) struct Phone(totp_rs::Totp);

impl Phone {
    pub(crate) fn scan(page: &str) -> Self {
        let key =
            page.split("<code class=\"key\">").nth(1).and_then(|rest| rest.split("</code>").next()).expect("a key");
        let secret = totp_rs::Secret::try_from_base32(key.replace(' ', "")).expect("base32");
        Self(totp_rs::Builder::new().with_secret(secret).build().expect("a secret"))
    }

    /// Returns the code shown this many seconds from now.
    pub(crate) fn shows(&self, server: &Server, in_seconds: i64) -> String {
        self.shows_at(server.clock.now(), in_seconds)
    }

    /// Returns the code shown this many seconds after a time.
    pub(crate) fn shows_at(&self, now: Timestamp, in_seconds: i64) -> String {
        let at = now.as_millis() / 1_000 + in_seconds;
        self.0.generate(u64::try_from(at).expect("after 1970")).to_string()
    }
}

/// Turns on two-factor authentication for a user and returns the authenticator app. The current code has been used.
pub(crate) async fn turn_on_second_step(server: &Server, account: &Account) -> Phone {
    let client = server.sign_in(account).await;
    let page = client.get("/account/second-step").await.body;
    let phone = Phone::scan(&page);
    let fields = [("sealed", &*hidden(&page, "sealed")), ("code", &phone.shows(server, 0)), ("current", PASSWORD)];
    let done = client.post("/account/second-step", &fields).await;
    assert_eq!(done.location(), Some("/account?done=second-step"), "{}", done.body);
    phone
}

pub(crate) fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    page.split(&mark).nth(1).and_then(|rest| rest.split('"').next()).expect("a hidden field").to_owned()
}

#[tokio::test]
async fn with_a_second_step_a_password_alone_opens_nothing() {
    let server = Server::start().await;
    let client = server.sign_in(&server.provider).await;
    let page = client.get("/account/second-step").await.body;
    let (phone, sealed) = (Phone::scan(&page), hidden(&page, "sealed"));

    // A wrong code, a wrong password or another user's secret is refused.
    let add = |code: String, current: &'static str, sealed: String| {
        let client = &client;
        async move {
            let fields = [("sealed", sealed.as_str()), ("code", code.as_str()), ("current", current)];
            let reply = client.post("/account/second-step", &fields).await;
            (reply.status, reply.location().map(str::to_owned), reply.body)
        }
    };
    let (status, _, again) = add("000000".to_owned(), PASSWORD, sealed.clone()).await;
    assert!(status == 200 && again.contains("That code does not work"), "{again}");
    assert_eq!(Phone::scan(&again).shows(&server, 0), phone.shows(&server, 0), "the secret to scan is unchanged");
    assert_eq!(add(phone.shows(&server, 0), "x", sealed.clone()).await.0, 403);
    let stranger = server.sign_in(&server.other_provider).await.get("/account/second-step").await.body;
    let theirs = add(Phone::scan(&stranger).shows(&server, 0), PASSWORD, hidden(&stranger, "sealed")).await;
    assert_eq!(theirs.0, 400);
    let done = add(phone.shows(&server, 0), PASSWORD, sealed).await;
    assert_eq!(done.1.as_deref(), Some("/account?done=second-step"));

    let other = server.client();
    let reply = other.try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(reply.location(), Some("/sign-in/code"));
    assert!(!is_signed_in(&other).await);
    // The code that turned it on cannot be used again.
    let used = other.post("/sign-in/code", &[("code", &phone.shows(&server, 0))]).await;
    assert!(used.status == 200 && used.body.contains("That code does not work"), "{}", used.body);
    let reply = other.post("/sign-in/code", &[("code", &phone.shows(&server, 30))]).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")));
    assert!(is_signed_in(&other).await);
}

#[tokio::test]
async fn codes_cannot_be_tried_one_after_the_other() {
    let server = Server::start().await;
    let phone = turn_on_second_step(&server, &server.provider).await;

    let guesser = server.client();
    guesser.try_sign_in("grace@example.org", PASSWORD).await;
    for _ in 0..5 {
        assert_eq!(guesser.post("/sign-in/code", &[("code", "000000")]).await.status, 200);
    }
    let reply = guesser.post("/sign-in/code", &[("code", &phone.shows(&server, 30))]).await;
    assert_eq!(reply.location(), Some("/sign-in"), "sign-in starts over");
    assert!(!is_signed_in(&guesser).await);
    let failed = server.audit().await.into_iter().filter(|row| row.action == "session.second_step_failed").count();
    assert_eq!(failed, 5);

    // Entering the password again does not help: after that, tries are delayed as if it were wrong, until a code was
    // right.
    let mut again = guesser.try_sign_in("grace@example.org", PASSWORD).await;
    for _ in 0..9 {
        again = guesser.try_sign_in("grace@example.org", PASSWORD).await;
    }
    assert_eq!(again.status, 429);
    server.clock.advance(Duration::from_secs(15 * 60));
    let owner = server.client();
    owner.try_sign_in("grace@example.org", PASSWORD).await;
    assert_eq!(owner.post("/sign-in/code", &[("code", &phone.shows(&server, 0))]).await.location(), Some("/"));
    assert_eq!(
        owner.try_sign_in("grace@example.org", PASSWORD).await.location(),
        Some("/sign-in/code"),
        "the delay is reset"
    );
}

#[tokio::test]
async fn a_code_that_is_sent_twice_signs_in_once() {
    let server = Server::start().await;
    let phone = turn_on_second_step(&server, &server.provider).await;
    let browser = server.client();
    browser.try_sign_in("grace@example.org", PASSWORD).await;
    // A double click: the browser shows the second response, and keeps the cookies of either.
    let second = browser.with_same_cookies();
    let code = phone.shows(&server, 30);
    let fields = [("code", code.as_str()), ("next", "/account")];
    let (one, two) = tokio::join!(browser.post("/sign-in/code", &fields), second.post("/sign-in/code", &fields));
    assert_eq!((one.status, one.location()), (303, Some("/account")), "{}", one.body);
    assert_eq!((two.status, two.location()), (303, Some("/account")), "{}", two.body);
    assert!(is_signed_in(&browser).await && is_signed_in(&second).await);
    assert_eq!(browser.cookies(), second.cookies(), "one session");
    let sessions = server.store.list_sign_ins(server.provider.id(), server.clock.now()).await.expect("read");
    assert_eq!(sessions.len(), 2, "this one, and the one that turned two-factor authentication on");
    let signed_in = server.audit().await.into_iter().filter(|row| row.action == "session.signed_in").count();
    assert_eq!(signed_in, 2);

    // After signing out the same code is refused, and later it is not remembered.
    browser.post("/sign-out", &[]).await;
    assert!(!is_signed_in(&second).await);
    server.clock.advance(Duration::from_secs(61));
    let late = server.client();
    late.set_cookie("bedside-waiting", &"A".repeat(43));
    assert_eq!(late.post("/sign-in/code", &fields).await.location(), Some("/sign-in"));
}

/// At the limit of the fields: ASCII, characters outside the BMP (two UTF-16 units each), and letters that are longer
/// when composed.
#[tokio::test]
async fn what_the_password_and_address_fields_allow_is_taken() {
    let server = Server::start().await;
    let page = server.client().get("/sign-in").await.body;
    let most = |name: &str| -> usize {
        let tag = page.split("<input ").find(|tag| tag.contains(&format!("name=\"{name}\""))).expect("a field");
        tag.split("maxlength=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a limit").parse().expect("one")
    };
    let longest = |text: &str, most: usize| -> String {
        let mut units = 0;
        let fits = |c: &char| {
            units += c.len_utf16();
            units <= most
        };
        text.chars().cycle().take_while(fits).collect()
    };
    let sign_in = async |password: &str| {
        let client = server.client();
        client.try_sign_in(&server.provider.email, password).await;
        client
    };
    let mut current = PASSWORD.to_owned();
    for text in [NEW, "umbrella 𝔸𝔹 kettle frosty 𝔻 nine", "umbrella \u{958} kettle \u{959} frosty nine"] {
        let new = longest(text, most("password"));
        let done = change(&sign_in(&current).await, &current, &new).await;
        assert_eq!(done.status, 303, "{text}: {}", done.body);
        current = new;
    }
    assert!(is_signed_in(&sign_in(&current).await).await);

    let domain = longest("d.", most("email") - 64 - 1 - "example".len()) + "example";
    let address = format!("{}@{domain}", "a".repeat(64));
    let before = server.audit().await.len();
    assert_eq!(server.client().try_sign_in(&address, NEW).await.status, 200);
    let refused =
        server.audit().await.split_off(before).pop().expect("an audit line, because the address was looked up");
    assert_eq!(refused.action, "session.sign_in_failed");
}
