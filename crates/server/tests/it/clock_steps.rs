//! The system clock of a running server is stepped, as when a suspended machine wakes up or NTP first sets the time.

use std::time::Duration;

use bedside_visit::signalling::Command;
use reqwest::Method;

use crate::room::{Room, connected};
use crate::support::{PASSWORD, Page, Server, When};

const STEPS: [Duration; 2] = [Duration::from_mins(31), Duration::from_hours(24)];

#[tokio::test]
async fn a_step_of_the_system_clock_ends_no_visit_session_or_link() {
    for by in STEPS {
        let server = Server::start().await.restart_with_steady_clock().await;
        let later = server.book(When::Now).await;
        let unused = server.link(later.id).await;
        let (room, mut patient, mut provider) = Room::connected_at(server).await;
        let (guest, client) = room.server.companion(room.visit.id, "Gus", "guest").await;
        let mut page = Page::open(&room.server, &client, room.visit.id).await;

        room.server.clock.step(by, true);
        // Once a revoked guest is disconnected, the check for revoked permissions has run with the wrong time.
        let links = format!("/api/appointments/{}/invites/{guest}", room.visit.id);
        assert_eq!(room.grace.request(Method::DELETE, &links).send().await.status, 200, "{by:?}: the session is valid");
        page.ending().await;
        let hasty = room.server.client();
        for _ in 0..11 {
            hasty.try_sign_in("ada@example.org", "wrong").await;
        }
        let told = hasty.try_sign_in("ada@example.org", "wrong").await.body;
        assert!(told.contains("Wait ") && !told.contains("Wait 1441 minutes"), "{by:?}: {told}");
        let fresh = room.server.client();
        fresh.join_by_link(&unused).await;
        room.server.clock.step(by, false);

        for page in [&mut patient, &mut provider] {
            let text = "Still here".to_owned().try_into().expect("a text");
            page.command(Command::Say { text }).await.expect("the page is connected and may write");
        }
        assert!(connected(patient.until("connected", connected).await));
        assert_eq!(room.grace.get("/").await.status, 200, "{by:?}: the provider is signed in");
        Page::open(&room.server, &room.ada, room.visit.id).await;
        Page::open(&room.server, &fresh, later.id).await;
        let provider = room.server.client();
        assert_eq!(provider.try_sign_in("grace@example.org", PASSWORD).await.status, 303);
    }
}
