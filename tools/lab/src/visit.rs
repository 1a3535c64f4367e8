//! A visit: the pages of a patient and a provider.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;

use crate::browser::{Browser, PICTURES};
use crate::error::LabError;
use crate::program::{Booking, PASSWORD, Program};
use crate::recording::Recording;
use crate::window::Window;

const PROBE: &str = include_str!("../../../crates/server/tests/browser/probe.js");
const RECORDER: &str = include_str!("recorder.js");
const CAMERA: &str = include_str!("camera.js");
const START: &str = "Start meeting with Ada Lovelace";

/// The size of the fake camera's video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Camera {
    width: u32,
    height: u32,
    pictures: u32,
    noise: bool,
}

impl Camera {
    /// For a single visit.
    pub(crate) const WHOLE: Self = Self { width: 640, height: 360, pictures: PICTURES, noise: false };
    /// For several visits at once.
    pub(crate) const SMALL: Self = Self { width: 320, height: 180, pictures: PICTURES / 2, noise: false };
    /// For video that uses all available bandwidth.
    pub(crate) const NOISE: Self = Self { width: 640, height: 360, pictures: PICTURES / 2, noise: true };

    fn script(self) -> String {
        CAMERA
            .replace("CAMERA_WIDTH", &self.width.to_string())
            .replace("CAMERA_HEIGHT", &self.height.to_string())
            .replace("CAMERA_PICTURES", &self.pictures.to_string())
            .replace("CAMERA_NOISE", &self.noise.to_string())
    }
}

/// The page of one participant.
pub(crate) struct Page {
    /// For reports.
    pub(crate) role: &'static str,
    pub(crate) window: Window,
}

/// A visit with both pages.
pub(crate) struct Visit {
    pub(crate) patient: Page,
    pub(crate) provider: Page,
    pub(crate) booking: Booking,
}

impl Visit {
    /// Books a visit and opens both pages: the patient waits, the provider has not started.
    pub(crate) async fn prepare(
        program: &mut Program,
        browsers: [&Browser; 2],
        camera: Camera,
    ) -> Result<Self, LabError> {
        let booking = program.book()?;
        let [patient, provider] = browsers;
        let patient = Page { role: "patient", window: patient.window().await? };
        let provider = Page { role: "provider", window: provider.window().await? };
        let visit = Self { patient, provider, booking };
        guarded(async {
            for page in visit.pages() {
                page.window.before_each_page(&camera.script()).await;
                page.window.before_each_page(&format!("(() => {{ {PROBE}; {RECORDER} }})()")).await;
            }
            let (patient, provider) = (&visit.patient.window, &visit.provider.window);
            patient.open(&visit.booking.link).await;
            patient.press("Join visit").await;
            patient.stage("waiting").await;
            provider.open(&visit.provider_address()).await;
            provider.sees("Sign in").await;
            provider.fill("email", &visit.booking.email).await;
            provider.fill("password", PASSWORD).await;
            provider.press("Sign in").await;
        })
        .await?;
        visit.both_ready().await?;
        Ok(visit)
    }

    /// Waits until the provider can start and both pages have media connections.
    pub(crate) async fn both_ready(&self) -> Result<(), LabError> {
        guarded(async {
            self.patient.window.stage("waiting").await;
            self.provider.window.stage("idle").await;
            for page in self.pages() {
                page.window.until("await probe.ready()", "the media connection").await;
            }
        })
        .await
    }

    /// Starts the visit and waits until audio and video flow in both directions.
    pub(crate) async fn start(&self) -> Result<(), LabError> {
        self.press_start().await?;
        guarded(async {
            for page in self.pages() {
                page.window.stage("connected").await;
                page.window.sees_and_hears_the_other().await;
            }
        })
        .await
    }

    /// Clicks the start button.
    pub(crate) async fn press_start(&self) -> Result<(), LabError> {
        guarded(self.provider.window.press(START)).await
    }

    /// Ends the visit and opens both pages again.
    pub(crate) async fn end_and_return(&self) -> Result<(), LabError> {
        guarded(async {
            self.provider.window.press("End visit").await;
            self.provider.window.press("End for everyone").await;
            for page in self.pages() {
                page.window.stage("ended").await;
            }
            self.patient.window.press("Back to the waiting room").await;
            self.patient.window.stage("waiting").await;
            // The page of an ended visit has released camera and media; a new page has them.
            self.provider.window.open(&self.provider_address()).await;
        })
        .await?;
        self.both_ready().await
    }

    /// Returns both pages, the patient's first.
    pub(crate) fn pages(&self) -> [&Page; 2] {
        [&self.patient, &self.provider]
    }

    /// Closes both windows without a goodbye, so that seats are held.
    pub(crate) async fn close(self) {
        let _ = guarded(async {
            self.patient.window.close().await;
            self.provider.window.close().await;
        })
        .await;
    }

    fn provider_address(&self) -> String {
        format!("/video-call/provider?appointmentId={}", self.booking.appointment)
    }
}

impl Page {
    /// Returns what the page recorded since `since`.
    pub(crate) async fn recording(&self, since: f64) -> Result<Recording, LabError> {
        self.eval(&format!(
            "(({{ loaded, samples, stages, texts, clicks }}) => {{ \
               const upTo = (list, time) => list.slice(Math.max(0, list.findLastIndex((entry) => time(entry) < {since}))); \
               return {{ loaded, clicks, samples: upTo(samples, (s) => s.at), stages: upTo(stages, (s) => s[0]), \
                 texts: upTo(texts, (t) => t[0]) }}; }})(window.bedsideRecord)"
        ))
        .await
    }

    /// Evaluates an expression in the page. `probe` is available.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, LabError> {
        guarded(self.window.eval(expression)).await
    }

    /// Clicks a button.
    pub(crate) async fn press(&self, name: &str) -> Result<(), LabError> {
        guarded(self.window.press(name)).await
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str, what: &str) -> Result<(), LabError> {
        guarded(self.window.until(condition, what)).await
    }
}

/// Windows of the browser tests panic on timeouts. Converts the panic into an error.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, LabError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        LabError::Stuck(words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
    })
}
