//! How pages recover from phone events: phone calls, other apps, screen lock, unplugged devices.

use crate::people::{Clinic, they_meet};
use crate::window::Window;

/// Simulates a phone around the page.
const PHONE: &str = include_str!("phone.js");

pub(crate) const FACEBOOK: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
    Mobile/15E148 [FBAN/FBIOS;FBAV/480.0.0.35.110]";

impl Clinic {
    /// Starts a call in which the patient uses a phone.
    pub(crate) async fn in_call_by_phone(&self) -> (Window, Window) {
        let patient = self.profile().await.window().await;
        patient.before_each_page(PHONE).await;
        self.come_by_link(&patient).await;
        patient.stage("waiting").await;
        let provider = self.provider().await;
        provider.press(&self.start()).await;
        they_meet(&patient, &provider).await;
        (patient, provider)
    }
}

impl Window {
    pub(crate) async fn phone(&self, what: &str) {
        assert!(self.eval::<bool>(&format!("phone.{what}")).await);
    }

    async fn capture(&self, word: &str) {
        self.until(&format!("probe.call().dataset.capture === '{word}'"), &format!("capture to be {word}")).await;
    }

    async fn count(&self, what: &str) -> usize {
        self.eval(&format!("phone.{what}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_phone_call_is_over_and_one_tap_goes_on() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call_by_phone().await;
    patient.press("Mute").await;
    provider.sees("Muted").await;
    let connections = patient.count("connections").await;

    patient.phone("ring('NotAllowedError')").await;
    patient.sees("Tap to continue").await;
    patient.capture("blocked").await;
    provider.sees("They need to tap their screen to continue.").await;
    patient.phone("hangUp()").await;
    patient.press("Continue").await;
    patient.capture("live").await;
    patient.until("!probe.text().includes('Tap to continue')", "the visit again").await;
    provider.until("!probe.text().includes('tap their screen')", "the patient's video").await;
    assert_eq!(patient.count("connections").await, connections, "the media connection is kept");
    provider.sees("Muted").await;
    patient.until("probe.find('Unmute') !== null", "a button that shows they are still muted").await;
    patient.press("Unmute").await;
    they_meet(&patient, &provider).await;

    // A tap that comes too early shows what is blocking; the end of the phone call needs no second tap.
    patient.phone("ring()").await;
    patient.sees("Tap to continue").await;
    patient.press("Continue").await;
    patient.sees("Another app is using your camera and microphone.").await;
    patient.phone("hangUp()").await;
    patient.capture("live").await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn devices_that_the_browser_restores_need_no_tap() {
    let clinic = Clinic::in_whole_browser(|_| {}).await;
    let (patient, provider) = clinic.in_call_by_phone().await;
    // The camera ended and is available again.
    patient.phone("interrupt()").await;
    patient.capture("live").await;
    they_meet(&patient, &provider).await;

    // Another app is in front for a while; the phone unmutes on return.
    let asked = patient.count("asked.length").await;
    let locks = patient.count("locks").await;
    patient.phone("hide(true)").await;
    patient.capture("hidden").await;
    provider.sees("Ada Lovelace has switched to another app or locked the phone.").await;
    patient.phone("hide(false)").await;
    patient.capture("live").await;
    patient.until(&format!("phone.locks > {locks}"), "the screen wake lock to be renewed").await;
    they_meet(&patient, &provider).await;
    assert_eq!(patient.count("asked.length").await, asked, "no device was requested again");
    assert!(!patient.eval::<bool>("probe.text().includes('Tap to continue')").await);

    // The page is frozen in the background, then resumed.
    patient.freeze(true).await;
    patient.freeze(false).await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_locked_phone_in_the_waiting_room_keeps_the_place_and_asks_for_a_tap() {
    let clinic = Clinic::open().await;
    let patient = clinic.profile().await.window().await;
    patient.before_each_page(PHONE).await;
    clinic.come_by_link(&patient).await;
    patient.stage("waiting").await;
    patient.until("phone.locks > 0", "the screen wake lock").await;

    patient.phone("hide(true)").await;
    patient.phone("ring()").await;
    patient.capture("hidden").await;
    assert!(!patient.eval::<bool>("probe.text().includes('Tap to continue')").await, "a hidden page asks for no tap");
    patient.phone("hide(false)").await;
    patient.sees("Your place is kept.").await;
    patient.phone("hangUp()").await;
    patient.key("Enter").await;
    patient.sees("You're in the waiting room.").await;
    patient.capture("live").await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn devices_come_and_go() {
    let clinic = Clinic::open().await;
    let (patient, provider) = clinic.in_call_by_phone().await;
    patient.phone("unplugCamera()").await;
    patient.sees("Your camera is gone, so Dr. Grace Hopper can hear you, but not see you.").await;
    provider.sees("Ada Lovelace has no camera").await;
    patient.phone("plugIn()").await;
    patient.until("!probe.text().includes('Your camera is gone')", "the camera to be used again").await;
    provider.until("!probe.text().includes('has no camera')", "the patient's video").await;
    they_meet(&patient, &provider).await;

    let before: usize = patient.count("asked.length").await;
    patient.phone("connectHeadset()").await;
    patient.until(&format!("phone.asked.length > {before}"), "the headset to be used").await;
    assert!(!patient.eval::<bool>("Boolean(phone.asked.at(-1).video)").await, "the camera is not requested again");
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_permission_that_is_withdrawn_in_mid_call_is_explained_and_given_again() {
    let clinic = Clinic::in_whole_browser(|_| {}).await;
    let browser = clinic.profile().await;
    let patient = browser.window().await;
    clinic.come_by_link(&patient).await;
    patient.stage("waiting").await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;

    browser.deny_devices().await;
    patient.sees("Tap to continue").await;
    patient.press("Continue").await;
    patient.sees("Your browser is blocking the camera and microphone.").await;
    browser.allow_devices().await;
    patient.press("Try again").await;
    they_meet(&patient, &provider).await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_link_opened_inside_another_app_is_taken_to_a_browser_unused() {
    let clinic = Clinic::open().await;
    let link = clinic.server.link(clinic.appointment.id).await;
    let app = clinic.profile().await.window().await;
    app.pretends_to_be(FACEBOOK).await;
    app.open(&link).await;
    app.sees("Open this link in Safari").await;
    app.sees("Open in Safari").await;
    app.sees("Join here anyway").await;

    // If the browser lacks what a visit needs, joining here is not offered.
    app.before_each_page("delete Navigator.prototype.mediaDevices; delete Navigator.prototype.clipboard;").await;
    app.open(&link).await;
    app.press("Copy the link").await;
    app.until("!document.querySelector('[data-by-hand]').hidden", "the link to copy by hand").await;
    let copied: String = app.eval("document.querySelector('#address').value").await;
    assert_eq!(copied, link);
    assert!(!app.eval::<bool>("probe.text().includes('Join')").await);

    let safari = clinic.profile().await.window().await;
    safari.open(&copied).await;
    safari.press("Join visit").await;
    safari.stage("waiting").await;
    clinic.close().await;
}
