//! Trials of lossy links, in windows of ten seconds at both ends.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock;
use crate::error::LabError;
use crate::fault::{Fault, Losses, Suffers};
use crate::lab::Lab;
use crate::link::{Condition, Conditions};
use crate::oracle::{Devices, Witness};
use crate::tally::Outcome;
use crate::visit::Camera;

const WINDOW: Duration = Duration::from_secs(10);
/// What the ends get to know the link in: a share of loss is reported every five seconds.
const WARM_UP: Duration = Duration::from_secs(10);

/// So many windows; each end of the call is one, for each hears through losses of its own.
pub(crate) async fn trials(
    lab: &mut Lab,
    (fault, losses): (&Fault, Losses),
    count: usize,
) -> Result<Vec<Outcome>, LabError> {
    // What an earlier fault has taught the ends of the network is not to count.
    lab.hang_up().await;
    lab.calls(1, Camera::WHOLE, [Devices::ON; 2]).await?;
    let condition = Condition { loss: losses.share, burst: losses.burst, ..Condition::delayed(40) };
    lab.network.patient_link.set(Conditions::both(condition));
    sleep(WARM_UP).await;
    lab.comings_and_goings().await?;
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        let begin = clock::wall();
        sleep(WINDOW).await;
        let Some(call) = lab.calls.first() else { break };
        let mut both = Vec::new();
        for witness in Witness::both(&call.visit, call.devices, begin).await? {
            let value = observe(losses.suffers, &witness, begin);
            both.push(Outcome { values: vec![value], flaws: witness.flaws(begin).await? });
        }
        let audit = lab.comings_and_goings().await?;
        for (end, mut outcome) in both.into_iter().enumerate() {
            if !audit.is_empty() {
                outcome.flaws.push(format!("the audit log says {}", audit.join(", ")));
            }
            if !outcome.flaws.is_empty() || outcome.values[0].is_none() {
                let name = format!("{}-{}-{end}", fault.name, outcomes.len());
                crate::evidence::keep(lab, 0, &name, &outcome, begin, begin).await;
            }
            outcomes.push(outcome);
        }
    }
    outcomes.truncate(count);
    lab.network.heal()?;
    Ok(outcomes)
}

fn observe(suffers: Suffers, witness: &Witness<'_>, begin: f64) -> Option<f64> {
    let end = begin + WINDOW.as_secs_f64() * 1000.0;
    let recording = &witness.recording;
    if suffers == Suffers::Picture {
        return Some(recording.frozen(begin, end));
    }
    let heard = recording.rose(|sample| sample.heard, begin, end);
    (heard > 0.0).then(|| recording.rose(|sample| sample.concealed, begin, end) / heard * 100.0)
}
