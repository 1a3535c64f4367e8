//! Trials with temporarily reduced bandwidth.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::{self, Deadline};
use crate::error::LabError;
use crate::fault::{Fault, Way};
use crate::lab::{ASK_EVERY, Lab};
use crate::link::{Condition, Conditions};
use crate::network::PATIENT_LINK;
use crate::oracle::{Devices, Witness};
use crate::recording::Recording;
use crate::tally::Outcome;
use crate::visit::{Camera, Page};

/// The reduced bandwidth in kbit/s, and the queue size in bytes.
const LEFT: (u32, usize) = (300, 32 * 1024);
const LASTS: Duration = Duration::from_secs(10);
/// Share of the previous bitrate at which the video counts as recovered.
const ENOUGH: f64 = 0.9;
/// How long the bitrate may take to become steady before a trial.
const STEADY_WITHIN: Duration = Duration::from_secs(45);
/// Bitrates are averaged over this many milliseconds.
const MEAN: f64 = 1000.0;

/// Runs one trial.
pub(crate) async fn trial(
    lab: &mut Lab,
    (fault, way): (&Fault, Way),
    number: usize,
    patience: Duration,
) -> Result<Outcome, LabError> {
    lab.calls(1, Camera::NOISE, [Devices::ON; 2]).await?;
    let before = steady_bitrate(receiver(lab, way)?).await?;
    lab.comings_and_goings().await?;
    let begin = clock::wall();
    let narrow = |wide: Condition| Condition { rate: Some(LEFT.0), queue: LEFT.1, ..wide };
    lab.network.patient_link.set(match way {
        Way::Up => Conditions { up: narrow(PATIENT_LINK.up), ..PATIENT_LINK },
        Way::Down => Conditions { down: narrow(PATIENT_LINK.down), ..PATIENT_LINK },
    });
    sleep(LASTS).await;
    lab.network.heal()?;
    let since = clock::wall();

    let frozen = receiver(lab, way)?.recording(begin).await?.frozen(begin, since);
    let value = regained(receiver(lab, way)?, before, since, patience).await?;
    let mut flaws = Vec::new();
    if let Some(call) = lab.calls.first() {
        for witness in Witness::both(&call.visit, call.devices, begin).await? {
            flaws.extend(witness.flaws(begin).await?);
        }
    }
    let audit = lab.comings_and_goings().await?;
    if !audit.is_empty() {
        flaws.push(format!("the audit log says {}", audit.join(", ")));
    }
    let outcome = Outcome { values: vec![value, Some(frozen)], flaws, ..Outcome::default() };
    if value.is_none_or(|seconds| seconds > 10.0) || !outcome.flaws.is_empty() {
        let name = format!("{}-{number}", fault.name);
        crate::evidence::keep(lab, 0, &name, &outcome, begin, since).await;
    }
    if value.is_none() {
        lab.hang_up().await;
    }
    Ok(outcome)
}

/// Returns the page that receives the media affected by the reduced bandwidth.
fn receiver(lab: &Lab, way: Way) -> Result<&Page, LabError> {
    let call = lab.calls.first().ok_or_else(|| LabError::Stuck("no call".to_owned()))?;
    let [patient, provider] = call.visit.pages();
    Ok(match way {
        Way::Up => provider,
        Way::Down => patient,
    })
}

/// Returns the bitrate (bytes per millisecond) once it no longer increases.
async fn steady_bitrate(page: &Page) -> Result<f64, LabError> {
    let deadline = Deadline::after(STEADY_WITHIN);
    loop {
        let now = clock::wall();
        let recording = page.recording(now - 11_000.0).await?;
        let bytes = |from: f64, to: f64| recording.rose(|sample| sample.bytes, now - from, now - to);
        let (earlier, lately) = (bytes(10_000.0, 5000.0), bytes(5000.0, 0.0));
        let long_enough = recording.samples.first().is_some_and(|sample| sample.at < now - 10_000.0);
        if deadline.is_past() || (long_enough && lately < earlier * 1.05) {
            return Ok(lately / 5000.0);
        }
        sleep(ASK_EVERY).await;
    }
}

/// Returns the seconds until the bitrate has nearly recovered.
async fn regained(page: &Page, before: f64, since: f64, patience: Duration) -> Result<Option<f64>, LabError> {
    let deadline = Deadline::after(patience);
    while !deadline.is_past() {
        let recording = page.recording(since - 500.0).await?;
        if let Some(at) = reaches(&recording, before * ENOUGH, since) {
            return Ok(Some((at - since) / 1000.0));
        }
        sleep(ASK_EVERY).await;
    }
    Ok(None)
}

/// Returns when the mean bitrate first reached `wanted`.
fn reaches(recording: &Recording, wanted: f64, since: f64) -> Option<f64> {
    let ends = recording.samples.iter().map(|sample| sample.at).filter(|at| *at >= since + MEAN);
    ends.into_iter().find(|at| recording.rose(|sample| sample.bytes, at - MEAN, *at) / MEAN >= wanted)
}
