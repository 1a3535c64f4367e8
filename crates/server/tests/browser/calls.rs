//! Embedded calls, from link to end.

use bedside::config::TlsConfig;
use bedside_visit::AppointmentStatus;

use crate::people::{Clinic, sign_in, they_meet};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_waiting_patient_is_answered_and_both_see_and_hear_each_other() {
    let clinic = Clinic::in_whole_browser(|_| {}).await;
    let patient = clinic.patient().await;
    patient.sees("You're in the waiting room.").await;
    patient.stage("waiting").await;

    let provider = clinic.profile().await.window().await;
    provider.open("/").await;
    sign_in(&provider, &clinic.server.provider).await;
    provider.sees("Waiting").await;
    provider.press("Open visit").await;
    provider.stage("idle").await;
    provider.sees("Ada Lovelace").await;
    assert_eq!(patient.received().await.frames_decoded, 0.0, "nothing is forwarded before the start");

    provider.press(&clinic.start()).await;
    for window in [&patient, &provider] {
        window.stage("connected").await;
        window.sees_and_hears_the_other().await;
    }

    patient.press("Mute").await;
    provider.sees("Muted").await;
    patient.press("Unmute").await;

    provider.press("End visit").await;
    provider.press("End for everyone").await;
    for window in [&patient, &provider] {
        window.stage("ended").await;
    }
    patient.sees("has ended").await;
    assert_eq!(clinic.server.status(clinic.appointment.id).await, AppointmentStatus::Fulfilled);

    // The patient returns first: the provider sees it, and the provider's camera stays off until they start a visit.
    patient.press("Back to the waiting room").await;
    patient.stage("waiting").await;
    provider.stage("idle").await;
    provider.sees("They come on when you start.").await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    provider.press("End visit").await;
    provider.press("End for everyone").await;
    patient.stage("ended").await;

    provider.press("Start new meeting").await;
    provider.stage("calling").await;
    patient.stage("called").await;
    patient.press("Join").await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn two_browsers_meet() {
    let clinic = Clinic::open().await;
    let second = crate::chromium::Chromium::shared_whole();
    let patient = second.profile(&clinic.server.origin).await.window().await;
    clinic.come_by_link(&patient).await;
    patient.stage("waiting").await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    second.close().await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn two_windows_of_one_browser_meet() {
    let clinic = Clinic::open().await;
    let browser = clinic.profile().await;
    let provider = browser.window().await;
    provider.open(&format!("/appointment/{}", clinic.appointment.id)).await;
    sign_in(&provider, &clinic.server.provider).await;
    provider.stage("idle").await;
    let patient = browser.window().await;
    clinic.come_by_link(&patient).await;
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn they_meet_over_https_with_a_certificate_of_our_own() {
    let clinic = Clinic::with(|config| {
        config.server.tls = TlsConfig::SelfSigned;
        config.server.public_url = config.server.public_url.replacen("http", "https", 1);
    })
    .await;
    let (patient, _provider) = clinic.in_call().await;
    let plain: bool = patient.eval("document.cookie === '' && location.protocol === 'https:'").await;
    assert!(plain, "cookies are HttpOnly");
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn they_meet_over_tcp_where_udp_is_not_there() {
    let clinic = Clinic::open().await;
    let (patient, provider) = (clinic.patient().await, clinic.provider().await);
    patient.stage("waiting").await;
    for window in [&patient, &provider] {
        window.without_udp().await;
        window.reload().await;
    }
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    for window in [&patient, &provider] {
        window.stage("connected").await;
        window.sees_and_hears_the_other().await;
        let protocol: String = window.eval("await probe.protocol()").await;
        assert_eq!(protocol, "tcp");
    }
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_whole_visit_by_keyboard() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.both_waiting().await;
    provider.reach_by_tab(&clinic.start()).await;
    provider.key("Enter").await;
    for window in [&patient, &provider] {
        window.stage("connected").await;
    }
    patient.reach_by_tab("Mute").await;
    patient.key("Enter").await;
    provider.sees("Muted").await;
    provider.reach_by_tab("End visit").await;
    provider.key("Enter").await;
    provider.reach_by_tab("End for everyone").await;
    provider.key("Enter").await;
    patient.stage("ended").await;
    clinic.close().await;
}
