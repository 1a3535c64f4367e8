//! Visits with three or more participants: all see and hear each other, and observers are announced.

use reqwest::Method;

use crate::chromium::{Chromium, Film};
use crate::people::Clinic;
use crate::window::Window;

const PATIENT: &str = "Ada Lovelace";
const PROVIDER: &str = "Dr. Grace Hopper";

/// Records the longest time in milliseconds without a displayed frame of a participant, and whether audio or video was
/// ever missing.
async fn watch(window: &Window, name: &str) {
    let script = format!(
        "(() => {{
            const video = [...probe.all()].find((element) => element.matches('video.remote') && element.ariaLabel === '{name}');
            window.watched = {{ gap: 0, whole: true }};
            let last = performance.now();
            const look = (now) => {{
                window.watched.gap = Math.max(window.watched.gap, now - last);
                last = now;
                if (video.srcObject.getTracks().length !== 2 || video.paused || video.hidden) window.watched.whole = false;
                video.requestVideoFrameCallback(look);
            }};
            video.requestVideoFrameCallback(look);
            return true;
        }})()"
    );
    assert!(window.eval::<bool>(&script).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn an_interpreter_joins_is_seen_and_heard_and_is_taken_out() {
    let clinic = Clinic::alone_with(Chromium::shared()).await;
    let (patient, provider) = clinic.in_call().await;
    watch(&patient, PROVIDER).await;
    watch(&provider, PATIENT).await;

    let (ines, interpreter) = clinic.companion("Ines", "interpreter").await;
    interpreter.stage("connected").await;
    patient.sees_and_hears(&[PROVIDER, "Ines"]).await;
    provider.sees_and_hears(&[PATIENT, "Ines"]).await;
    interpreter.sees_and_hears(&[PROVIDER, PATIENT]).await;
    interpreter.until("await probe.flowing() === 4", "audio and video of two participants").await;
    for window in [&patient, &provider] {
        window.sees("Ines Interpreter").await;
        let (gap, whole): (f64, bool) = window.eval("[watched.gap, watched.whole]").await;
        eprintln!("longest time without a frame while a participant joined: {gap:.0} ms");
        assert!(whole, "the other participant's audio and video never stopped");
        assert!(gap < 5_000.0, "{gap} ms without a frame");
        assert_eq!(window.stage_now().await, "connected");
    }
    provider.sees("Ines (interpreter)").await;
    interpreter.press("Mute").await;
    patient.until("probe.text().includes('Muted, Interpreter')", "that Ines is muted").await;
    interpreter.press("Unmute").await;

    let grace = clinic.server.sign_in(&clinic.server.provider).await;
    let links = format!("/api/appointments/{}/invites/{ines}", clinic.appointment.id);
    assert_eq!(grace.request(Method::DELETE, &links).send().await.status, 200);
    interpreter.sees("You're not signed in any more.").await;
    for window in [&patient, &provider] {
        window.until("!probe.text().includes('Ines Interpreter')", "Ines to leave the page").await;
        window.until("await probe.flowing() === 2", "only the other participant's audio and video").await;
    }
    patient.sees_and_hears(&[PROVIDER]).await;
    provider.sees_and_hears(&[PATIENT]).await;
    clinic.close().await;
}

/// Simulcast layers sent by a page.
const SENT: &str = "[...(await probe.call().stats()).values()].filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')";

/// Three pages: each sends three simulcast layers, and pauses those that no participant displays.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn three_send_the_sizes_that_are_looked_at() {
    // The smallest video for which Chromium sends three layers, at a low frame rate: two cores encode nine streams of
    // it.
    let film = Film { width: 960, height: 540, pictures: 8 };
    let clinic = Clinic::alone_with(Chromium::launch_shell(film, &[])).await;
    let (patient, provider) = clinic.in_call().await;
    let rids = format!("({SENT}).map(({{ rid }}) => rid).sort().join()");
    assert_eq!(
        patient.eval::<String>(&rids).await,
        "",
        "video to a single other participant is sent without simulcast"
    );
    let (_, interpreter) = clinic.companion("Ines", "interpreter").await;
    interpreter.stage("connected").await;
    patient.sees_and_hears(&[PROVIDER, "Ines"]).await;
    provider.sees_and_hears(&[PATIENT, "Ines"]).await;
    interpreter.sees_and_hears(&[PROVIDER, PATIENT]).await;

    // The patient fills the provider's window and is a small tile in the interpreter's.
    let grows = |rid: &str| {
        format!(
            "await (async () => {{
                const sent = async () => ({SENT}).find(({{ rid }}) => rid === '{rid}')?.framesSent ?? 0;
                const before = await sent();
                await new Promise((done) => setTimeout(done, 700));
                return (await sent()) > before;
            }})()"
        )
    };
    for window in [&patient, &provider, &interpreter] {
        window.until(&format!("({rids}) === 'f,h,q'"), "three simulcast layers").await;
    }
    patient.until(&format!("({}) && ({})", grows("q"), grows("f")), "the displayed layers are sent").await;
    patient.until(&format!("!({})", grows("h")), "the unused layer to be paused").await;
    let height = "[...probe.all()].find((element) => element.matches('video.remote') && element.ariaLabel === 'Ada Lovelace').videoHeight";
    provider.until(&format!("{height} >= 480"), "the patient's video at full size").await;
    interpreter.until(&format!("{height} > 0 && {height} <= 180"), "a small video for a small tile").await;
    assert!(interpreter.eval::<bool>("await probe.flowing() === 4").await);

    provider.resize(420, 300).await;
    patient.until(&format!("!({})", grows("f")), "the largest layer to be paused").await;
    provider.until(&format!("{height} < 480"), "a smaller video for a smaller window").await;
    patient.sees_and_hears(&[PROVIDER, "Ines"]).await;
    provider.sees_and_hears(&[PATIENT, "Ines"]).await;
    interpreter.sees_and_hears(&[PROVIDER, PATIENT]).await;
    clinic.close().await;
}

/// Returns a WAV file with two seconds of a voice-like sound: a rough tone in syllables (16 bits, mono).
fn voice() -> Vec<u8> {
    const RATE: u32 = 48_000;
    let sample = |at: u32| {
        let seconds = f64::from(at) / f64::from(RATE);
        let tone = (seconds * 140.0).fract() - 0.5;
        let syllable = (seconds * 3.0 * std::f64::consts::PI).sin().abs();
        // Half of the 16-bit range.
        (tone * syllable * 32_000.0) as i16
    };
    let samples: Vec<u8> = (0..2 * RATE).flat_map(|at| sample(at).to_le_bytes()).collect();
    let length = u32::try_from(samples.len()).expect("short");
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(RATE.to_le_bytes());
    file.extend((2 * RATE).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(length.to_le_bytes());
    [file, samples].concat()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn the_active_speaker_is_shown_to_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("voice.wav");
    std::fs::write(&file, voice()).expect("written");
    let sound = format!("use-file-for-fake-audio-capture={}", file.display());
    let film = Film { width: 320, height: 180, pictures: 10 };
    let clinic = Clinic::alone_with(Chromium::launch_shell(film, &[&sound])).await;
    let (patient, provider) = clinic.in_call().await;
    let (_, interpreter) = clinic.companion("Ines", "interpreter").await;
    interpreter.stage("connected").await;
    patient.press("Mute").await;
    provider.press("Mute").await;
    for window in [&patient, &provider] {
        window.until("probe.text().includes('Speaking, Interpreter')", "that Ines speaks").await;
        let larger = "[...probe.all()].filter((element) => element.matches('.tile--floor.tile--speaks')).length === 1";
        assert!(window.eval::<bool>(larger).await);
    }
    interpreter.press("Mute").await;
    provider.press("Unmute").await;
    patient
        .until("[...probe.all()].some((element) => element.matches('.chip__word--speaks'))", "that the provider speaks")
        .await;
    patient.until("!probe.text().includes('Speaking, Interpreter')", "that Ines does not").await;
    provider.press("Mute").await;
    patient.until("!probe.text().includes('Speaking')", "silence").await;
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn an_observer_is_asked_for_nothing_sends_nothing_and_is_announced() {
    let clinic = Clinic::alone_with(Chromium::shared()).await;
    let (patient, provider) = clinic.both_waiting().await;
    let (_, link) = clinic.server.companion_link(clinic.appointment.id, "Oscar", "observer").await;
    let observer = clinic.profile().await.window().await;
    observer
        .before_each_page(
            "window.asked = 0; const ask = MediaDevices.prototype.getUserMedia; \
             MediaDevices.prototype.getUserMedia = function (...wanted) { window.asked += 1; return ask.apply(this, wanted); };",
        )
        .await;
    observer.open(&link).await;
    observer.press("Join visit").await;
    observer.stage("waiting").await;
    observer.sees("You see and hear; nobody sees or hears you.").await;
    patient.sees("Oscar (observer)").await;

    provider.press(&clinic.start()).await;
    clinic.they_meet(&patient, &provider).await;
    observer.stage("connected").await;
    observer.sees_and_hears(&[PROVIDER, PATIENT]).await;
    observer.sees("You see and hear; nobody sees or hears you.").await;
    let (asked, sent): (f64, f64) = observer.eval("[window.asked, await probe.sending()]").await;
    assert_eq!((asked, sent), (0.0, 0.0));
    for window in [&patient, &provider] {
        window.sees("Sees and hears Oscar Observer").await;
        assert!(!window.eval::<bool>("'Oscar' in (await probe.people())").await);
    }
    provider.sees("Oscar (observer)").await;
    clinic.close().await;
}

/// The patient is late: the provider and the interpreter are connected, and the provider's page says so.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test browser"]
async fn who_comes_before_the_patient_is_with_the_provider() {
    let clinic = Clinic::alone_with(Chromium::shared()).await;
    let provider = clinic.provider().await;
    let (_, interpreter) = clinic.companion("Ines", "interpreter").await;
    interpreter.stage("waiting").await;
    provider.press(&clinic.start()).await;
    provider.stage("calling").await;
    provider.sees("With you already.").await;
    interpreter.stage("connected").await;
    interpreter.sees_and_hears(&[PROVIDER]).await;
    provider.sees_and_hears(&["Ines"]).await;
    let patient = clinic.patient().await;
    clinic.they_meet(&patient, &provider).await;
    patient.sees_and_hears(&[PROVIDER, "Ines"]).await;
    provider.sees_and_hears(&[PATIENT, "Ines"]).await;
    clinic.close().await;
}
