//! Checks of each trial: no clicks, no participant treated as gone, no device turned on.

use crate::error::LabError;
use crate::recording::{Counter, Recording};
use crate::visit::{Page, Visit};

/// The devices that are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Devices {
    pub(crate) microphone: bool,
    pub(crate) camera: bool,
}

impl Devices {
    pub(crate) const ON: Self = Self { microphone: true, camera: true };

    /// Returns the counters that must increase at a page that receives this media.
    pub(crate) fn counters(self) -> Vec<Counter> {
        let mut counters: Vec<Counter> = Vec::new();
        if self.camera {
            counters.push(|sample| sample.frames);
        }
        if self.microphone {
            counters.push(|sample| sample.sound);
        }
        counters
    }
}

/// Audio with less total energy than this is silence; two beeps have a hundred times as much.
const SILENCE: f64 = 0.000_1;
/// Audio sent before muting may arrive for this many milliseconds.
const LAST_WORDS: f64 = 500.0;

/// A participant's page, the devices that were on there, and those of the other participant.
pub(crate) struct Witness<'a> {
    pub(crate) page: &'a Page,
    pub(crate) own: Devices,
    pub(crate) other: Devices,
    pub(crate) recording: Recording,
}

impl<'a> Witness<'a> {
    /// Reads what both pages recorded since `since`.
    pub(crate) async fn both(
        visit: &'a Visit,
        [patient, provider]: [Devices; 2],
        since: f64,
    ) -> Result<[Self; 2], LabError> {
        let [left, right] = visit.pages();
        let recordings = (left.recording(since).await?, right.recording(since).await?);
        Ok([
            Self { page: left, own: patient, other: provider, recording: recordings.0 },
            Self { page: right, own: provider, other: patient, recording: recordings.1 },
        ])
    }

    /// Returns the milliseconds from `since` until all media of the other participant has resumed.
    pub(crate) fn resumed(&self, since: f64) -> Option<f64> {
        let waits = self.other.counters().into_iter().map(|counter| self.recording.resumed(counter, since));
        waits.collect::<Option<Vec<f64>>>().map(|waits| waits.into_iter().fold(0.0, f64::max))
    }

    /// Returns the longest gap in any media of the other participant, in milliseconds.
    pub(crate) fn longest_gap(&self, from: f64, to: f64) -> f64 {
        let gaps = self.other.counters().into_iter().map(|counter| self.recording.longest_gap(counter, from, to));
        gaps.fold(0.0, f64::max)
    }

    /// Returns all failed checks from `begin` until now.
    pub(crate) async fn flaws(&self, begin: f64) -> Result<Vec<String>, LabError> {
        let mut flaws = self.noted(begin);
        let Self { page, own, .. } = self;
        // Media may resume before the page has noticed that its signalling connection is dead.
        let settled = "probe.stage() === 'connected' && probe.call().dataset.transport === 'open'";
        let _ = page.until(settled, "the page to settle").await;
        let stands: Standing = page
            .eval(
                "({ stage: probe.stage(), transport: probe.call().dataset.transport, \
                    mute: probe.find('Mute') !== null, unmute: probe.find('Unmute') !== null, \
                    stop: probe.find('Stop camera') !== null, start: probe.find('Start camera') !== null, \
                    remotes: [...probe.all()].filter((e) => e.matches('video.remote') && e.srcObject).map( \
                      (e) => e.srcObject.getTracks().map((t) => t.kind).sort().join('+')).join(' ') })",
            )
            .await?;
        if (stands.stage.as_str(), stands.transport.as_str()) != ("connected", "open") {
            flaws.push(format!("is at stage {} with transport {}", stands.stage, stands.transport));
        }
        if (stands.mute, stands.unmute) != (own.microphone, !own.microphone) {
            flaws.push(format!("microphone is no longer {}", on(own.microphone)));
        }
        if (stands.stop, stands.start) != (own.camera, !own.camera) {
            flaws.push(format!("camera is no longer {}", on(own.camera)));
        }
        if stands.remotes != "audio+video" {
            flaws.push(format!("does not show exactly one participant: {:?}", stands.remotes));
        }
        flaws.iter_mut().for_each(|flaw| flaw.insert_str(0, &format!("{}: ", page.role)));
        Ok(flaws)
    }

    /// Returns the times at which a page showed the other participant as reconnecting.
    pub(crate) fn doubts(&self, begin: f64) -> Vec<String> {
        let stages = self.recording.stages.iter().filter(|(at, stage, _)| *at > begin && stage == "reconnecting");
        let role = self.page.role;
        stages
            .map(|(at, ..)| {
                format!("{role}: showed the other participant as reconnecting after {:.1} s", (at - begin) / 1000.0)
            })
            .collect()
    }

    /// Returns failed checks from the page's recording.
    fn noted(&self, begin: f64) -> Vec<String> {
        let Self { recording, other, .. } = self;
        let mut flaws = Vec::new();
        let clicks = recording.clicks.iter().filter(|at| **at > begin).count();
        if clicks > 0 {
            flaws.push(format!("{clicks} clicks"));
        }
        if recording.loaded > begin {
            flaws.push("was reloaded".to_owned());
        }
        for (_, stage, _) in recording.stages.iter().filter(|(at, ..)| *at > begin) {
            if !["connected", "reconnecting", "loading"].contains(&stage.as_str()) {
                flaws.push(format!("was at the stage {stage:?}"));
            }
        }
        for (_, text) in recording.texts.iter().filter(|(at, text)| *at > begin && text.contains("left the visit")) {
            flaws.push(format!("said {text:?}"));
        }
        let now = recording.samples.last().map_or(begin, |sample| sample.at);
        let energy = recording.rose(|sample| sample.energy, begin + LAST_WORDS, now);
        if !other.microphone && energy > SILENCE {
            flaws.push(format!("received audio from a muted participant (energy {energy:.4})"));
        }
        let frames = recording.rose(|sample| sample.frames, begin + LAST_WORDS, now);
        // Both are required: an overloaded page decodes video it received much earlier.
        let bytes = recording.rose(|sample| sample.bytes, begin + LAST_WORDS, now);
        if !other.camera && frames > 0.0 && bytes > 0.0 {
            flaws.push(format!("decoded {frames} frames of a camera that is off"));
        }
        flaws
    }
}

#[derive(serde::Deserialize)]
struct Standing {
    stage: String,
    transport: String,
    mute: bool,
    unmute: bool,
    stop: bool,
    start: bool,
    remotes: String,
}

fn on(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
