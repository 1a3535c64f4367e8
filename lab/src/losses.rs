//! Trials of lossy links, in windows of ten seconds at both ends.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock;
use crate::error::LabError;
use crate::fault::Fault;
use crate::lab::Lab;
use crate::link::{Condition, Conditions};
use crate::oracle::Witness;
use crate::tally::Outcome;
use crate::visit::Camera;

const WINDOW: Duration = Duration::from_secs(10);
/// What the ends get to know the link in.
const WARM_UP: Duration = Duration::from_secs(5);

/// So many windows; each end of the call is one, for each hears through losses of its own.
pub(crate) async fn trials(lab: &mut Lab, fault: Fault, count: usize) -> Result<Vec<Outcome>, LabError> {
    lab.calls(1, Camera::WHOLE).await?;
    lab.network.patient_link.set(Conditions::both(condition(fault)));
    sleep(WARM_UP).await;
    lab.comings_and_goings().await?;
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        let begin = clock::wall();
        sleep(WINDOW).await;
        let Some(call) = lab.calls.first() else { break };
        let mut both = Vec::new();
        for witness in Witness::both(&call.visit, call.devices, begin).await? {
            let value = observe(fault, &witness, begin);
            both.push(Outcome { values: vec![value], flaws: witness.flaws(begin).await? });
        }
        let audit = lab.comings_and_goings().await?;
        for (end, mut outcome) in both.into_iter().enumerate() {
            if !audit.is_empty() {
                outcome.flaws.push(format!("the audit log says {}", audit.join(", ")));
            }
            if !outcome.flaws.is_empty() || outcome.values[0].is_none() {
                let name = format!("{}-{}-{end}", fault.name(), outcomes.len());
                crate::evidence::keep(lab, 0, &name, &outcome, begin, begin).await;
            }
            outcomes.push(outcome);
        }
    }
    outcomes.truncate(count);
    lab.network.heal()?;
    Ok(outcomes)
}

fn condition(fault: Fault) -> Condition {
    let (loss, burst) = match fault {
        Fault::AudioLoss20 => (0.2, 2.0),
        Fault::AudioLoss30 => (0.3, 2.0),
        _ => (0.1, 1.0),
    };
    Condition { loss, burst, ..Condition::delayed(40) }
}

fn observe(fault: Fault, witness: &Witness<'_>, begin: f64) -> Option<f64> {
    let end = begin + WINDOW.as_secs_f64() * 1000.0;
    let recording = &witness.recording;
    if fault == Fault::VideoLoss10 {
        // A freeze counts once it is over: one that lasts is as long as nothing new came.
        let standing = recording.longest_gap(|sample| sample.frames, begin, end) / 1000.0;
        let frozen = recording.rose(|sample| sample.frozen, begin, end);
        return Some(if standing > 1.0 { frozen.max(standing) } else { frozen });
    }
    let heard = recording.rose(|sample| sample.heard, begin, end);
    (heard > 0.0).then(|| recording.rose(|sample| sample.concealed, begin, end) / heard * 100.0)
}
