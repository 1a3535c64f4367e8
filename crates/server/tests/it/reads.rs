//! Who was shown what is in the audit log.

use std::time::Duration;

use bedside_visit::UserId;

use crate::support::{Server, When};

/// Who saw something of the patient's.
async fn sights(server: &Server) -> Vec<Option<UserId>> {
    let seen: Vec<_> = server.audit().await.into_iter().filter(|row| row.action == "appointment.viewed").collect();
    assert!(seen.iter().all(|row| row.subject == Some(server.patient.id())), "whose it was: {seen:?}");
    seen.into_iter().map(|row| row.actor).collect()
}

#[tokio::test]
async fn who_saw_what_is_written_down() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (grace, ada) = (server.sign_in(&server.provider).await, server.sign_in(&server.patient).await);
    let address = format!("/api/appointments/{}", visit.id);
    let (provider, patient) = (Some(server.provider.id()), Some(server.patient.id()));

    for _ in 0..3 {
        assert_eq!(grace.get(&address).await.status, 200);
    }
    assert_eq!(sights(&server).await, [provider], "once an hour for a session");
    assert_eq!(ada.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await.status, 200);
    assert_eq!(sights(&server).await, [provider, patient]);
    // From another browser it is another sight.
    assert_eq!(server.sign_in(&server.provider).await.get(&address).await.status, 200);
    assert_eq!(sights(&server).await, [provider, patient, provider]);

    // Who is refused has seen nothing.
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
