//! Trials with packet loss, in windows of ten seconds at both ends.

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
/// Time for both ends to adapt to the link; loss is reported every five seconds.
const WARM_UP: Duration = Duration::from_secs(10);

/// Starts a call on such a link and waits until both ends have adapted.
pub(crate) async fn begin(lab: &mut Lab, losses: Losses) -> Result<(), LabError> {
    // Estimates from an earlier fault must not count.
    lab.hang_up().await;
    lab.calls(1, Camera::WHOLE, [Devices::ON; 2]).await?;
    let condition = Condition { loss: losses.share, burst: losses.burst, ..Condition::delayed(40) };
    lab.network.patient_link.set(Conditions::both(condition));
    sleep(WARM_UP).await;
    Ok(())
}

/// Measures one window. Each end of the call is a trial, because each has its own packet loss.
pub(crate) async fn trial(
    lab: &mut Lab,
    (fault, losses): (&Fault, Losses),
    number: usize,
) -> Result<Vec<Outcome>, LabError> {
    lab.comings_and_goings().await?;
    let begin = clock::wall();
    sleep(WINDOW).await;
    let call = lab.calls.first().ok_or_else(|| LabError::Stuck("no call".to_owned()))?;
    let mut outcomes = Vec::new();
    for witness in Witness::both(&call.visit, call.devices, begin).await? {
        let values = vec![observe(losses.suffers, &witness, begin)];
        outcomes.push(Outcome { values, flaws: witness.flaws(begin).await?, ..Outcome::default() });
    }
    let audit = lab.comings_and_goings().await?;
    for (end, outcome) in outcomes.iter_mut().enumerate() {
        if !audit.is_empty() {
            outcome.flaws.push(format!("the audit log says {}", audit.join(", ")));
        }
        if !outcome.flaws.is_empty() || outcome.values[0].is_none() {
            let name = format!("{}-{number}-{end}", fault.name);
            crate::evidence::keep(lab, 0, &name, outcome, begin, begin).await;
        }
    }
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
