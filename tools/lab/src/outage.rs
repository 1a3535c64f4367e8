//! Trials that interrupt a running call.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::{self, Deadline};
use crate::error::LabError;
use crate::fault::{Fault, Outage};
use crate::lab::{ASK_EVERY, Lab};
use crate::link::{Condition, Conditions};
use crate::network::{PATIENT_LINK, Transport};
use crate::oracle::{Devices, Witness};
use crate::tally::Outcome;
use crate::visit::{Camera, Visit};

/// The largest packet that passes, bytes with all headers.
const SMALL_MTU: u16 = 1_200;
const ONE_WAY: Duration = Duration::from_secs(8);
const SIGNALLING_CUT: Duration = Duration::from_secs(12);
/// How long after a signalling interruption the media is observed.
const AFTERMATH: f64 = 5000.0;

/// Runs one trial and returns an outcome per visit.
pub(crate) async fn trial(
    lab: &mut Lab,
    (fault, outage): (&Fault, Outage),
    number: usize,
    patience: Duration,
) -> Result<Vec<Outcome>, LabError> {
    let camera = if outage.visits() == 1 { Camera::WHOLE } else { Camera::SMALL };
    let devices = devices(number);
    lab.calls(outage.visits(), camera, devices).await?;
    lab.comings_and_goings().await?;

    let begin = clock::wall();
    let since = strike(lab, outage).await?;
    let mut outcomes = Vec::new();
    for call in &lab.calls {
        let value = if outage == Outage::SignallingCut {
            stands_still(&call.visit, call.devices, begin, since, patience).await?
        } else {
            comes_back(&call.visit, call.devices, since, patience).await?
        };
        let mut flaws = Vec::new();
        for witness in Witness::both(&call.visit, call.devices, begin).await? {
            flaws.extend(witness.flaws(begin).await?);
            if outage == Outage::SignallingCut {
                flaws.extend(witness.doubts(begin));
            }
        }
        if matches!(outage, Outage::UdpBlocked | Outage::SmallMtu) && value.is_some() {
            let protocol: String = call.visit.patient.eval("await probe.protocol()").await?;
            if protocol != "tcp" {
                flaws.push(format!("media uses {protocol:?}"));
            }
        }
        let values = vec![value.map(|milliseconds| milliseconds / 1000.0)];
        outcomes.push(Outcome { values, flaws, ..Outcome::default() });
    }
    let audit = lab.comings_and_goings().await?;
    if !audit.is_empty() {
        outcomes[0].flaws.push(format!("the audit log says {}", audit.join(", ")));
    }
    for (visit, outcome) in outcomes.iter().enumerate() {
        let late = outcome.values[0].is_none_or(|it| fault.figures[0].p95.is_some_and(|bar| it > bar));
        if late || !outcome.flaws.is_empty() {
            let name = format!("{}-{number}-{visit}", fault.name);
            crate::evidence::keep(lab, visit, &name, outcome, begin, since).await;
        }
    }
    if outcomes.iter().any(|outcome| outcome.values[0].is_none()) {
        lab.hang_up().await;
    }
    lab.network.heal()?;
    Ok(outcomes)
}

/// Every third trial has a muted patient, and every third the provider's camera off, which must not change.
fn devices(number: usize) -> [Devices; 2] {
    match number % 3 {
        1 => [Devices { microphone: false, ..Devices::ON }, Devices::ON],
        2 => [Devices::ON, Devices { camera: false, ..Devices::ON }],
        _ => [Devices::ON; 2],
    }
}

/// Causes the outage, ends it after its duration, and returns the time from which to measure.
async fn strike(lab: &mut Lab, outage: Outage) -> Result<f64, LabError> {
    match outage {
        Outage::NatRebind => return lab.network.rebind(&[Transport::Udp]),
        Outage::NatRebindTcp => return lab.network.rebind(&[Transport::Udp, Transport::Tcp]),
        Outage::AddressChange => return lab.network.move_patient(),
        Outage::UdpBlocked => return lab.network.block(&[Transport::Udp]),
        Outage::SmallMtu => return lab.network.drop_large_datagrams(SMALL_MTU),
        Outage::ServerKill => return lab.program.crash(&lab.network.server),
        Outage::Partition(lasts) => {
            lab.network.patient_link.set(PATIENT_LINK.cut());
            sleep(lasts).await;
            lab.network.heal()?;
        }
        Outage::OneWay => {
            let up = Condition { down: true, ..PATIENT_LINK.up };
            lab.network.patient_link.set(Conditions { up, ..PATIENT_LINK });
            sleep(ONE_WAY).await;
            lab.network.heal()?;
        }
        Outage::SignallingCut => {
            lab.network.block(&[Transport::Tcp])?;
            sleep(SIGNALLING_CUT).await;
            lab.network.heal()?;
        }
    }
    Ok(clock::wall())
}

/// Returns the milliseconds until all media has resumed permanently at both ends.
async fn comes_back(
    visit: &Visit,
    devices: [Devices; 2],
    since: f64,
    patience: Duration,
) -> Result<Option<f64>, LabError> {
    let deadline = Deadline::after(patience);
    while !deadline.is_past() {
        let witnesses = Witness::both(visit, devices, since - 500.0).await?;
        if let [Some(one), Some(other)] = witnesses.each_ref().map(|witness| witness.resumed(since)) {
            return Ok(Some(one.max(other)));
        }
        sleep(ASK_EVERY).await;
    }
    Ok(None)
}

/// Returns the longest media gap from the interruption until some time after it, once both pages have reconnected.
async fn stands_still(
    visit: &Visit,
    devices: [Devices; 2],
    begin: f64,
    since: f64,
    patience: Duration,
) -> Result<Option<f64>, LabError> {
    let deadline = Deadline::after(patience);
    while !deadline.is_past() {
        let mut open = clock::wall() > since + AFTERMATH + 500.0;
        for page in visit.pages() {
            open &= page.eval::<bool>("probe.call().dataset.transport === 'open'").await?;
        }
        if open {
            let witnesses = Witness::both(visit, devices, begin - 500.0).await?;
            let gaps = witnesses.iter().map(|witness| witness.longest_gap(begin, since + AFTERMATH));
            return Ok(Some(gaps.fold(0.0, f64::max)));
        }
        sleep(ASK_EVERY).await;
    }
    Ok(None)
}
