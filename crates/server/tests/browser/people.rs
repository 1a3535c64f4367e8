//! Actions of patients and providers in the browser.

use bedside::config::Config;
use bedside_visit::{Appointment, CallBackend, UserId};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::chromium::{Chromium, Profile};
use crate::support::double::Double;
use crate::support::{Account, PASSWORD, Server, When, soon};
use crate::window::Window;

/// Shares of a two-core machine. A visit of two participants takes one.
const MACHINE: u32 = 2;
static SHARES: Semaphore = Semaphore::const_new(MACHINE as usize);

/// A clinic with a browser and an appointment that is due.
pub(crate) struct Clinic {
    pub(crate) server: Server,
    pub(crate) chromium: Chromium,
    pub(crate) appointment: Appointment,
    /// The double of CometChat's service, if the clinic uses CometChat.
    pub(crate) double: Option<Double>,
    _share: SemaphorePermit<'static>,
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::seen_with(Chromium::shared(), adjust).await
    }

    /// Uses the full browser, which prompts for permissions.
    pub(crate) async fn in_whole_browser(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::seen_with(Chromium::shared_whole(), adjust).await
    }

    /// For visits with three or more participants, and for measurements: no other test runs at the same time.
    pub(crate) async fn alone_with(chromium: Chromium) -> Self {
        Self::sharing(MACHINE, chromium, |_| {}).await
    }

    async fn seen_with(chromium: Chromium, adjust: impl FnOnce(&mut Config)) -> Self {
        Self::sharing(1, chromium, adjust).await
    }

    async fn sharing(share: u32, chromium: Chromium, adjust: impl FnOnce(&mut Config)) -> Self {
        let share = SHARES.acquire_many(share).await.expect("never closed");
        let server = Server::start_with(adjust).await;
        let appointment = server.book(When::Now).await;
        Self { server, chromium, appointment, double: None, _share: share }
    }

    /// Uses another call backend if it is not the embedded one.
    pub(crate) async fn over(backend: CallBackend) -> Self {
        Self::over_with(backend, |_| {}).await
    }

    pub(crate) async fn over_with(backend: CallBackend, adjust: impl FnOnce(&mut Config)) -> Self {
        if backend == CallBackend::Embedded {
            return Self::with(adjust).await;
        }
        let double = Double::start().await;
        let config = double.config();
        let clinic = Self::with(|all| {
            all.cometchat = Some(config);
            all.visits.call_backend = backend;
            adjust(all);
        });
        Self { double: Some(double), ..clinic.await }
    }

    fn backend(&self) -> CallBackend {
        self.appointment.backend
    }

    pub(crate) async fn close(self) {
        if self.double.is_none() {
            // CometChat's SDK requests more than its document's policy allows, and works without it.
            assert_eq!(self.chromium.complaints(), Vec::<String>::new(), "policy violations reported by the browser");
        }
        self.chromium.close().await;
        self.server.stop().await;
    }

    pub(crate) async fn profile(&self) -> Profile<'_> {
        self.chromium.profile(&self.server.origin).await
    }

    pub(crate) fn page_of(&self, role: &str) -> String {
        format!("/video-call/{role}?appointmentId={}", self.appointment.id)
    }

    /// Opens a link as a patient in a new browser profile, joins, and waits in the waiting room.
    pub(crate) async fn patient(&self) -> Window {
        let window = self.profile().await.window().await;
        self.come_by_link(&window).await;
        window
    }

    pub(crate) async fn come_by_link(&self, window: &Window) {
        window.open(&self.server.link(self.appointment.id).await).await;
        window.press("Join visit").await;
    }

    /// Joins a companion by their own link in a new browser profile.
    pub(crate) async fn companion(&self, name: &str, role: &str) -> (UserId, Window) {
        let (user, link) = self.server.companion_link(self.appointment.id, name, role).await;
        let window = self.profile().await.window().await;
        window.open(&link).await;
        window.press("Join visit").await;
        (user, window)
    }

    /// Signs the provider in and opens the page of the visit.
    pub(crate) async fn provider(&self) -> Window {
        let window = self.profile().await.window().await;
        window.open(&self.page_of("provider")).await;
        sign_in(&window, &self.server.provider).await;
        window
    }

    /// Opens both pages, with the patient waiting.
    pub(crate) async fn both_waiting(&self) -> (Window, Window) {
        let patient = self.patient().await;
        patient.stage("waiting").await;
        let provider = self.provider().await;
        provider.stage("idle").await;
        if self.backend() == CallBackend::Embedded {
            provider.until("await probe.ready()", "the provider's media connection").await;
            patient.until("await probe.ready()", "the patient's media connection").await;
        }
        (patient, provider)
    }

    /// Opens both pages and connects them, so that they see and hear each other.
    pub(crate) async fn in_call(&self) -> (Window, Window) {
        let (patient, provider) = self.both_waiting().await;
        provider.press(&self.start()).await;
        self.they_meet(&patient, &provider).await;
        (patient, provider)
    }

    /// Waits until both are connected over this clinic's call backend.
    pub(crate) async fn they_meet(&self, one: &Window, other: &Window) {
        self.they_meet_over(self.backend(), one, other).await;
    }

    /// Waits until both are connected over a backend: audio and video arrive, or the backend's own video surface is
    /// shown.
    pub(crate) async fn they_meet_over(&self, backend: CallBackend, one: &Window, other: &Window) {
        if backend == CallBackend::Embedded {
            return they_meet(one, other).await;
        }
        for window in [one, other] {
            window.stage("connected").await;
            window.until("probe.surface()", "the call's own video surface").await;
        }
        soon("both in the call", self.in_rooms(2)).await;
    }

    /// Waits until no user is left in a CometChat call.
    pub(crate) async fn the_call_is_empty(&self) {
        soon("an empty call", self.in_rooms(0)).await;
    }

    async fn in_rooms(&self, count: usize) {
        while self.double.as_ref().is_some_and(|double| double.in_rooms() != count) {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn start(&self) -> String {
        format!("Start meeting with {}", self.server.patient.name())
    }
}

/// Fills in and submits the sign-in page.
pub(crate) async fn sign_in(window: &Window, account: &Account) {
    window.sees("Sign in").await;
    window.fill("email", &account.email).await;
    window.fill("password", PASSWORD).await;
    window.press("Sign in").await;
    window.until("location.pathname !== '/sign-in'", "the requested page").await;
}

/// Waits until both are connected and receive each other's audio and video.
pub(crate) async fn they_meet(one: &Window, other: &Window) {
    for window in [one, other] {
        window.stage("connected").await;
        window.sees_and_hears_the_other().await;
    }
}
