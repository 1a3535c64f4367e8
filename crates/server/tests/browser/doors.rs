//! Access control as users see it: unauthorized users cannot join a visit.

use serde_json::json;

use crate::people::{Clinic, sign_in};
use crate::support::When;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn strangers_have_no_access() {
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

    // A used link belongs to the browser that used it.
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

/// A second press while the response to the first is pending, so that the browser drops that response.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_link_that_is_pressed_twice_on_a_slow_network_leads_in() {
    let clinic = Clinic::open().await;
    let patient = clinic.profile().await.window().await;
    patient.open(&clinic.server.link(clinic.appointment.id).await).await;
    patient.until("probe.find('Join visit') !== null", "the button").await;
    patient.command("Network.enable", json!({})).await;
    let slow = json!({ "offline": false, "latency": 300, "downloadThroughput": -1, "uploadThroughput": -1 });
    patient.command("Network.emulateNetworkConditions", slow).await;
    let twice =
        "const form = document.querySelector('[data-join]'); form.submit(); setTimeout(() => form.submit(), 60);";
    patient.eval::<serde_json::Value>(&format!("(() => {{ {twice} return null; }})()")).await;
    patient.stage("waiting").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_browser_that_cannot_run_the_scripts_is_told_and_uses_nothing() {
    let clinic = Clinic::open().await;
    let link = clinic.server.link(clinic.appointment.id).await;
    // Blocks the call's script alone, then all scripts.
    for blocked in ["*/assets/visit-*", "*.js"] {
        let patient = clinic.profile().await.window().await;
        patient.command("Network.enable", json!({})).await;
        patient.command("Network.setBlockedURLs", json!({ "urls": [blocked] })).await;
        patient.open(&link).await;
        let told = "getComputedStyle(document.querySelector('[data-join-slow]')).visibility === 'visible'";
        patient.until(told, "what to do instead").await;
        patient.sees("This takes longer than it should").await;
        assert!(!patient.eval::<bool>("probe.text().includes('Join visit')").await, "{blocked}");
    }
    let used = clinic.server.audit().await.into_iter().filter(|row| row.action == "invite.used").count();
    assert_eq!(used, 0);
    // The script fails in the waiting room.
    let patient = clinic.profile().await.window().await;
    patient.open(&link).await;
    patient.press("Join visit").await;
    patient.stage("waiting").await;
    patient.command("Network.enable", json!({})).await;
    patient.command("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
    patient.command("Network.setBlockedURLs", json!({ "urls": ["*.js"] })).await;
    patient.reload().await;
    patient.until("getComputedStyle(document.querySelector('.slow')).visibility === 'visible'", "what to do").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_waiting_patient_is_told_that_the_visit_was_cancelled() {
    let clinic = Clinic::open().await;
    let (patient, provider) = (clinic.patient().await, clinic.provider().await);
    patient.stage("waiting").await;
    provider.stage("idle").await;
    clinic.server.cancel(clinic.appointment.id).await;
    for window in [&patient, &provider] {
        window.stage("ended").await;
        window.sees("This appointment was cancelled.").await;
    }
    assert!(!provider.eval::<bool>("probe.text().includes('Start')").await);
    patient.reload().await;
    patient.sees("This appointment was cancelled").await;
    clinic.close().await;
}
