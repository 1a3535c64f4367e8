//! Views of personal data are in the audit log.

use std::time::Duration;

use bedside_visit::UserId;
use bedside_visit::permission::ClinicRole;

use crate::support::{Page, Server, When, soon};

/// Returns the users who viewed the patient's data.
async fn sights(server: &Server) -> Vec<Option<UserId>> {
    let seen: Vec<_> = server.audit().await.into_iter().filter(|row| row.action == "appointment.viewed").collect();
    assert!(seen.iter().all(|row| row.subject == Some(server.patient.id())), "the log names the patient: {seen:?}");
    seen.into_iter().map(|row| row.actor).collect()
}

#[tokio::test]
async fn views_of_personal_data_are_logged() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (grace, ada) = (server.sign_in(&server.provider).await, server.sign_in(&server.patient).await);
    let address = format!("/api/appointments/{}", visit.id);
    let (provider, patient) = (Some(server.provider.id()), Some(server.patient.id()));

    for _ in 0..3 {
        assert_eq!(grace.get(&address).await.status, 200);
    }
    assert_eq!(sights(&server).await, [provider], "once an hour per session");
    assert_eq!(ada.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await.status, 200);
    assert_eq!(sights(&server).await, [provider, patient]);
    // A view in another session is logged separately.
    assert_eq!(server.sign_in(&server.provider).await.get(&address).await.status, 200);
    assert_eq!(sights(&server).await, [provider, patient, provider]);

    // A refused request shows nothing.
    assert_eq!(server.sign_in(&server.other_provider).await.get(&address).await.status, 404);
    assert_eq!(sights(&server).await.len(), 3);
    server.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(grace.get(&address).await.status, 200);
    server.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(grace.get(&address).await.status, 200);
    server.clock.advance(Duration::from_secs(21 * 60));
    assert_eq!(grace.get(&address).await.status, 200);
    assert_eq!(sights(&server).await, [provider, patient, provider, provider]);
}

/// The WebSocket alone shows the whole visit with its messages.
#[tokio::test]
async fn opening_the_websocket_without_its_page_is_logged() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (observer, client) = server.companion(visit.id, "Olga", "observer").await;
    let _page = Page::open(&server, &client, visit.id).await;
    soon("an audit line", async {
        while !sights(&server).await.contains(&Some(observer)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let _again = Page::open(&server, &client, visit.id).await;
    server.stop().await;
}

#[tokio::test]
async fn views_of_the_list_of_people_are_logged() {
    let server = Server::start().await;
    let dorothy = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Admin).await;
    let desk = server.sign_in(&dorothy).await;
    let looked = async || {
        let log = server.audit().await.into_iter().filter(|row| row.action == "people.viewed");
        log.map(|row| row.actor).collect::<Vec<_>>()
    };
    for path in ["/people", "/book", "/api/people", "/people"] {
        assert_eq!(desk.get(path).await.status, 200, "{path}");
    }
    assert_eq!(looked().await, [Some(dorothy.id())], "once an hour per session");
    let ada = server.sign_in(&server.patient).await;
    assert_eq!(ada.get("/people").await.status, 403);
    assert_eq!(looked().await.len(), 1, "a refused request shows nothing");
    server.clock.advance(Duration::from_secs(61 * 60));
    assert_eq!(server.sign_in(&dorothy).await.get("/api/people").await.status, 200);
    assert_eq!(looked().await.len(), 2);
}
