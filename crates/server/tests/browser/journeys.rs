//! The same visit over every call backend: what users do and see does not depend on the backend.
//!
//! For CometChat, its unmodified SDKs run against a test double of its service. Users join the call, but no video is
//! transmitted because the double has no video bridge.

use bedside_visit::{AppointmentStatus, AuditAction, CallBackend};

use crate::people::{Clinic, sign_in};
use crate::window::Window;

/// Seconds a call rings in tests that wait for a timeout: long enough to be answered on a busy machine.
const RING: u32 = 5;

macro_rules! journeys {
    ($($name:ident)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs Chromium: cargo xtask test browser"]
                async fn $name() {
                    super::$name(super::CallBackend::Embedded).await;
                }
            )*
        }

        mod cometchat {
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
                async fn $name() {
                    super::$name(super::CallBackend::CometChat).await;
                }
            )*
        }
    };
}

journeys! {
    a_waiting_patient_is_answered
    an_absent_patient_is_connected_on_arrival
    a_call_is_cancelled
    a_call_is_declined
    a_call_times_out
    the_provider_ends_it_and_begins_again
    the_patient_leaves_and_comes_back
    both_reload
    a_second_tab_takes_over
    a_second_device_takes_over
    the_call_is_moved_and_back
}

async fn a_waiting_patient_is_answered(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (patient, provider) = clinic.in_call().await;
    patient.press("Mute").await;
    provider.sees("Muted").await;
    patient.press("Unmute").await;
    clinic.close().await;
}

async fn an_absent_patient_is_connected_on_arrival(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.sees("isn't here yet").await;
    let patient = clinic.patient().await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn a_call_is_cancelled(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.press("Cancel").await;
    provider.stage("idle").await;
    let patient = clinic.patient().await;
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn a_call_is_declined(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (patient, provider) = clinic.both_waiting().await;
    patient.press("Leave").await;
    patient.stage("left").await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.press("Mark as missed").await;
    for window in [&patient, &provider] {
        window.stage("ended").await;
    }
    assert_eq!(clinic.server.status(clinic.appointment.id).await, AppointmentStatus::NoShow);
    provider.press("Start new meeting").await;
    patient.stage("called").await;
    patient.press("Not now").await;
    provider.stage("declined").await;
    provider.press("Keep waiting").await;
    patient.stage("called").await;
    patient.press("Join").await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn a_call_times_out(backend: CallBackend) {
    let clinic = Clinic::over_with(backend, |config| config.visits.ring_seconds = RING).await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.stage("unanswered").await;
    provider.press("Keep waiting").await;
    provider.stage("calling").await;
    let patient = clinic.patient().await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn the_provider_ends_it_and_begins_again(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (patient, provider) = clinic.in_call().await;
    end(&provider).await;
    for window in [&patient, &provider] {
        window.stage("ended").await;
    }
    clinic.the_call_is_empty().await;
    assert_eq!(clinic.server.status(clinic.appointment.id).await, AppointmentStatus::Fulfilled);
    patient.press("Back to the waiting room").await;
    patient.stage("waiting").await;
    provider.stage("idle").await;
    provider.press(&clinic.start()).await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn the_patient_leaves_and_comes_back(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (patient, provider) = clinic.in_call().await;
    patient.press("Leave").await;
    patient.stage("left").await;
    provider.stage("alone").await;
    patient.press("Rejoin").await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn both_reload(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (patient, provider) = clinic.in_call().await;
    patient.reload().await;
    clinic.they_meet(&patient, &provider).await;
    provider.reload().await;
    clinic.they_meet(&patient, &provider).await;
    clinic.close().await;
}

async fn a_second_tab_takes_over(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let browser = clinic.profile().await;
    let first = browser.window().await;
    clinic.come_by_link(&first).await;
    first.stage("waiting").await;
    let provider = clinic.provider().await;
    provider.press(&clinic.start()).await;
    clinic.they_meet(&first, &provider).await;
    let second = browser.window().await;
    second.open(&clinic.page_of("patient")).await;
    first.stage("moved").await;
    clinic.they_meet(&second, &provider).await;
    clinic.close().await;
}

async fn a_second_device_takes_over(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    let (first, provider) = clinic.in_call().await;
    let second = clinic.profile().await.window().await;
    second.open(&clinic.page_of("patient")).await;
    sign_in(&second, &clinic.server.patient).await;
    first.stage("moved").await;
    clinic.they_meet(&second, &provider).await;
    clinic.close().await;
}

async fn the_call_is_moved_and_back(backend: CallBackend) {
    let clinic = Clinic::over(backend).await;
    if clinic.double.is_none() {
        // There is no other backend to move the call to.
        let (_patient, provider) = clinic.in_call().await;
        provider.press("More").await;
        let offered: bool = provider.eval("probe.text().includes('Move this call')").await;
        assert!(!offered);
        return clinic.close().await;
    }
    let (patient, provider) = clinic.in_call().await;
    for (label, backend) in [
        ("Move this call to the clinic's server", CallBackend::Embedded),
        ("Move this call to CometChat", CallBackend::CometChat),
    ] {
        provider.press("More").await;
        provider.press(label).await;
        clinic.they_meet_over(backend, &patient, &provider).await;
    }
    let started = AuditAction::VisitStarted.as_str();
    let starts = clinic.server.audit().await.into_iter().filter(|row| row.action == started).count();
    assert_eq!(starts, 1, "it is the same visit");
    clinic.close().await;
}

async fn end(provider: &Window) {
    provider.press("End visit").await;
    provider.press("End for everyone").await;
}

/// Behavior that only CometChat can cause.
mod cometchat_alone {
    use std::time::Duration;

    use super::*;
    use crate::support::double::{Fault, KEY, WEBHOOK};

    async fn clinic() -> Clinic {
        Clinic::over(CallBackend::CometChat).await
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn a_lost_ring_is_repeated() {
        let clinic = Clinic::over_with(CallBackend::CometChat, |config| config.visits.ring_seconds = RING).await;
        let (patient, provider) = clinic.both_waiting().await;
        let double = clinic.double.as_ref().expect("a double");
        double.loses_rings(1);
        provider.press(&clinic.start()).await;
        clinic.they_meet(&patient, &provider).await;
        assert_eq!(double.endings(), ["unanswered"], "the first call ended as unanswered");
        clinic.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn what_is_secret_is_in_no_source_and_no_address() {
        let clinic = clinic().await;
        let (patient, provider) = clinic.in_call().await;
        for window in [&patient, &provider] {
            let sources: Vec<String> = window.eval("await probe.sources()").await;
            let (pages, others): (Vec<_>, Vec<_>) =
                sources.into_iter().partition(|text| text.contains("current-user-name=\""));
            let others = others.join("\n");
            assert_eq!(pages.len(), 1, "one page loaded");
            assert!(others.contains("initiateCall"), "the SDKs are among the sources");
            for secret in [KEY, WEBHOOK, "token-canary"] {
                assert!(!pages[0].contains(secret) && !others.contains(secret), "{secret}");
            }
            // The page tells each of the two who the other is. Its scripts contain no names.
            assert!(pages[0].contains("Lovelace") && !others.contains("Lovelace"));
        }
        clinic.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn a_strangers_call_is_not_answered_and_is_recorded() {
        let clinic = clinic().await;
        let (patient, provider) = clinic.both_waiting().await;
        let double = clinic.double.as_ref().expect("a double");
        let own = clinic.server.patient.id().to_string();
        crate::support::soon("the patient's line", async {
            while !double.hears(&own) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let session = double.ring("stranger", &own);
        let refused = AuditAction::StrangerRefused.as_str();
        crate::support::soon("the record", async {
            while !clinic.server.audit().await.iter().any(|row| row.action == refused) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        crate::support::soon("the refusal", async {
            while double.status(&session).as_deref() != Some("rejected") {
                tokio::task::yield_now().await;
            }
        })
        .await;
        patient.stage("waiting").await;
        provider.press(&clinic.start()).await;
        clinic.they_meet(&patient, &provider).await;
        clinic.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn a_revoked_login_is_renewed() {
        let clinic = clinic().await;
        let (patient, provider) = clinic.both_waiting().await;
        let double = clinic.double.as_ref().expect("a double");
        for account in [&clinic.server.provider, &clinic.server.patient] {
            double.flush(&account.id().to_string());
        }
        provider.press(&clinic.start()).await;
        clinic.they_meet(&patient, &provider).await;
        clinic.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn events_that_come_late_and_twice_do_no_harm() {
        let clinic = clinic().await;
        let double = clinic.double.as_ref().expect("a double");
        double.pushes(Duration::from_millis(400), true);
        let (patient, provider) = clinic.in_call().await;
        end(&provider).await;
        patient.stage("ended").await;
        clinic.the_call_is_empty().await;
        clinic.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs Chromium and CometChat's SDKs: cargo xtask test cometchat"]
    async fn a_service_that_fails_is_waited_for_in_words() {
        let clinic = clinic().await;
        let double = clinic.double.as_ref().expect("a double");
        double.fail([Fault::Status(403); 3]);
        let provider = clinic.provider().await;
        provider.stage("idle").await;
        provider.sees("CometChat doesn't answer as it should").await;
        let patient = clinic.patient().await;
        patient.stage("waiting").await;
        provider.press(&clinic.start()).await;
        clinic.they_meet(&patient, &provider).await;
        clinic.close().await;
    }
}
