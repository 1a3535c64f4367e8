//! Trials of starting a meeting.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::sleep;

use crate::error::LabError;
use crate::lab::{Call, Lab};
use crate::oracle::Devices;
use crate::tally::Outcome;
use crate::visit::Page;

/// A function of `probe` that records what is displayed, in `bedsideSeen`.
const WATCH: &str = include_str!("../../../crates/server/tests/measure/watch.js");

/// Times of displayed events in wall clock milliseconds.
#[derive(Debug, Deserialize)]
struct Seen {
    click: Option<f64>,
    stage: Option<f64>,
    decoded: Option<f64>,
}

/// Opens the pages of both participants for an appointment.
pub(crate) async fn begin(lab: &mut Lab) -> Result<(), LabError> {
    lab.network.heal()?;
    lab.hang_up().await;
    let visit = lab.prepare().await?;
    lab.calls.push(Call { visit, devices: [Devices::ON; 2] });
    Ok(())
}

/// Runs one start. Visits of the same appointment follow each other.
pub(crate) async fn trial(lab: &mut Lab, number: usize) -> Result<Outcome, LabError> {
    if let Some(call) = lab.calls.first()
        && number > 0
    {
        call.visit.end_and_return().await?;
    }
    lab.comings_and_goings().await?;
    let call = lab.calls.first().ok_or_else(|| LabError::Stuck("no patient is waiting".to_owned()))?;
    let [patient, provider] = call.visit.pages();
    for page in [patient, provider] {
        page.eval::<bool>(&format!("await ({WATCH})(probe)")).await?;
    }
    // Camera frames are periodic, so clicks are spread over the period.
    sleep(Duration::from_millis(300 + (number as u64 * 137) % 500)).await;
    call.visit.press_start().await?;
    let (there, here) = (seen(patient).await?, seen(provider).await?);
    let after_click = |at: Option<f64>| Some((at? - here.click?) / 1000.0);
    let decoded = after_click(there.decoded).zip(after_click(here.decoded)).map(|(one, other)| one.max(other));
    let mut outcome = Outcome { values: vec![after_click(there.stage), decoded], ..Outcome::default() };
    let audit = lab.comings_and_goings().await?;
    if !audit.is_empty() {
        outcome.flaws.push(format!("the audit log says {}", audit.join(", ")));
    }
    Ok(outcome)
}

async fn seen(page: &Page) -> Result<Seen, LabError> {
    // Events that do not occur in time stay missing and count as timed out.
    let _ = page
        .until(
            "['stage', 'decoded'].every((name) => window.bedsideSeen?.[name] != null)",
            "the other participant's video",
        )
        .await;
    page.eval("window.bedsideSeen").await
}
