//! The time from the click that starts a meeting until both participants see and hear each other.

use std::time::Duration;

use serde::Deserialize;

use crate::chromium::Chromium;
use crate::figures::{Figures, Sample, setting};
use crate::people::Clinic;
use crate::support::When;
use crate::window::Window;

/// A function of `probe` that records events in `bedsideSeen`.
const WATCH: &str = include_str!("watch.js");

/// When a page saw each event, in milliseconds of the wall clock.
#[derive(Debug, Default, Deserialize)]
struct Seen {
    click: Option<f64>,
    stage: Option<f64>,
    drawn: Option<f64>,
    frame: Option<f64>,
    decoded: Option<f64>,
    sound: Option<f64>,
    voice: Option<f64>,
}

const HOW: &str = "ms after the click event; fake camera 15 fps; both pages, server and camera on this machine";
const SOUND: &str = "getStats every 20 ms, which Chromium renews every 50 ms";

/// Samples of the measured times.
#[derive(Default)]
struct Times {
    reacts: Sample,
    drawn: Sample,
    patient_frame: Sample,
    provider_frame: Sample,
    both_frame: Sample,
    both_decoded: Sample,
    both_sound: Sample,
    both_voice: Sample,
}

impl Times {
    fn take(&mut self, click: f64, patient: &Seen, provider: &Seen) {
        let [patient_frame, provider_frame] = [patient.frame, provider.frame].map(|at| at.expect("a frame"));
        self.reacts.add(patient.stage.expect("connected") - click);
        self.drawn.extend(patient.drawn.map(|at| at - click));
        self.patient_frame.add(patient_frame - click);
        self.provider_frame.add(provider_frame - click);
        self.both_frame.add(patient_frame.max(provider_frame) - click);
        let later = |a: Option<f64>, b: Option<f64>| Some(a?.max(b?) - click);
        self.both_decoded.extend(later(patient.decoded, provider.decoded));
        self.both_sound.extend(later(patient.sound, provider.sound));
        self.both_voice.extend(later(patient.voice, provider.voice));
    }

    fn report(&self, figures: &mut Figures, of: &str) {
        let mut spread = |what: &str, sample: &Sample, how: &str| {
            figures.spread(&format!("{of}: {what}"), sample, "ms", how);
        };
        spread("patient's page reacts", &self.reacts, &format!("data-stage is \"connected\"; {HOW}"));
        spread("patient's page is drawn", &self.drawn, "second animation frame after that");
        spread(
            "patient sees the provider",
            &self.patient_frame,
            "first new frame of the visible remote video, polled every 4 ms",
        );
        spread("provider sees the patient", &self.provider_frame, "as above");
        spread("both see", &self.both_frame, "the later of the two");
        spread("both decode", &self.both_decoded, &format!("the later framesDecoded to rise; {SOUND}"));
        spread("both receive sound", &self.both_sound, &format!("the later jitterBufferEmittedCount to rise; {SOUND}"));
        spread(
            "both hear a beep",
            &self.both_voice,
            &format!(
                "the later totalAudioEnergy to rise; {SOUND}; the fake microphone beeps twice a second, so that up to 500 ms are its own"
            ),
        );
    }
}

async fn watch(window: &Window) -> bool {
    window.eval(&format!("await ({WATCH})(probe)")).await
}

async fn seen(window: &Window) -> Seen {
    window
        .until(
            "window.bedsideSeen && ['stage', 'frame', 'decoded', 'sound', 'voice'].every((name) => bedsideSeen[name] !== null)",
            "audio and video of the other",
        )
        .await;
    window.eval("window.bedsideSeen").await
}

/// Varies the time of the click, because beeps and frames are periodic.
async fn pause(trial: usize) {
    let varied = u64::try_from(trial * 137 % 500).expect("small");
    tokio::time::sleep(Duration::from_millis(300 + varied)).await;
}

async fn ready(windows: [&Window; 2]) {
    for window in windows {
        window.until("await probe.ready()", "the media connection").await;
    }
}

async fn end(patient: &Window, provider: &Window) {
    provider.press("End visit").await;
    provider.press("End for everyone").await;
    for window in [patient, provider] {
        window.stage("ended").await;
    }
}

/// Measures one start with both participants present: the time of the click, and what both pages saw.
async fn trial(patient: &Window, provider: &Window, button: &str, times: &mut Times) {
    assert!(watch(patient).await && watch(provider).await, "neither page is connected yet");
    provider.press(button).await;
    let (patient, provider) = (seen(patient).await, seen(provider).await);
    times.take(provider.click.expect("the click was recorded"), &patient, &provider);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn starting_a_meeting() {
    let trials = setting("TRIALS", 25);
    let mut figures = Figures::new("Starting a meeting");
    let clinic = Clinic::alone_with(Chromium::launch_filming(15, &[])).await;
    let (patient, provider) = clinic.both_waiting().await;

    let mut first = Times::default();
    for number in 0..trials {
        ready([&patient, &provider]).await;
        pause(number).await;
        trial(&patient, &provider, &clinic.start(), &mut first).await;
        end(&patient, &provider).await;
        patient.press("Back to the waiting room").await;
        patient.stage("waiting").await;
        // The page of an ended visit has released camera and media connection; a newly opened one has them.
        provider.open(&clinic.page_of("provider")).await;
        provider.stage("idle").await;
    }
    first.report(&mut figures, "Both waiting");

    // Uses the page of the ended visit, which has released the provider's camera and media connection.
    let mut again = Times::default();
    ready([&patient, &provider]).await;
    provider.press(&clinic.start()).await;
    provider.stage("connected").await;
    for number in 0..trials.min(10) {
        end(&patient, &provider).await;
        patient.press("Back to the waiting room").await;
        patient.stage("waiting").await;
        patient.until("await probe.ready()", "the patient's media connection").await;
        provider.stage("idle").await;
        pause(number).await;
        trial(&patient, &provider, &clinic.start(), &mut again).await;
    }
    again.report(&mut figures, "Once more on the page of a visit that ended");
    figures.table();
    clinic.close().await;
}

/// The click navigates to another page, so its time is kept in the session storage.
const KEEP_THE_CLICK: &str = "(addEventListener('click', () => sessionStorage.setItem('bedsideClick', Date.now()), { capture: true, once: true }), true)";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn joining_a_meeting_that_waits() {
    let trials = setting("TRIALS", 25).min(10);
    let mut figures = Figures::new("The provider was first");
    let mut clinic = Clinic::alone_with(Chromium::launch_filming(15, &[])).await;
    let provider = clinic.provider().await;
    let mut times = Times::default();
    let mut late = 0;
    for number in 0..trials {
        if number > 0 {
            clinic.appointment = clinic.server.book(When::Now).await;
            provider.open(&clinic.page_of("provider")).await;
        }
        provider.stage("idle").await;
        provider.until("await probe.ready()", "the provider's media connection").await;
        provider.press(&clinic.start()).await;
        provider.stage("calling").await;
        assert!(watch(&provider).await, "the page is not connected yet");

        // A separate browser profile without cache or open connections, like on a first visit.
        let patient = clinic.profile().await.window().await;
        patient.open(&clinic.server.link(clinic.appointment.id).await).await;
        pause(number).await;
        patient.eval::<bool>(KEEP_THE_CLICK).await;
        patient.press("Join visit").await;
        patient.until("probe.call()?.stats !== undefined", "the call").await;
        if watch(&patient).await {
            let (there, here) = (seen(&patient).await, seen(&provider).await);
            let click: f64 = patient.eval("Number(sessionStorage.getItem('bedsideClick'))").await;
            times.take(click, &there, &here);
        } else {
            late += 1;
            provider.stage("connected").await;
        }
        patient.close().await;
    }
    times.report(&mut figures, "Join pressed, provider calling");
    figures.add(
        "trials excluded above, because the page was faster than the observer",
        late,
        "",
        trials,
        "not included",
    );
    figures.table();
    clinic.close().await;
}
