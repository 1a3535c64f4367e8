//! The running lab: network, server, browsers and current visits.

use std::time::Duration;

use bedside_store::{SqliteStore, Store as _};
use tokio::time::sleep;

use crate::browser::Browser;
use crate::clock::{self, Deadline};
use crate::error::LabError;
use crate::network::Network;
use crate::oracle::{Devices, Witness};
use crate::program::Program;
use crate::visit::{Camera, Visit};

/// How long a call may take to run smoothly before it is replaced.
const SMOOTH_WITHIN: Duration = Duration::from_secs(20);
/// How often a call that does not run smoothly is replaced.
const ATTEMPTS: usize = 3;
/// How often pages are polled. They record times themselves.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(400);
/// Audit actions that must not occur while no user joins or leaves.
const COMINGS_AND_GOINGS: [&str; 6] =
    ["visit.entered", "visit.left", "visit.seat_expired", "visit.seat_moved", "visit.ended", "visit.missed"];

/// A visit, and the devices that are on.
pub(crate) struct Call {
    pub(crate) visit: Visit,
    pub(crate) devices: [Devices; 2],
}

/// The whole lab. Fields are dropped in order.
pub(crate) struct Lab {
    pub(crate) calls: Vec<Call>,
    camera: Camera,
    browsers: [Browser; 2],
    store: SqliteStore,
    audit_read: i64,
    pub(crate) program: Program,
    pub(crate) network: Network,
}

impl Lab {
    /// Builds the network, and starts the server and two browsers.
    pub(crate) async fn open(seed: u64) -> Result<Self, LabError> {
        let network = Network::build(seed)?;
        let program = Program::start(&network.server)?;
        let browsers = [Browser::launch(&network.patient).await?, Browser::launch(&network.provider).await?];
        let store = SqliteStore::open(&program.database()).await.map_err(|e| LabError::Stuck(e.to_string()))?;
        Ok(Self { calls: Vec::new(), camera: Camera::WHOLE, browsers, store, audit_read: 0, program, network })
    }

    /// Closes the browsers gracefully. Dropping does the rest and is sufficient on its own.
    pub(crate) async fn close(mut self) {
        self.hang_up().await;
        let Self { browsers, store, .. } = self;
        for browser in browsers {
            browser.close().await;
        }
        store.close().await;
    }

    /// Ensures that `count` calls run smoothly with exactly these devices on, reusing current calls if possible.
    pub(crate) async fn calls(&mut self, count: usize, camera: Camera, devices: [Devices; 2]) -> Result<(), LabError> {
        for _ in 0..ATTEMPTS {
            self.connected(count, camera).await?;
            for call in &mut self.calls {
                call.switch(devices).await?;
            }
            if self.run_smoothly().await? {
                return Ok(());
            }
            self.hang_up().await;
        }
        Err(LabError::Stuck("the call does not run smoothly after switching a device".to_owned()))
    }

    async fn connected(&mut self, count: usize, camera: Camera) -> Result<(), LabError> {
        self.network.heal()?;
        let fits = self.calls.len() == count && self.camera == camera;
        if fits && self.go_by_udp().await.unwrap_or(false) && self.run_smoothly().await.unwrap_or(false) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            self.hang_up().await;
            self.camera = camera;
            for _ in 0..count {
                let visit = self.prepare().await?;
                visit.start().await?;
                self.calls.push(Call { visit, devices: [Devices::ON; 2] });
            }
            if self.run_smoothly().await? {
                return Ok(());
            }
        }
        Err(LabError::Stuck("calls do not run smoothly even without a fault".to_owned()))
    }

    /// Opens the pages of a new visit that has not started.
    pub(crate) async fn prepare(&mut self) -> Result<Visit, LabError> {
        let [patient, provider] = &self.browsers;
        Visit::prepare(&mut self.program, [patient, provider], self.camera).await
    }

    /// Closes all windows.
    pub(crate) async fn hang_up(&mut self) {
        for call in self.calls.drain(..) {
            call.visit.close().await;
        }
    }

    /// Returns whether all media uses UDP. Calls that a fault has moved to TCP cannot be reused.
    async fn go_by_udp(&self) -> Result<bool, LabError> {
        for page in self.calls.iter().flat_map(|call| call.visit.pages()) {
            if page.eval::<String>("await probe.protocol()").await? != "udp" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until all media arrives without gaps.
    async fn run_smoothly(&self) -> Result<bool, LabError> {
        let deadline = Deadline::after(SMOOTH_WITHIN);
        let since = clock::wall();
        for call in &self.calls {
            loop {
                let now = clock::wall();
                let witnesses = Witness::both(&call.visit, call.devices, (now - 2000.0).max(since - 500.0)).await?;
                let smooth = |witness: &Witness<'_>| witness.longest_gap(now - 1500.0, now) < 400.0;
                if now - since > 1500.0 && witnesses.iter().all(smooth) {
                    break;
                }
                if deadline.is_past() {
                    return Ok(false);
                }
                sleep(ASK_EVERY).await;
            }
        }
        Ok(true)
    }

    /// Returns joins and departures in the audit log since the last call.
    pub(crate) async fn comings_and_goings(&mut self) -> Result<Vec<String>, LabError> {
        let rows =
            self.store.list_audit(self.audit_read, 10_000).await.map_err(|error| LabError::Stuck(error.to_string()))?;
        self.audit_read = rows.last().map_or(self.audit_read, |row| row.sequence);
        Ok(rows.into_iter().map(|row| row.action).filter(|code| COMINGS_AND_GOINGS.contains(&code.as_str())).collect())
    }
}

impl Call {
    /// Clicks the buttons needed so that exactly these devices are on.
    async fn switch(&mut self, wanted: [Devices; 2]) -> Result<(), LabError> {
        let [patient, provider] = self.visit.pages();
        for (page, other, index) in [(patient, provider, 0), (provider, patient, 1)] {
            let (now, wanted) = (self.devices[index], wanted[index]);
            if now.microphone != wanted.microphone {
                page.press(if wanted.microphone { "Unmute" } else { "Mute" }).await?;
                other.until(&format!("probe.text().includes('Muted') === {}", !wanted.microphone), "the mute").await?;
            }
            if now.camera != wanted.camera {
                page.press(if wanted.camera { "Start camera" } else { "Stop camera" }).await?;
                other
                    .until(&format!("probe.text().includes('camera is off') === {}", !wanted.camera), "the camera")
                    .await?;
            }
            self.devices[index] = wanted;
        }
        Ok(())
    }
}
