//! The lifecycle of sessions: cookies, expiry, and several users in one browser.

use std::time::Duration;

use bedside_visit::Clock as _;
use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::Stage;
use tokio::time::timeout;

use crate::support::{Ending, PASSWORD, Page, Refused, Reply, Server, When};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Returns a cookie's name and its attributes without `Max-Age`. The name of a link's cookie is cut before its unique
/// part.
fn attributes(reply: &Reply) -> Vec<String> {
    let cookie = reply.header("set-cookie").expect("a cookie");
    let parts = cookie.split("; ").skip(1).filter(|part| !part.starts_with("Max-Age"));
    let mut parts: Vec<String> = parts.map(str::to_owned).collect();
    parts.sort();
    let name = cookie.split('=').next().expect("a name");
    let own = name.find("bedside-visit-").map_or(name.len(), |at| at + "bedside-visit-".len());
    parts.insert(0, name[..own].to_owned());
    parts
}

#[tokio::test]
async fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let server = Server::start().await;
    let reply = server.client().try_sign_in("ada@example.org", PASSWORD).await;
    assert_eq!(attributes(&reply), ["bedside-session", "HttpOnly", "Path=/", "SameSite=Lax"]);
    let visit = server.book(When::Now).await;
    let link = server.link(visit.id).await.replace(&server.origin, "");
    let reply = server.client().get(&link).await;
    assert_eq!(attributes(&reply), ["bedside-visit-", "HttpOnly", "Path=/", "SameSite=Lax"]);
}

#[tokio::test]
async fn over_https_cookies_are_bound_to_the_host_and_never_in_clear() {
    let server = Server::start_with(|config| config.server.public_url = "https://visits.example.org".to_owned()).await;
    let client = server.client();
    let reply = client.try_sign_in("ada@example.org", PASSWORD).await;
    assert_eq!(attributes(&reply), ["__Host-bedside-session", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert_eq!(client.get("/").await.status, 200);
    let visit = server.book(When::Now).await;
    let link = server.link(visit.id).await;
    assert!(link.starts_with("https://visits.example.org/v/"), "{link}");
    let reply = server.client().get(&link.replace(&server.origin, "")).await;
    assert_eq!(attributes(&reply), ["__Host-bedside-visit-", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);

    // A cookie without the prefix is ignored: another service on plain HTTP could have set it.
    let token = client.cookies().remove("__Host-bedside-session").expect("signed in");
    let planted = server.client();
    planted.set_cookie("bedside-session", &token);
    assert_eq!(planted.get("/").await.status, 303);
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_everywhere() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.sign_in(&server.provider).await;
    let copy = client.with_same_cookies();
    let mut page = Page::open(&server, &client, visit.id).await;
    page.command(Command::Start).await.expect("started");

    let reply = client.post("/sign-out", &[]).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/sign-in?done=signed-out")));
    assert!(client.cookies().is_empty(), "the browser deletes the cookie");
    assert_eq!(page.ending().await, Ending::Code(4401), "open pages are disconnected");
    assert_eq!(copy.get("/").await.location(), Some("/sign-in"), "the server has deleted the session");
    let path = format!("/api/appointments/{}/signalling", visit.id);
    let again = Page::try_open(&server, &copy, &path, Some(&server.origin)).await;
    assert_eq!(again.err(), Some(Refused::Ended(Ending::Code(4401))));
}

/// The user is disabled by another process, like `bedside user disable` while the program runs.
#[tokio::test]
async fn a_disabled_user_is_disconnected_immediately() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut patient = Page::open(&server, &ada, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    patient.command(Command::Enter).await.expect("in");
    provider.command(Command::Start).await.expect("started");
    provider.until("connected", |view| matches!(view.stage, Stage::Connected { .. })).await;

    let mut transaction = server.store.begin().await.expect("begun");
    transaction.update_disabled(server.patient.id(), Some(server.clock.now())).await.expect("done");
    transaction.commit().await.expect("committed");
    // The page sends nothing, and its session would be checked only much later.
    assert_eq!(timeout(Duration::from_secs(5), patient.ending()).await, Ok(Ending::Code(4401)));
    assert_eq!(ada.get("/").await.location(), Some("/sign-in"));
    // The seat is held, because disabling a user can be undone.
    provider.until("an empty seat", |view| matches!(view.stage, Stage::Reconnecting { .. })).await;
    provider.command(Command::End).await.expect("the other participant's visit goes on");
}

#[tokio::test]
async fn signing_out_leaves_other_browsers_alone() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (one, two) = (server.sign_in(&server.provider).await, server.sign_in(&server.provider).await);
    let mut page = Page::open(&server, &two, visit.id).await;
    one.post("/sign-out", &[]).await;
    assert_eq!(two.get("/").await.status, 200);
    page.command(Command::Start).await.expect("the other session is still valid");
}

#[tokio::test]
async fn signing_out_without_a_session_is_no_fault() {
    let server = Server::start().await;
    let reply = server.client().post("/sign-out", &[]).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/ended")));
}

#[tokio::test]
async fn a_session_from_before_signing_in_is_worth_nothing_after() {
    let server = Server::start().await;
    let client = server.client();
    let planted = "A".repeat(43);
    client.set_cookie("bedside-session", &planted);
    client.sign_in(&server.patient).await;
    let first = client.cookies();
    assert_ne!(first["bedside-session"], planted, "the server generates the token");

    let old = client.with_same_cookies();
    client.sign_in(&server.provider).await;
    assert_ne!(client.cookies(), first, "every sign-in generates a new token");
    assert_eq!(old.get("/").await.status, 303, "the old session has ended");
}

#[tokio::test]
async fn a_sign_in_ends_after_half_an_hour_unused() {
    let server = Server::start().await;
    let client = server.sign_in(&server.patient).await;
    for _ in 0..3 {
        server.clock.advance(29 * MINUTE);
        assert_eq!(client.get("/").await.status, 200, "a request extends the session");
    }
    server.clock.advance(30 * MINUTE);
    assert_eq!(client.get("/").await.location(), Some("/sign-in"));
}

#[tokio::test]
async fn a_sign_in_ends_after_twelve_hours_whatever_happens() {
    let server = Server::start().await;
    let client = server.sign_in(&server.patient).await;
    for _ in 0..35 {
        server.clock.advance(20 * MINUTE);
        assert_eq!(client.get("/").await.status, 200);
    }
    server.clock.advance(20 * MINUTE);
    assert_eq!(client.get("/").await.location(), Some("/sign-in"));
}

#[tokio::test]
async fn the_lives_of_sessions_are_the_operators_to_set() {
    let server = Server::start_with(|config| {
        config.sign_in.idle_minutes = 5;
        config.sign_in.session_hours = 1;
    })
    .await;
    let client = server.sign_in(&server.patient).await;
    server.clock.advance(5 * MINUTE);
    assert_eq!(client.get("/").await.status, 303);
}

/// The front desk's page polls every ten seconds, also after its user has gone.
#[tokio::test]
async fn automatic_requests_do_not_extend_a_session() {
    let server = Server::start().await;
    let client = server.sign_in(&server.provider).await;
    for _ in 0..6 {
        server.clock.advance(4 * MINUTE);
        let asked = client.request(reqwest::Method::GET, "/").header("bedside-automatic", "1").send().await;
        assert_eq!(asked.status, 200);
    }
    server.clock.advance(7 * MINUTE);
    let asked = client.request(reqwest::Method::GET, "/").header("bedside-automatic", "1").send().await;
    assert_eq!(asked.location(), Some("/sign-in"), "31 minutes after sign-in");
    // Requests by the user extend the session.
    client.sign_in(&server.provider).await;
    for _ in 0..3 {
        server.clock.advance(20 * MINUTE);
        assert_eq!(client.get("/").await.status, 200);
    }
    // A page that is left open before the day of the visit does not extend it either.
    let visit = server.book(When::Later).await;
    let page = Page::open(&server, &client, visit.id).await;
    server.clock.advance(31 * MINUTE);
    drop(page);
    assert_eq!(client.get("/").await.location(), Some("/sign-in"));
}

#[tokio::test]
async fn an_active_user_is_not_signed_out_by_a_short_limit() {
    let server = Server::start_with(|config| config.sign_in.idle_minutes = 1).await;
    let client = server.sign_in(&server.provider).await;
    for _ in 0..6 {
        server.clock.advance(Duration::from_secs(35));
        assert_eq!(client.get("/").await.status, 200);
    }
    server.clock.advance(MINUTE);
    assert_eq!(client.get("/").await.status, 303);
}

#[tokio::test]
async fn a_patient_links_session_lasts_until_the_join_window_closes() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.client();
    client.join_by_link(&server.link(visit.id).await).await;
    let page = format!("/video-call/patient?appointmentId={}", visit.id);
    server.clock.advance(4 * HOUR);
    assert_eq!(client.get(&page).await.status, 200, "four idle hours do not end the session");
    server.clock.advance(HOUR);
    assert_eq!(client.get(&page).await.status, 303, "the visit's time is over, so there is no session");
}

#[tokio::test]
async fn an_open_page_counts_as_use_and_a_lapsed_session_closes_it() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &client, visit.id).await;
    for _ in 0..3 {
        server.clock.advance(20 * MINUTE);
        page.command(Command::SetMedia { microphone: true, camera: true }).await.expect("still signed in");
    }
    server.clock.advance(31 * MINUTE);
    page.send_text(r#"{"type":"command","id":"late","command":{"name":"leave"}}"#).await;
    assert_eq!(page.ending().await, Ending::Code(4401));
}

#[tokio::test]
async fn a_disabled_users_open_page_closes_with_the_next_command() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &client, visit.id).await;
    server.disable(server.provider.id()).await;
    page.send_text(r#"{"type":"command","id":"a","command":{"name":"start"}}"#).await;
    assert_eq!(page.ending().await, Ending::Code(4401));
    assert_eq!(client.get("/").await.status, 303);
}

/// A clinician opens the patient's link in the browser in which they are signed in.
#[tokio::test]
async fn one_browser_can_be_both_people() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.sign_in(&server.provider).await;
    client.join_by_link(&server.link(visit.id).await).await;
    assert_eq!(client.cookies().len(), 2);

    let patient = client.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await;
    assert_eq!(patient.status, 200);
    assert!(patient.body.contains("<patient-video-call"), "{}", patient.body);
    assert!(patient.body.contains(&format!("current-user-id=\"{}\"", server.patient.id())), "{}", patient.body);
    let provider = client.get(&format!("/video-call/provider?appointmentId={}", visit.id)).await;
    assert_eq!(provider.status, 200);
    assert!(provider.body.contains("<provider-video-call"), "{}", provider.body);
    assert!(provider.body.contains(&format!("current-user-id=\"{}\"", server.provider.id())), "{}", provider.body);

    let mut ada = Page::open_as(&server, &client, visit.id, server.patient.id()).await;
    let mut grace = Page::open_as(&server, &client, visit.id, server.provider.id()).await;
    assert_eq!((ada.view.you.user, grace.view.you.user), (server.patient.id(), server.provider.id()));
    assert_eq!(ada.command(Command::Start).await, Err(Refusal::WrongRole), "`as` fixes the role of the page");
    ada.command(Command::Enter).await.expect("in");
    grace.command(Command::Start).await.expect("started");

    // `as` selects one of the browser's own identities and grants nothing.
    let path = format!("/api/appointments/{}/signalling?as={}", visit.id, server.other_provider.id());
    let stranger = Page::try_open(&server, &client, &path, Some(&server.origin)).await;
    assert_eq!(stranger.err(), Some(Refused::Ended(Ending::Code(4401))));
    client.post("/sign-out", &[]).await;
    assert_eq!((ada.ending().await, grace.ending().await), (Ending::Code(4401), Ending::Code(4401)));
}

#[tokio::test]
async fn a_cookie_of_one_kind_is_no_session_of_the_other() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.client();
    client.join_by_link(&server.link(visit.id).await).await;
    let forged = server.client();
    forged.set_cookie("bedside-session", &client.link_cookie().1);
    assert_eq!(forged.get("/").await.location(), Some("/sign-in"));
    let api = forged.get(&format!("/api/appointments/{}", visit.id)).await;
    assert_eq!((api.status, api.problem().as_str()), (401, "not-signed-in"));
}
