//! Every page and state, wide and narrow, light and dark: axe-core reports nothing and nothing is cut off. With
//! `BEDSIDE_SHOTS=FOLDER` (`cargo xtask shots`) a screenshot of each is written.

use std::path::{Path, PathBuf};

use bedside::config::SecondFactor;
use bedside_visit::{CallBackend, Clock as _, Person};

use crate::chromium::Chromium;
use crate::people::{Clinic, sign_in, they_meet};
use crate::phones::FACEBOOK;
use crate::support::double::Fault;
use crate::support::{PASSWORD, When};
use crate::window::{Rules, Window};

const WIDE: &str = "1280";
const PHONE: &str = "390";
const SIZES: [(&str, i64, i64); 3] = [(WIDE, 1280, 800), (PHONE, 390, 844), ("320", 320, 640)];

/// Problems found in all states.
#[derive(Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    /// Checks a state: all axe rules at phone size in light mode, those that depend on colors and sizes also wide in
    /// dark mode, and that nothing is cut off at any width.
    pub(crate) async fn look(&mut self, window: &Window, name: &str) {
        for (label, width, height) in SIZES {
            window.resize(width, height).await;
            window.color_scheme(if label == WIDE { "dark" } else { "light" }).await;
            window.eval::<bool>("await probe.settled()").await;
            let found = match label {
                WIDE => window.axe(Rules::OfAppearance).await,
                PHONE => window.axe(Rules::All).await,
                _ => String::new(),
            };
            if !found.is_empty() {
                self.0.push(format!("{name} at {label}:\n{found}"));
            }
            let cut: Vec<String> = window.eval("probe.cutOff()").await;
            if !cut.is_empty() {
                self.0.push(format!("{name} at {label}: wider than the page: {cut:?}"));
            }
        }
        if let Some(folder) = std::env::var_os("BEDSIDE_SHOTS") {
            picture(window, &PathBuf::from(folder), name).await;
        }
        window.color_scheme("light").await;
        window.resize(1280, 800).await;
    }

    pub(crate) fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n\n"));
    }
}

/// Takes screenshots of the window, wide and narrow, light and dark.
async fn picture(window: &Window, folder: &Path, name: &str) {
    for (label, width, height) in &SIZES[..2] {
        window.resize(*width, *height).await;
        for scheme in ["light", "dark"] {
            window.color_scheme(scheme).await;
            window.eval::<bool>("await probe.settled()").await;
            let file = folder.join(format!("{name}-{label}-{scheme}.png"));
            std::fs::write(&file, window.screenshot().await).expect("write the picture");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn pages() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let window = clinic.profile().await.window().await;

    window.open("/sign-in").await;
    findings.look(&window, "sign-in").await;
    window.fill("email", "ada@example.org").await;
    window.fill("password", "not the password").await;
    window.press("Sign in").await;
    window.sees("Sign-in failed").await;
    findings.look(&window, "sign-in-wrong").await;

    window.open(&clinic.server.link(clinic.appointment.id).await).await;
    findings.look(&window, "link").await;
    let later = clinic.server.book(When::Later).await;
    window.open(&clinic.server.link(later.id).await).await;
    findings.look(&window, "link-early").await;
    window.open("/v/0123456789012345678901234567890123456789012").await;
    findings.look(&window, "link-unknown").await;
    window.open("/ended").await;
    findings.look(&window, "closed").await;
    window.open("/api").await;
    findings.look(&window, "api").await;
    window.open("/nowhere").await;
    findings.look(&window, "not-found").await;

    window.open("/").await;
    sign_in(&window, &clinic.server.other_provider).await;
    window.sees("Nothing is booked for you today.").await;
    findings.look(&window, "dashboard-empty").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_persons_own_account() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let (window, elsewhere) = (clinic.profile().await.window().await, clinic.profile().await.window().await);
    for each in [&elsewhere, &window] {
        each.open("/account").await;
        sign_in(each, &clinic.server.provider).await;
    }
    findings.look(&window, "account").await;
    window.fill("new", "password password").await;
    window.press("Change password").await;
    window.sees("Nothing was changed").await;
    findings.look(&window, "account-fault").await;

    window.open("/account/second-step").await;
    findings.look(&window, "second-step").await;
    window.fill("code", "000000").await;
    window.fill("current", PASSWORD).await;
    window.press("Turn on").await;
    window.sees("That code does not work").await;
    findings.look(&window, "second-step-wrong").await;
    let code = code_of_now(&window, &clinic).await;
    window.fill("code", &code).await;
    window.fill("current", PASSWORD).await;
    window.press("Turn on").await;
    window.sees("From now on you type a code").await;
    findings.look(&window, "account-second-step").await;

    elsewhere.press("Sign out").await;
    elsewhere.until("location.pathname !== '/account'", "to be signed out").await;
    elsewhere.open("/sign-in").await;
    elsewhere.sees("Sign in").await;
    elsewhere.fill("email", "grace@example.org").await;
    elsewhere.fill("password", PASSWORD).await;
    elsewhere.press("Sign in").await;
    elsewhere.sees("Your code").await;
    findings.look(&elsewhere, "code").await;
    elsewhere.fill("code", "000000").await;
    elsewhere.press("Sign in").await;
    elsewhere.sees("That code does not work").await;
    findings.look(&elsewhere, "code-wrong").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_second_step_that_the_clinic_requires() {
    let clinic = Clinic::in_whole_browser(|all| all.sign_in.second_factor = SecondFactor::Required).await;
    let mut findings = Findings::default();
    let window = clinic.profile().await.window().await;
    window.open("/account").await;
    sign_in(&window, &clinic.server.provider).await;
    window.sees("This clinic requires two-factor authentication.").await;
    findings.look(&window, "sign-in-second-step").await;
    window.fill("code", "000000").await;
    window.press("Turn on and sign in").await;
    window.sees("That code does not work").await;
    findings.look(&window, "sign-in-second-step-wrong").await;

    // The authenticator app is on the same phone.
    window.resize(390, 844).await;
    window.press("Copy the key").await;
    window.sees("Copied.").await;
    let code = code_of_now(&window, &clinic).await;
    window.fill("code", &code).await;
    window.press("Turn on and sign in").await;
    window.sees("Your account").await;
    assert_eq!(window.eval::<String>("location.pathname").await, "/account", "the page that was requested");
    window.resize(1280, 800).await;
    findings.look(&window, "account-second-step-required").await;
    findings.none();
    clinic.close().await;
}

/// Returns the code of an app that was given the key on the page.
async fn code_of_now(window: &Window, clinic: &Clinic) -> String {
    let key: String = window.eval("document.querySelector('.key').textContent").await;
    let secret = totp_rs::Secret::try_from_base32(key.replace(' ', "")).expect("base32");
    let phone = totp_rs::Builder::new().with_secret(secret).build().expect("a secret");
    let seconds = u64::try_from(clinic.server.clock.now().as_millis() / 1_000).expect("after 1970");
    phone.generate(seconds).to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn another_device_asks_to_come_in() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let link = clinic.server.link(clinic.appointment.id).await;
    let first = clinic.profile().await.window().await;
    first.open(&link).await;
    first.press("Join visit").await;
    first.stage("waiting").await;
    let provider = clinic.provider().await;
    provider.stage("idle").await;

    let second = clinic.profile().await.window().await;
    second.open(&link).await;
    findings.look(&second, "link-elsewhere").await;
    second.press("Ask to join here").await;
    second.sees("We have asked your provider").await;
    findings.look(&second, "link-asks").await;
    provider.sees("asks to come in on another device").await;
    findings.look(&provider, "provider-asked").await;
    let window = clinic.profile().await.window().await;
    window.open("/").await;
    sign_in(&window, &clinic.server.provider).await;
    window.sees("Asks to use another device").await;
    findings.look(&window, "dashboard-asked").await;
    window.open(&format!("/booking/{}", clinic.appointment.id)).await;
    findings.look(&window, "booking-asked").await;

    provider.press("Let them in").await;
    second.stage("waiting").await;
    first.sees("signed in any more").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn the_front_desk() {
    let clinic = Clinic::open().await;
    let long = "Maximiliana Wilhelmina Featherstonehaugh-Cholmondeley von Hohenlohe-Langenburg";
    let patient = clinic.server.add_person(long, None).await.person;
    clinic.server.book_for(&patient, &clinic.server.other_provider.person, When::Later).await;
    let role = bedside_visit::permission::ClinicRole::Admin;
    let desk = clinic.server.add_clerk("Florence Nightingale", "florence@example.org", role).await;
    let mut findings = Findings::default();
    let waits = clinic.patient().await;
    waits.stage("waiting").await;

    let window = clinic.profile().await.window().await;
    window.open("/desk").await;
    sign_in(&window, &desk).await;
    window.sees("Waiting").await;
    findings.look(&window, "desk").await;
    window.open("/desk?day=2031-01-07").await;
    findings.look(&window, "desk-empty").await;
    window.open("/book").await;
    findings.look(&window, "book").await;
    // An existing patient is selected: the fields for a new one disappear, and a name that the list cuts off is shown
    // below.
    let choose = "(() => { const list = document.querySelector('#patient'); list.selectedIndex = CHOICE; \
                  list.dispatchEvent(new Event('change', { bubbles: true })); return list.selectedOptions[0].text; })()";
    let patients: usize = window.eval("document.querySelector('#patient').options.length").await;
    for choice in 1..patients {
        let name: String = window.eval(&choose.replace("CHOICE", &choice.to_string())).await;
        assert!(window.eval::<bool>("document.querySelector('[data-new-patient]').hidden").await);
        if name.contains("Maximiliana") {
            window.resize(320, 640).await;
            window.sees("von Hohenlohe-Langenburg").await;
            findings.look(&window, "book-chosen").await;
        }
    }
    window.eval::<String>(&choose.replace("CHOICE", "0")).await;
    assert!(!window.eval::<bool>("document.querySelector('[data-new-patient]').hidden").await);
    window.fill("name", "Zofia").await;
    window.press("Book visit").await;
    window.sees("The visit is not booked yet").await;
    findings.look(&window, "book-wrong").await;
    window.open(&format!("/booking/{}", clinic.appointment.id)).await;
    findings.look(&window, "booking").await;
    window.fill("name", "Ines Interpreter").await;
    window.press("Add and create a link").await;
    window.sees("A link for").await;
    findings.look(&window, "booking-link").await;
    window.press("Copy the link").await;
    window.press("Create a link: Ines Interpreter").await;
    window.sees("Replace the link of").await;
    findings.look(&window, "booking-replace").await;
    long_day(&clinic).await;
    window.open("/desk").await;
    window.sees("Waiting now").await;
    findings.look(&window, "desk-long").await;
    window.resize(320, 640).await;
    let bottom: f64 = window.eval("document.querySelector('.pinned a').getBoundingClientRect().bottom").await;
    assert!(bottom < 640.0, "the waiting patient is visible on the smallest phone: {bottom}");
    window.resize(1280, 800).await;
    window.open(&format!("/booking/{}", clinic.appointment.id)).await;
    window.press("Cancel this visit").await;
    window.press("Cancel visit").await;
    window.sees("Cancelled").await;
    findings.look(&window, "booking-off").await;
    window.open("/people").await;
    findings.look(&window, "people").await;
    window.press(&format!("Disable account: {long}")).await;
    window.sees("Keep account").await;
    findings.look(&window, "people-disable").await;
    findings.none();
    clinic.close().await;
}

/// Books sixty more visits on the same day.
async fn long_day(clinic: &Clinic) {
    for number in 0..60 {
        let person = clinic.server.add_person(&format!("Patient {number}"), None).await.person;
        clinic.server.book_for(&person, &clinic.server.other_provider.person, When::Now).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn the_visit_of_a_patient_who_waits() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let (patient, provider) = clinic.both_waiting().await;
    let desk = clinic.profile().await.window().await;
    desk.open("/").await;
    sign_in(&desk, &clinic.server.provider).await;
    desk.sees("Waiting").await;
    findings.look(&desk, "dashboard-waiting").await;
    desk.close().await;
    findings.look(&patient, "patient-waiting").await;
    findings.look(&provider, "provider-idle").await;

    patient.press("Camera and microphone").await;
    findings.look(&patient, "patient-devices").await;
    patient.key("Escape").await;
    patient.press("Help").await;
    findings.look(&patient, "patient-help").await;
    patient.key("Escape").await;

    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    findings.look(&patient, "patient-connected").await;
    findings.look(&provider, "provider-connected").await;
    patient.press("Mute").await;
    patient.press("Stop camera").await;
    provider.sees("camera is off").await;
    findings.look(&patient, "patient-camera-off").await;
    findings.look(&provider, "provider-camera-off").await;

    patient.press("Leave").await;
    provider.stage("alone").await;
    findings.look(&patient, "patient-left").await;
    findings.look(&provider, "provider-alone").await;
    patient.press("Rejoin").await;
    provider.stage("connected").await;
    patient.open("about:blank").await;
    provider.stage("reconnecting").await;
    findings.look(&provider, "provider-reconnecting").await;
    patient.open(&clinic.page_of("patient")).await;
    provider.stage("connected").await;
    provider.press("End visit").await;
    findings.look(&provider, "provider-end").await;
    provider.press("End for everyone").await;
    patient.stage("ended").await;
    findings.look(&patient, "patient-ended").await;
    findings.look(&provider, "provider-ended").await;
    provider.press("Start new meeting").await;
    patient.stage("called").await;
    findings.look(&patient, "patient-called").await;
    patient.press("Not now").await;
    provider.stage("declined").await;
    findings.look(&provider, "provider-declined").await;
    findings.look(&patient, "patient-declined").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn the_visit_of_a_patient_who_is_late_or_blocked() {
    let mut clinic = Clinic::in_whole_browser(|config| config.visits.ring_seconds = 30).await;
    let long = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh of Llanfairpwllgwyngyll";
    let patient: Person = clinic.server.add_person(long, None).await.person;
    let doctor = clinic.server.provider.person.clone();
    clinic.appointment = clinic.server.book_for(&patient, &doctor, When::Now).await;
    let mut findings = Findings::default();

    let provider = clinic.provider().await;
    provider.stage("idle").await;
    findings.look(&provider, "provider-idle-long-name").await;
    provider.press(&format!("Start meeting with {long}")).await;
    provider.stage("calling").await;
    findings.look(&provider, "provider-calling").await;
    provider.stage("unanswered").await;
    findings.look(&provider, "provider-unanswered").await;

    let browser = clinic.chromium.bare_profile(&clinic.server.origin).await;
    browser.deny_devices().await;
    let window = browser.window().await;
    clinic.come_by_link(&window).await;
    window.sees("Try again").await;
    findings.look(&window, "patient-blocked").await;
    findings.look(&provider, "provider-patient-blocked").await;
    let second = browser.window().await;
    second.open(&clinic.page_of("patient")).await;
    window.sees("open in another window").await;
    findings.look(&window, "patient-moved").await;
    clinic.server.cancel(clinic.appointment.id).await;
    window.reload().await;
    window.sees("This appointment was cancelled").await;
    findings.look(&window, "patient-cancelled").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn phones() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let link = clinic.server.link(clinic.appointment.id).await;
    let app = clinic.profile().await.window().await;
    app.pretends_to_be(FACEBOOK).await;
    app.open(&link).await;
    findings.look(&app, "link-in-app").await;
    app.eval::<bool>("(document.documentElement.dir = 'rtl', true)").await;
    findings.look(&app, "rtl-link-in-app").await;
    app.pretends_to_be("An old browser").await;
    app.before_each_page("delete globalThis.RTCPeerConnection; delete Navigator.prototype.clipboard;").await;
    app.open(&link).await;
    app.press("Copy the link").await;
    findings.look(&app, "link-unsupported").await;
    app.close().await;

    let (patient, provider) = clinic.in_call_by_phone().await;
    patient.phone("unplugCamera()").await;
    patient.sees("Your camera is gone").await;
    provider.sees("has no camera").await;
    findings.look(&patient, "patient-camera-gone").await;
    findings.look(&provider, "provider-camera-gone").await;
    patient.phone("plugIn()").await;
    provider.until("!probe.text().includes('has no camera')", "the patient's video").await;
    patient.phone("ring('NotAllowedError')").await;
    patient.sees("Tap to continue").await;
    findings.look(&patient, "patient-resume").await;
    patient.press("Continue").await;
    patient.sees("Your browser is blocking").await;
    findings.look(&patient, "patient-resume-blocked").await;
    patient.eval::<bool>("(document.documentElement.dir = 'rtl', true)").await;
    findings.look(&patient, "rtl-patient-resume-blocked").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn right_to_left() {
    let mut clinic = Clinic::open().await;
    let patient = clinic.server.add_person("عائشة بنت عبد الرحمن", None).await.person;
    let doctor = clinic.server.provider.person.clone();
    clinic.appointment = clinic.server.book_for(&patient, &doctor, When::Now).await;
    let mut findings = Findings::default();
    let window = clinic.patient().await;
    window.stage("waiting").await;
    window.eval::<bool>("(document.documentElement.dir = 'rtl', true)").await;
    findings.look(&window, "rtl-waiting").await;
    let provider = clinic.provider().await;
    provider.stage("idle").await;
    provider.eval::<bool>("(document.documentElement.dir = 'rtl', true)").await;
    findings.look(&provider, "rtl-provider-idle").await;
    provider.press(&format!("Start meeting with \u{2068}{}\u{2069}", patient.name.reveal())).await;
    for (window, name) in [(&window, "rtl-patient-connected"), (&provider, "rtl-provider-connected")] {
        window.stage("connected").await;
        window.sees_and_hears_the_other().await;
        findings.look(window, name).await;
    }
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn what_is_written_and_agreed_to() {
    let terms = "I agree to be seen by video. The visit is not recorded. I can stop at any time.";
    let clinic = Clinic::with(|config| config.visits.consent_text = Some(terms.into())).await;
    let mut findings = Findings::default();
    let (patient, provider) = clinic.both_waiting().await;
    findings.look(&patient, "patient-terms").await;
    findings.look(&provider, "provider-terms").await;
    patient.press("I agree").await;
    provider.sees("Agreed to the clinic's terms at").await;
    findings.look(&patient, "patient-terms-agreed").await;
    provider.press("Messages").await;
    findings.look(&provider, "provider-messages-empty").await;
    provider.write("I am still with someone else: five more minutes.").await;
    provider.press("Send").await;
    patient.sees("five more minutes").await;
    findings.look(&patient, "patient-waiting-message").await;
    patient.press("Read").await;
    patient.write("No hurry. مرحبا").await;
    patient.press("Send").await;
    provider.sees("No hurry.").await;
    findings.look(&patient, "patient-messages").await;
    findings.look(&provider, "provider-messages").await;
    provider.key("Escape").await;
    patient.key("Escape").await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    provider.press("Messages").await;
    provider.write("https://clinic.example/leaflet").await;
    provider.press("Send").await;
    provider.key("Escape").await;
    patient.sees("https://clinic.example/leaflet").await;
    findings.look(&patient, "patient-connected-message").await;
    findings.look(&provider, "provider-connected-agreed").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
async fn over_cometchat() {
    let clinic = Clinic::over(CallBackend::CometChat).await;
    let double = clinic.double.as_ref().expect("a double");
    let mut findings = Findings::default();
    let (patient, provider) = clinic.both_waiting().await;
    provider.sees("Move this call").await;
    findings.look(&provider, "cometchat-provider-idle").await;
    double.fail([Fault::Status(403); 3]);
    provider.reload().await;
    provider.sees("CometChat doesn't answer as it should").await;
    findings.look(&provider, "cometchat-provider-trouble").await;

    double.loses_rings(1);
    provider.press(&clinic.start()).await;
    patient.sees("Connecting you with").await;
    findings.look(&patient, "cometchat-patient-connecting").await;
    provider.reload().await;
    clinic.they_meet(&patient, &provider).await;
    findings.look(&patient, "cometchat-patient-connected").await;
    findings.look(&provider, "cometchat-provider-connected").await;
    provider.press("More").await;
    findings.look(&provider, "cometchat-provider-menu").await;
    provider.key("Escape").await;
    patient.press("Mute").await;
    patient.press("Stop camera").await;
    provider.sees("camera is off").await;
    findings.look(&patient, "cometchat-patient-camera-off").await;
    findings.look(&provider, "cometchat-provider-camera-off").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_visit_of_several() {
    let clinic = Clinic::alone_with(Chromium::shared()).await;
    let long = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh of Llanfairpwllgwyngyll";
    let mut findings = Findings::default();
    let provider = clinic.provider().await;
    let (_, interpreter) = clinic.companion("Ines", "interpreter").await;
    let (_, observer) = clinic.companion("Oscar", "observer").await;
    for window in [&interpreter, &observer] {
        window.stage("waiting").await;
    }
    findings.look(&interpreter, "company-waiting").await;
    findings.look(&observer, "company-observer-waiting").await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.sees_and_hears(&["Ines"]).await;
    findings.look(&provider, "company-provider-calling").await;

    let patient = clinic.patient().await;
    let (_, guest) = clinic.companion(long, "guest").await;
    they_meet(&patient, &provider).await;
    patient.sees_and_hears(&["Ines", long]).await;
    for (window, name) in [
        (&patient, "company-patient"),
        (&provider, "company-provider"),
        (&interpreter, "company-interpreter"),
        (&observer, "company-observer"),
    ] {
        findings.look(window, name).await;
    }
    interpreter.press("Stop camera").await;
    guest.press("Mute").await;
    patient.sees("Camera off").await;
    patient.sees("Muted, ").await;
    findings.look(&patient, "company-patient-off").await;
    patient.eval::<bool>("(document.documentElement.dir = 'rtl', true)").await;
    findings.look(&patient, "rtl-company-patient").await;
    findings.none();
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn uncommon_states() {
    let clinic = Clinic::open().await;
    let mut findings = Findings::default();
    let link = clinic.server.link(clinic.appointment.id).await;
    let (patient, other) = (clinic.profile().await.window().await, clinic.profile().await.window().await);
    patient.open(&link).await;
    patient.press("Join visit").await;
    patient.stage("waiting").await;
    other.open(&link).await;
    findings.look(&other, "link-used").await;

    let browser = clinic.profile().await;
    let provider = browser.window().await;
    provider.open(&clinic.page_of("patient")).await;
    sign_in(&provider, &clinic.server.provider).await;
    provider.sees("This page is for the patient of this visit").await;
    findings.look(&provider, "wrong-role").await;
    provider.open("/video-call/provider").await;
    findings.look(&provider, "no-appointment").await;

    provider.open(&clinic.page_of("provider")).await;
    provider.press(&clinic.start()).await;
    they_meet(&patient, &provider).await;
    provider.press("End visit").await;
    provider.press("End for everyone").await;
    patient.press("Back to the waiting room").await;
    patient.stage("waiting").await;
    provider.stage("idle").await;
    findings.look(&provider, "provider-idle-after-end").await;

    let desk = browser.window().await;
    desk.open("/").await;
    desk.press("Sign out").await;
    provider.sees("You're not signed in any more.").await;
    findings.look(&provider, "provider-signed-out").await;
    findings.none();
    clinic.close().await;
}
