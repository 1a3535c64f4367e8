//! A used link is opened on another device: the provider or the front desk admits the device.

use std::time::Duration;

use bedside_visit::Appointment;
use bedside_visit::signalling::Command;
use serde_json::json;

use crate::support::{Client, Ending, Page, Reply, Server, When};

struct Scene {
    server: Server,
    visit: Appointment,
    path: String,
    first: Client,
    second: Client,
}

impl Scene {
    /// Creates a patient who has joined on one device and holds another.
    async fn new() -> Self {
        let server = Server::start().await;
        let visit = server.book(When::Now).await;
        let link = server.link(visit.id).await;
        let (first, second) = (server.client(), server.client());
        first.join_by_link(&link).await;
        let path = link.replace(&server.origin, "");
        Self { server, visit, path, first, second }
    }

    async fn answer(&self, by: &Client, admission: &str, admit: bool) -> Reply {
        let path = format!("/api/appointments/{}/admissions/{admission}", self.visit.id);
        by.post_json(&path, &json!({ "admit": admit })).await
    }

    async fn sees(&self, client: &Client) -> u16 {
        client.get(&format!("/api/appointments/{}", self.visit.id)).await.status
    }

    async fn actions(&self) -> Vec<String> {
        let log = self.server.audit().await.into_iter().map(|row| row.action);
        log.filter(|action| action.starts_with("admission.")).collect()
    }
}

#[tokio::test]
async fn the_provider_lets_another_device_in_and_the_first_is_out() {
    let scene = Scene::new().await;
    let mut old = Page::open(&scene.server, &scene.first, scene.visit.id).await;
    old.command(Command::Enter).await.expect("in");
    let grace = scene.server.sign_in(&scene.server.provider).await;
    let mut provider = Page::open(&scene.server, &grace, scene.visit.id).await;

    let offered = scene.second.get(&scene.path).await;
    assert!(offered.status == 200 && offered.body.contains("Ask to join here"), "{}", offered.body);
    assert!(!offered.body.contains("Ada"), "the page does not reveal whose link it is");
    let asked = scene.second.request(reqwest::Method::POST, &scene.path);
    let asked = asked.header("user-agent", "Mozilla/5.0 (iPhone) Safari/605").send().await;
    assert_eq!(asked.location(), Some(scene.path.as_str()));
    let asking = provider.until_asking(1).await.to_vec();
    assert_eq!((asking[0].user, asking[0].device.as_deref()), (scene.server.patient.id(), Some("Safari on iPhone")));
    let waits = scene.second.get(&scene.path).await;
    assert!(waits.body.contains("We have asked your provider") && !waits.body.contains("Ada"), "{}", waits.body);
    assert_eq!(scene.sees(&scene.second).await, 401, "asking does not grant access");
    assert_eq!(scene.second.post(&scene.path, &[]).await.status, 303, "asking again changes nothing");
    assert!(grace.get("/").await.body.contains("Asks to use another device"));

    assert_eq!(scene.answer(&grace, &asking[0].id.to_string(), true).await.status, 200);
    provider.until_asking(0).await;
    assert!(matches!(old.ending().await, Ending::Code(4401)), "the first device is disconnected");
    assert_eq!(scene.sees(&scene.first).await, 401);
    let room = format!("/video-call/patient?appointmentId={}", scene.visit.id);
    assert_eq!(scene.second.get(&scene.path).await.location(), Some(room.as_str()));
    let new = Page::open(&scene.server, &scene.second, scene.visit.id).await;
    assert_eq!(new.view.you.user, scene.server.patient.id());
    assert_eq!(scene.answer(&grace, &asking[0].id.to_string(), true).await.status, 404, "once");
    assert_eq!(scene.actions().await, ["admission.asked", "admission.given"]);
}

#[tokio::test]
async fn a_refused_device_has_no_access() {
    let scene = Scene::new().await;
    let grace = scene.server.sign_in(&scene.server.provider).await;
    scene.second.open_and_press(&scene.path).await;
    let mut provider = Page::open(&scene.server, &grace, scene.visit.id).await;
    let id = provider.until_asking(1).await[0].id.to_string();
    assert_eq!(
        scene.answer(&scene.first, &id, true).await.status,
        403,
        "the holder of the link cannot admit the device"
    );
    assert_eq!(scene.answer(&grace, &id, false).await.status, 200);
    let refused = scene.second.get(&scene.path).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("This link was opened on another device"), "{}", refused.body);
    assert_eq!((scene.sees(&scene.first).await, scene.sees(&scene.second).await), (200, 401));
    assert_eq!(scene.actions().await, ["admission.asked", "admission.refused"]);
}

#[tokio::test]
async fn asking_ends_after_ten_minutes_and_is_no_flood() {
    let scene = Scene::new().await;
    scene.second.open_and_press(&scene.path).await;
    for expected in [303, 303, 429] {
        assert_eq!(scene.server.client().open_and_press(&scene.path).await.status, expected);
    }
    scene.server.clock.advance(Duration::from_secs(601));
    let again = scene.second.get(&scene.path).await;
    assert!(again.body.contains("Ask to join here"), "{}", again.body);
    let grace = scene.server.sign_in(&scene.server.provider).await;
    assert!(!grace.get("/").await.body.contains("Asks to use another device"));
    assert_eq!(scene.second.post(&scene.path, &[]).await.status, 303);
    assert!(grace.get("/").await.body.contains("Asks to use another device"));
}

/// A second click or a reload does not ask twice.
#[tokio::test]
async fn a_browser_that_asks_twice_has_asked_once() {
    let scene = Scene::new().await;
    scene.second.get(&scene.path).await;
    let clicks: Vec<Client> = (0..3).map(|_| scene.second.with_same_cookies()).collect();
    let replies = futures_util::future::join_all(clicks.iter().map(|client| client.post(&scene.path, &[]))).await;
    assert!(replies.iter().all(|reply| reply.location() == Some(scene.path.as_str())), "{replies:?}");
    assert_eq!(scene.actions().await, ["admission.asked"]);
    assert!(scene.second.get(&scene.path).await.body.contains("We have asked your provider"));
}

/// A browser that was replaced by another device keeps no access: it has to ask like any other.
#[tokio::test]
async fn cookies_of_a_replaced_browser_are_not_accepted() {
    let scene = Scene::new().await;
    let stolen = scene.first.with_same_cookies();
    let grace = scene.server.sign_in(&scene.server.provider).await;
    let mut provider = Page::open(&scene.server, &grace, scene.visit.id).await;
    for asks in [&scene.second, &scene.first] {
        asks.open_and_press(&scene.path).await;
        let id = provider.until_asking(1).await[0].id.to_string();
        assert_eq!(scene.answer(&grace, &id, true).await.status, 200);
        provider.until_asking(0).await;
        assert_eq!(scene.sees(asks).await, 200);
    }
    assert_eq!(scene.sees(&stolen).await, 401);
}

#[tokio::test]
async fn the_front_desk_answers_too() {
    let scene = Scene::new().await;
    let role = bedside_visit::permission::ClinicRole::Staff;
    let dorothy = scene.server.add_clerk("Dorothy Vaughan", "dorothy@example.org", role).await;
    let desk = scene.server.sign_in(&dorothy).await;
    scene.second.open_and_press(&scene.path).await;
    assert!(desk.get("/desk").await.body.contains("Asks to use another device"));
    let booking = format!("/booking/{}", scene.visit.id);
    let page = desk.get(&booking).await.body;
    let id = page.split("name=\"admission\" value=\"").nth(1).expect("a question").split('"').next().expect("an id");
    let answered = desk.post(&format!("{booking}/admissions"), &[("admission", id), ("admit", "true")]).await;
    assert_eq!(answered.location(), Some(booking.as_str()));
    assert_eq!((scene.sees(&scene.first).await, scene.sees(&scene.second).await), (401, 200));
}

#[tokio::test]
async fn a_link_that_was_taken_away_is_not_asked_for() {
    let scene = Scene::new().await;
    let grace = scene.server.sign_in(&scene.server.provider).await;
    scene.second.open_and_press(&scene.path).await;
    let mut provider = Page::open(&scene.server, &grace, scene.visit.id).await;
    let id = provider.until_asking(1).await[0].id.to_string();
    let gone = format!("/api/appointments/{}/invites/{}", scene.visit.id, scene.server.patient.id());
    assert_eq!(grace.request(reqwest::Method::DELETE, &gone).send().await.status, 200);
    assert_eq!(scene.answer(&grace, &id, true).await.status, 404);
    assert_eq!(scene.sees(&scene.second).await, 401);
    assert_eq!(scene.server.client().post(&scene.path, &[]).await.status, 403);
}
