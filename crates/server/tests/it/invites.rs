//! Patient links: opening one has no effect, and each is used once and for one visit.

use std::time::Duration;

use crate::support::{Client, Page, Reply, Server, When};

async fn link_path(server: &Server, when: When) -> (bedside_visit::Appointment, String) {
    let visit = server.book(when).await;
    let path = server.link(visit.id).await.replace(&server.origin, "");
    (visit, path)
}

/// Returns whether the response leads to the participant's page.
fn is_let_in(reply: &Reply) -> bool {
    reply.status == 303 && reply.location().is_some_and(|to| !to.starts_with("/v/"))
}

fn assert_page(reply: &Reply, status: u16, words: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert!(reply.is_page() && reply.body.contains(words), "{words}: {}", reply.body);
}

/// Returns whether the audit log has exactly one more line than `before`, with this action: a link's page was shown.
async fn is_all_that_followed(server: &Server, before: usize, action: &str) -> bool {
    let lines = server.audit().await.split_off(before);
    lines.len() == 1 && lines[0].action == action
}

#[tokio::test]
async fn opening_a_link_changes_nothing() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let before = server.audit().await;
    let scanner = server.client();
    for _ in 0..2 {
        let page = scanner.get(&path).await;
        assert_page(&page, 200, "Join visit");
        for shown in ["Ada Lovelace", "Dr. Grace Hopper", "Family medicine", "<bdi>Follow-up</bdi>, 30 minutes"] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        assert!(!page.body.contains("Blood pressure"), "the page of a link does not show the reason");
    }
    let head = scanner.request(reqwest::Method::HEAD, &path).send().await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let written = server.audit().await.split_off(before.len());
    assert_eq!(written.len(), 1, "{written:?}");
    let (action, detail) = (written[0].action.as_str(), written[0].detail.as_deref());
    assert_eq!((action, detail, written[0].actor), ("appointment.viewed", Some("link"), None));
    for client in [scanner, server.client()] {
        assert_eq!(
            client.get(&format!("/appointment/{}", visit.id)).await.status,
            303,
            "opening the link does not sign in"
        );
    }
}

#[tokio::test]
async fn joining_uses_the_link_and_leads_to_the_waiting_room() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let client = server.client();
    let joined = client.open_and_press(&path).await;
    let room = format!("/video-call/patient?appointmentId={}", visit.id);
    assert_eq!((joined.status, joined.location()), (303, Some(room.as_str())));
    assert_page(&client.get(&room).await, 200, "<patient-video-call");
    Page::open(&server, &client, visit.id).await;
    let used: Vec<_> = server.audit().await.into_iter().filter(|row| row.action == "invite.used").collect();
    assert_eq!(used.len(), 1);
    assert_eq!((used[0].actor, used[0].appointment), (Some(server.patient.id()), Some(visit.id)));
}

#[tokio::test]
async fn a_used_link_goes_on_in_its_browser_and_nowhere_else() {
    let server = Server::start().await;
    let (_, path) = link_path(&server, When::Now).await;
    let (first, second) = (server.client(), server.client());
    first.open_and_press(&path).await;
    let cookies = first.cookies();

    assert_page(&first.get(&path).await, 200, "Join visit");
    assert_eq!(first.post(&path, &[]).await.status, 303);
    assert_eq!(first.cookies(), cookies, "the session is unchanged");
    let reply = second.get(&path).await;
    assert_page(&reply, 200, "This link was opened on another device");
    assert!(!reply.body.contains("Ada Lovelace"), "the page shows no patient data");
    assert_ne!(second.link_cookie(), first.link_cookie());
}

#[tokio::test]
async fn of_two_browsers_that_join_at_once_one_gets_in() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let replies = futures_util::future::join_all(clients.iter().map(|client| client.open_and_press(&path))).await;
    // The second browser may ask to be admitted, but is not in.
    let to = |reply: &&Reply| reply.location().is_some_and(|to| to.starts_with("/video-call/"));
    assert_eq!(replies.iter().filter(to).count(), 1);
    let mut inside = 0;
    for client in &clients {
        inside += u32::from(client.get(&format!("/api/appointments/{}", visit.id)).await.status == 200);
    }
    assert_eq!(inside, 1);
    assert_eq!(server.audit().await.iter().filter(|row| row.action == "invite.used").count(), 1);
}

#[tokio::test]
async fn a_link_opened_early_says_when_to_return() {
    let server = Server::start().await;
    let (_, path) = link_path(&server, When::Later).await;
    let client = server.client();
    let page = client.get(&path).await;
    assert_page(&page, 200, "The waiting room opens on <time datetime=");
    assert!(!page.body.contains("Join visit"));
    assert_page(&client.post(&path, &[]).await, 403, "It is a little early");
    assert!(client.cookies().is_empty());
    server.clock.advance(Duration::from_secs(2 * 3600));
    assert_page(&client.get(&path).await, 200, "Join visit");
    assert!(is_let_in(&client.post(&path, &[]).await), "a try that was too early did not use the link");
}

#[tokio::test]
async fn inside_another_app_the_way_to_a_browser_is_shown_before_anything_is_used() {
    let server = Server::start().await;
    let (_, path) = link_path(&server, When::Now).await;
    let before = server.audit().await;
    let app = server.client();
    let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/480.0]";
    let page = app.request(reqwest::Method::GET, &path).header("user-agent", agent).send().await;
    assert_page(&page, 200, "Open this link in Safari");
    for shown in ["inside Facebook", "Join here anyway", "Your link still works. Open it in"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(page.body.contains(&format!("href=\"x-safari-{}{path}\"", server.origin)), "{}", page.body);
    assert!(is_all_that_followed(&server, before.len(), "appointment.viewed").await);
    // The same link in Safari.
    let safari = server.client();
    assert_page(&safari.get(&path).await, 200, "Join visit");
    assert!(is_let_in(&safari.post(&path, &[]).await));
}

#[tokio::test]
async fn a_late_or_cancelled_link_says_so() {
    let server = Server::start().await;
    let (_, late) = link_path(&server, When::Earlier).await;
    for reply in [server.client().get(&late).await, server.client().post(&late, &[]).await] {
        assert_page(&reply, 403, "The time for this visit has passed");
    }
    // The patient has joined before the cancellation.
    let (visit, path) = link_path(&server, When::Now).await;
    let client = server.client();
    client.open_and_press(&path).await;
    server.cancel(visit.id).await;
    for reply in [client.get(&path).await, client.post(&path, &[]).await] {
        assert_page(&reply, 403, "This appointment was cancelled");
    }
}

/// A patient who got the link before the cancellation should read what happened, not "Not found".
#[tokio::test]
async fn an_unused_link_of_a_cancelled_appointment_is_no_way_in() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    server.cancel(visit.id).await;
    let client = server.client();
    for reply in [client.get(&path).await, client.post(&path, &[]).await] {
        assert_page(&reply, 403, "This appointment was cancelled");
    }
    assert!(client.cookies().is_empty());
}

#[tokio::test]
async fn a_new_link_replaces_the_unused_one_and_spares_the_used_one() {
    let server = Server::start().await;
    let (visit, first) = link_path(&server, When::Now).await;
    let second = server.link(visit.id).await.replace(&server.origin, "");
    assert_page(&server.client().get(&first).await, 404, "Not found");
    let client = server.client();
    assert!(is_let_in(&client.open_and_press(&second).await));
    let third = server.link(visit.id).await.replace(&server.origin, "");
    assert_page(&client.get(&second).await, 200, "Join visit");
    assert!(is_let_in(&server.client().open_and_press(&third).await), "a new link also works for a lost phone");
}

#[tokio::test]
async fn a_link_is_good_for_its_visit_and_nothing_else() {
    let server = Server::start().await;
    let (_, path) = link_path(&server, When::Now).await;
    // Another visit of the same two users.
    let other = server.book(When::Now).await;
    let client = server.client();
    client.open_and_press(&path).await;
    assert_page(&client.get(&format!("/appointment/{}", other.id)).await, 404, "Not found");
    assert_eq!(client.get(&format!("/api/appointments/{}", other.id)).await.problem(), "not-found");
}

#[tokio::test]
async fn links_that_were_never_made_are_not_found() {
    let server = Server::start().await;
    let client = server.client();
    for token in ["x", &"A".repeat(43), &"A".repeat(44), "%00", "..%2f", &"é".repeat(21)] {
        let path = format!("/v/{token}");
        assert_page(&client.get(&path).await, 404, "Not found");
        assert_page(&client.post(&path, &[]).await, 404, "Not found");
    }
}

/// A double click, a reload or a lost response: all requests come from one browser.
#[tokio::test]
async fn what_one_browser_does_again_never_locks_it_out() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let client = server.client();
    client.get(&path).await;
    // The browser's cookies before any response to its clicks has arrived.
    let clicks: Vec<Client> = (0..4).map(|_| client.with_same_cookies()).collect();
    let replies = futures_util::future::join_all(clicks.iter().map(|client| client.post(&path, &[]))).await;
    assert!(replies.iter().all(is_let_in), "{replies:?}");
    let room = format!("/video-call/patient?appointmentId={}", visit.id);
    assert_page(&client.get(&room).await, 200, "<patient-video-call");
    assert!(is_let_in(&client.post(&path, &[]).await), "it also works later");
    assert_page(&client.get(&path).await, 200, "Join visit");
    assert_eq!(server.audit().await.iter().filter(|row| row.action == "invite.used").count(), 1);
    assert_page(&server.client().get(&path).await, 200, "This link was opened on another device");
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookies_uses_nothing_and_is_told_so() {
    let server = Server::start().await;
    let (_, path) = link_path(&server, When::Now).await;
    let before = server.audit().await;
    for _ in 0..2 {
        let pressed = server.client().post(&path, &[]).await;
        assert_eq!(pressed.location(), Some(format!("{path}?again=true").as_str()));
        let told = server.client().get(&format!("{path}?again=true")).await;
        assert_page(&told, 200, "This browser does not keep cookies");
    }
    assert!(is_all_that_followed(&server, before.len(), "appointment.viewed").await);
    // A browser that had only lost the cookie tries again.
    let client = server.client();
    let again = client.post(&path, &[]).await.location().expect("a redirect").to_owned();
    let shown = client.get(&again).await;
    assert!(shown.body.contains("Join visit") && !shown.body.contains("does not keep cookies"), "{}", shown.body);
    assert!(is_let_in(&client.post(&path, &[]).await));
}

/// Phones close browsers without asking, so the cookie that binds a link lasts as long as the visit can last.
#[tokio::test]
async fn a_browser_that_was_closed_is_still_the_one_that_used_the_link() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let client = server.client();
    let shown = client.get(&path).await;
    let age = shown.header("set-cookie").and_then(|cookie| cookie.split("Max-Age=").nth(1)).expect("an age");
    let age: u64 = age.split(';').next().expect("a number").parse().expect("a number");
    let now = bedside_visit::Clock::now(&*server.clock);
    let left = visit.closes(&server.config.rules()).since(now).as_secs();
    assert!(age <= left && left - age < 60, "{age} of {left}");
    assert!(is_let_in(&client.post(&path, &[]).await));
    server.clock.advance(Duration::from_secs(left - 60));
    assert!(is_let_in(&client.post(&path, &[]).await));
}

#[tokio::test]
async fn two_visits_of_one_day_are_open_in_one_browser() {
    let server = Server::start().await;
    let (morning, first) = link_path(&server, When::Now).await;
    let (afternoon, second) = link_path(&server, When::Now).await;
    let client = server.client();
    for path in [&first, &second] {
        assert!(is_let_in(&client.open_and_press(path).await));
    }
    let rooms = [&morning, &afternoon].map(|visit| format!("/video-call/patient?appointmentId={}", visit.id));
    let home = client.get("/").await;
    assert_page(&home, 200, "Your visits");
    let ended = client.get("/ended").await;
    for room in &rooms {
        assert_page(&client.get(room).await, 200, "<patient-video-call");
        for page in [&home, &ended] {
            assert!(page.body.contains(&room.replace('&', "&#38;")), "{room}: {}", page.body);
        }
    }
    for path in [&first, &second] {
        assert!(is_let_in(&client.post(path, &[]).await), "{path}");
    }
    // Asking to join one visit does not affect the other.
    let (third, path) = link_path(&server, When::Now).await;
    server.client().open_and_press(&path).await;
    assert_eq!(client.open_and_press(&path).await.location(), Some(path.as_str()));
    assert_page(&client.get(&path).await, 200, "We have asked your provider");
    assert_eq!(client.get(&format!("/api/appointments/{}", third.id)).await.status, 404);
    for room in &rooms {
        assert_page(&client.get(room).await, 200, "<patient-video-call");
    }
    // Signing out forgets all of them.
    assert_eq!(client.post("/sign-out", &[]).await.location(), Some("/ended"));
    assert!(client.cookies().is_empty(), "{:?}", client.cookies());
    assert_eq!(client.get(&rooms[0]).await.status, 303);
}

/// A patient and a companion share one computer.
#[tokio::test]
async fn two_people_of_one_visit_have_a_page_each_in_one_browser() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let (guest, link) = server.companion_link(visit.id, "George", "guest").await;
    let client = server.client();
    client.open_and_press(&path).await;
    let joined = client.open_and_press(&link.replace(&server.origin, "")).await;
    let page = client.get(joined.location().expect("let in")).await;
    assert_page(&page, 200, &format!("current-user-id=\"{guest}\""));
    let room = client.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await;
    assert_page(&room, 200, &format!("current-user-id=\"{}\"", server.patient.id()));
}

#[tokio::test]
async fn a_browser_keeps_no_more_links_than_it_can_carry() {
    let server = Server::start().await;
    let client = server.client();
    for _ in 0..18 {
        let (_, path) = link_path(&server, When::Now).await;
        client.get(&path).await;
    }
    assert_eq!(client.cookies().len(), 16);
}

/// The link's page offers to join only after its script has found that the browser supports video visits.
#[tokio::test]
async fn without_a_script_that_runs_a_link_is_not_used() {
    let server = Server::start().await;
    let (visit, path) = link_path(&server, When::Now).await;
    let client = server.client();
    let page = client.get(&path).await;
    let form = page.body.split("<form method=\"post\" data-join").nth(1).and_then(|rest| rest.split('>').next());
    assert!(
        form.is_some_and(|form| form.contains("data-script=\"/assets/visit") && form.ends_with("hidden")),
        "{form:?}"
    );
    assert_page(&page, 200, "This takes longer than it should");
    client.post(&path, &[]).await;
    let room = client.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await;
    assert_page(&room, 200, "This takes longer than it should");
}
