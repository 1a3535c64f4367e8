//! A visit: a patient's page and a provider's, as two people use them.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;

use crate::browser::{Browser, PICTURES};
use crate::error::LabError;
use crate::program::{Booking, PASSWORD, Program};
use crate::recording::Recording;
use crate::window::Window;

const PROBE: &str = include_str!("../../crates/server/tests/browser/probe.js");
const RECORDER: &str = include_str!("recorder.js");
const CAMERA: &str = include_str!("camera.js");
const START: &str = "Start meeting with Ada Lovelace";

/// How large the pictures of a visit are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Camera {
    width: u32,
    height: u32,
    pictures: u32,
    noise: bool,
}

impl Camera {
    /// For one visit alone.
    pub(crate) const WHOLE: Self = Self { width: 640, height: 360, pictures: PICTURES, noise: false };
    /// For one of several visits at once.
    pub(crate) const SMALL: Self = Self { width: 320, height: 180, pictures: PICTURES / 2, noise: false };
    /// For a picture that takes all the bandwidth it is given.
    pub(crate) const NOISE: Self = Self { width: 640, height: 360, pictures: PICTURES / 2, noise: true };

    fn script(self) -> String {
        CAMERA
            .replace("CAMERA_WIDTH", &self.width.to_string())
            .replace("CAMERA_HEIGHT", &self.height.to_string())
            .replace("CAMERA_PICTURES", &self.pictures.to_string())
            .replace("CAMERA_NOISE", &self.noise.to_string())
    }
}

/// One person's page.
pub(crate) struct Page {
    /// For reports.
    pub(crate) role: &'static str,
    pub(crate) window: Window,
}

/// Two people and their visit.
pub(crate) struct Visit {
    pub(crate) patient: Page,
    pub(crate) provider: Page,
    pub(crate) booking: Booking,
}

impl Visit {
    /// Books it, and brings both onto their pages: the patient waits, the provider has not started.
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

    /// Waits until the provider may start, and both have media connections.
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

    /// The provider starts; both see and hear each other.
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

    /// The provider presses the button.
    pub(crate) async fn press_start(&self) -> Result<(), LabError> {
        guarded(self.provider.window.press(START)).await
    }

    /// The provider ends the visit, and both come again.
    pub(crate) async fn end_and_return(&self) -> Result<(), LabError> {
        guarded(async {
            self.provider.window.press("End visit").await;
            self.provider.window.press("End for everyone").await;
            for page in self.pages() {
                page.window.stage("ended").await;
            }
            self.patient.window.press("Back to the waiting room").await;
            self.patient.window.stage("waiting").await;
            // The page of a visit that ended has let go of camera and media: one that is opened anew has them.
            self.provider.window.open(&self.provider_address()).await;
        })
        .await?;
        self.both_ready().await
    }

    /// Both pages, the patient's first.
    pub(crate) fn pages(&self) -> [&Page; 2] {
        [&self.patient, &self.provider]
    }

    /// Closes both windows. Theirs is no goodbye: seats are held.
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
    /// What the page noted since `since`.
    pub(crate) async fn recording(&self, since: f64) -> Result<Recording, LabError> {
        self.eval(&format!(
            "(({{ loaded, samples, stages, texts, clicks }}) => {{ \
               const upTo = (list, time) => list.slice(Math.max(0, list.findLastIndex((entry) => time(entry) < {since}))); \
               return {{ loaded, clicks, samples: upTo(samples, (s) => s.at), stages: upTo(stages, (s) => s[0]), \
                 texts: upTo(texts, (t) => t[0]) }}; }})(window.bedsideRecord)"
        ))
        .await
    }

    /// Evaluates an expression in the page; `probe` is at hand.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T, LabError> {
        guarded(self.window.eval(expression)).await
    }

    /// Presses a button.
    pub(crate) async fn press(&self, name: &str) -> Result<(), LabError> {
        guarded(self.window.press(name)).await
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str, what: &str) -> Result<(), LabError> {
        guarded(self.window.until(condition, what)).await
    }
}

/// The windows of the browser tests panic when they wait in vain; a lab goes on and says so.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, LabError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        LabError::Stuck(words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
    })
}
