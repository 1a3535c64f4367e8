//! Nobody gets in who does not belong.

use crate::people::{Clinic, sign_in};
use crate::support::When;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_stranger_finds_every_door_closed() {
    let clinic = Clinic::open().await;
    let id = clinic.appointment.id;
    let stranger = clinic.profile().await.window().await;
    stranger.open(&format!("/appointment/{id}")).await;
    sign_in(&stranger, &clinic.server.other_patient).await;
    stranger.sees("Not found").await;
    for page in [clinic.page_of("patient"), clinic.page_of("provider"), format!("/appointment/{id}")] {
        stranger.open(&page).await;
        stranger.sees("Not found").await;
        assert!(!stranger.eval::<bool>("probe.call() !== null").await);
    }
    let status: u16 = stranger.eval(&format!("(await fetch('/api/appointments/{id}')).status")).await;
    assert_eq!(status, 404);
    let closed: u16 = stranger
        .eval(&format!(
            "await new Promise((done) => {{ const socket = new WebSocket(`ws://${{location.host}}/api/appointments/{id}/signalling`); \
             socket.onmessage = () => done(1); socket.onclose = (event) => done(event.code); }})"
        ))
        .await;
    assert_eq!(closed, 4403);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn everyone_is_sent_to_their_own_page() {
    let clinic = Clinic::open().await;
    let provider = clinic.provider().await;
    provider.open(&clinic.page_of("patient")).await;
    provider.sees("This page is for the patient of this visit").await;
    provider.press("Go to your page").await;
    provider.stage("idle").await;
    provider.open("/video-call/provider").await;
    provider.sees("No appointment ID provided").await;

    // A link that was used belongs to the browser that used it.
    let link = clinic.server.link(clinic.appointment.id).await;
    let patient = clinic.profile().await.window().await;
    patient.open(&link).await;
    patient.press("Join visit").await;
    patient.stage("waiting").await;
    let other = clinic.profile().await.window().await;
    other.open(&link).await;
    other.sees("This link was opened on another device").await;
    patient.open(&link).await;
    patient.press("Join visit").await;
    patient.stage("waiting").await;

    let later = clinic.server.book(When::Later).await;
    other.open(&clinic.server.link(later.id).await).await;
    other.sees("You're early.").await;
    clinic.close().await;
}
