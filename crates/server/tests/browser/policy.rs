//! What the response headers forbid pages, and what they must allow.

use crate::people::{Clinic, sign_in};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn a_page_takes_no_markup_and_no_script_by_mistake() {
    let clinic = Clinic::open().await;
    let patient = clinic.patient().await;
    patient.stage("waiting").await;
    let refused =
        |script: &str| format!("(() => {{ try {{ {script}; return 'taken'; }} catch (e) {{ return e.name; }} }})()");
    for script in [
        "document.body.innerHTML = '<b>markup</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>markup</b>')",
        "new DOMParser().parseFromString('<b>markup</b>', 'text/html')",
        "document.createElement('script').src = '/assets/visit.js'",
        "document.createElement('script').text = 'alert(1)'",
        "new Worker('/assets/redundancy.js')",
        "trustedTypes.createPolicy('another', {})",
        "trustedTypes.createPolicy('bedside-worker', {})",
    ] {
        assert_eq!(patient.eval::<String>(&refused(script)).await, "TypeError", "{script}");
    }
    let isolated: bool = patient.eval("crossOriginIsolated").await;
    assert!(isolated, "the page's process is isolated from other sites");
    assert!(
        !clinic.chromium.complaints().is_empty(),
        "the browser reports the violations, so other tests would see them"
    );
    clinic.chromium.close().await;
    clinic.server.stop().await;
}

/// Features of our own scripts that need a policy: a worker that adds redundancy under heavy audio loss, and the day's
/// list, which is refreshed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn what_our_scripts_need_is_allowed() {
    let clinic = Clinic::open().await;
    let day = clinic.profile().await.window().await;
    day.open("/").await;
    sign_in(&day, &clinic.server.provider).await;
    day.sees("Ada Lovelace").await;
    let (patient, provider) = (clinic.patient().await, clinic.provider().await);
    patient.stage("waiting").await;
    day.until("document.querySelector('#today .badge--waiting') !== null", "the patient on the day's list").await;
    patient
        .before_each_page(
            "const stats = RTCPeerConnection.prototype.getStats; \
             RTCPeerConnection.prototype.getStats = async function (...of) { \
               const lossy = (report) => report.type === 'remote-inbound-rtp' ? { ...report, fractionLost: 0.3 } : report; \
               return new Map([...await stats.apply(this, of)].map(([id, report]) => [id, lossy(report)])); }; \
             window.Worker = class extends Worker { constructor(address) { super(address); window.workerBegan = true; } };",
        )
        .await;
    patient.reload().await;
    patient.stage("waiting").await;
    provider.press(&clinic.start()).await;
    patient.until("window.workerBegan", "a worker that adds redundancy").await;
    patient.sees_and_hears_the_other().await;
    clinic.close().await;
}
