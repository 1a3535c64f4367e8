//! Failures during a visit, and how users recover from them.

use std::time::Duration;

use crate::people::{Clinic, they_meet};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_reload_in_mid_call_reconnects_automatically_and_stays_muted() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    patient.press("Mute").await;
    provider.sees("Muted").await;
    patient.reload().await;
    for window in [&patient, &provider] {
        window.stage("connected").await;
    }
    patient.until("probe.find('Unmute') !== null", "the button that shows they are still muted").await;
    patient.sees_and_hears_the_other().await;
    provider.sees("Muted").await;
    patient.press("Unmute").await;
    provider.sees_and_hears_the_other().await;

    provider.reload().await;
    they_meet(&provider, &patient).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_second_window_takes_the_seat_over() {
    let clinic = Clinic::open().await;
    let browser = clinic.profile().await;
    let first = browser.window().await;
    clinic.come_by_link(&first).await;
    first.stage("waiting").await;
    let second = browser.window().await;
    second.open(&clinic.page_of("patient")).await;
    second.stage("waiting").await;
    first.sees("This visit is open in another window or on another device.").await;
    first.press("Use it here").await;
    first.stage("waiting").await;
    second.sees("This visit is open in another window or on another device.").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn leaving_and_coming_back() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    patient.press("Leave").await;
    patient.stage("left").await;
    provider.stage("alone").await;
    patient.press("Rejoin").await;
    they_meet(&patient, &provider).await;
    patient.press("Leave").await;
    patient.stage("left").await;
    patient.press("Close").await;
    patient.sees("You can close this window now.").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_blocked_camera_is_explained_and_the_visit_goes_on_without() {
    let clinic = Clinic::in_whole_browser(|_| {}).await;
    let browser = clinic.chromium.bare_profile(&clinic.server.origin).await;
    browser.deny_devices().await;
    let patient = browser.window().await;
    clinic.come_by_link(&patient).await;
    patient.sees("blocking").await;
    patient.sees("Try again").await;
    let provider = clinic.provider().await;
    provider.sees("Camera blocked or missing").await;
    patient.press("Continue without camera and microphone").await;
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    patient.stage("connected").await;
    patient.sees_and_hears_the_other().await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn an_unanswered_call_asks_what_to_do() {
    let clinic = Clinic::with(|config| config.visits.ring_seconds = 1).await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    provider.stage("unanswered").await;
    provider.press("Keep waiting").await;
    provider.stage("calling").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn the_program_restarts_and_the_call_goes_on() {
    let mut clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call().await;
    clinic.server = clinic.server.restart().await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn signing_out_in_mid_call_ends_the_page_at_once() {
    let clinic = Clinic::open().await;
    let browser = clinic.profile().await;
    let provider = browser.window().await;
    provider.open(&clinic.page_of("provider")).await;
    crate::people::sign_in(&provider, &clinic.server.provider).await;
    provider.stage("idle").await;
    let patient = clinic.patient().await;
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    patient.stage("connected").await;

    let desk = browser.window().await;
    desk.open("/").await;
    desk.press("Sign out").await;
    desk.sees("Sign in").await;
    provider.sees("You're not signed in any more.").await;
    patient.stage("reconnecting").await;
    let before = patient.received().await.frames_decoded;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = patient.received().await.frames_decoded;
    assert!(after - before < 5.0, "no media of a user who signed out is forwarded: {before} → {after}");
    clinic.close().await;
}

/// Messages, consents and muted devices are restored after a restart of the program.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_restart_in_mid_call_reconnects_automatically_and_keeps_all_state() {
    let terms = "I agree to be seen by video.";
    let mut clinic = Clinic::with(|config| config.visits.consent_text = Some(terms.into())).await;
    let (patient, provider) = clinic.both_waiting().await;
    provider.sees("Has not agreed to the clinic's terms yet").await;
    patient.press("I agree").await;
    patient.sees("You agreed to the clinic's terms at").await;
    provider.sees("Agreed to the clinic's terms at").await;
    provider.press("Messages").await;
    provider.write("I am with you in two minutes").await;
    provider.press("Send").await;
    provider.press("Close").await;
    patient.sees("I am with you in two minutes").await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    patient.press("Mute").await;
    provider.sees("Muted").await;
    provider.press("Stop camera").await;
    patient.sees("camera is off").await;

    clinic.server = clinic.server.restart().await;
    for window in [&patient, &provider] {
        window.until("probe.call()?.dataset.transport === 'open'", "the reconnected WebSocket").await;
        window.stage("connected").await;
    }
    provider.until("(await probe.received()).framesDecoded > 5", "the patient's video").await;
    provider.sees("Muted").await;
    provider.sees("Agreed to the clinic's terms at").await;
    patient.sees("camera is off").await;
    patient.until("probe.find('Unmute') !== null", "the button that shows they are still muted").await;
    patient.press("More").await;
    patient.press("Messages").await;
    patient.sees("I am with you in two minutes").await;
    patient.write("Thank you").await;
    patient.press("Send").await;
    provider.sees("Thank you").await;
    assert_eq!(clinic.server.audit().await.iter().filter(|row| row.action == "visit.entered").count(), 2);
    clinic.close().await;
}
