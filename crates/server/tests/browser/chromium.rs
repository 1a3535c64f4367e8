//! A real Chromium with a fake camera and microphone.
//!
//! One process serves all tests of a test program: a browser context keeps each person's cookies and permissions apart. A
//! test that needs other arguments starts a process of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::cdp::Cdp;
use crate::window::Window;

/// Without `--use-fake-ui-for-media-stream`: it would let every denied permission through.
const ARGUMENTS: [&str; 17] = [
    "headless=new",
    "no-sandbox",
    "ignore-certificate-errors",
    "disable-gpu",
    "disable-quic",
    "disable-dev-shm-usage",
    "no-first-run",
    "no-default-browser-check",
    "disable-background-networking",
    "disable-background-timer-throttling",
    "disable-backgrounding-occluded-windows",
    "disable-renderer-backgrounding",
    "disable-component-update",
    "disable-sync",
    "disable-extensions",
    "metrics-recording-only",
    "password-store=basic",
];

/// The process that tests share. It ends with the test program, whose pipe it reads.
static SHARED: Mutex<Option<Arc<Cdp>>> = Mutex::new(None);

/// One test's part of a browser process: the contexts that it made, and what the browser said about their pages.
pub(crate) struct Chromium {
    cdp: Arc<Cdp>,
    is_shared: bool,
    contexts: Mutex<Vec<String>>,
    complaints: Arc<Mutex<Vec<String>>>,
}

/// One person's browser: cookies of its own.
pub(crate) struct Profile<'a> {
    chromium: &'a Chromium,
    context: String,
    origin: String,
}

impl Chromium {
    /// The browser that tests share.
    pub(crate) fn shared() -> Self {
        let mut shared = lock(&SHARED);
        let running = shared.take().filter(|cdp| cdp.is_alive());
        let cdp = Arc::clone(shared.insert(running.unwrap_or_else(|| start(15, &[]))));
        Self::on(cdp, true)
    }

    /// A process of its own.
    pub(crate) fn launch() -> Self {
        Self::launch_filming(15, &[])
    }

    /// A process of its own, with a camera of so many pictures a second, and other arguments beside the usual ones.
    pub(crate) fn launch_filming(pictures: u32, others: &[&str]) -> Self {
        Self::on(start(pictures, others), false)
    }

    fn on(cdp: Arc<Cdp>, is_shared: bool) -> Self {
        Self { cdp, is_shared, contexts: Mutex::default(), complaints: Arc::default() }
    }

    /// A person's browser, with camera and microphone granted to `origin`.
    pub(crate) async fn profile(&self, origin: &str) -> Profile<'_> {
        let profile = self.bare_profile(origin).await;
        profile.answer("granted").await;
        profile
    }

    /// A person's browser that has not been asked for anything.
    pub(crate) async fn bare_profile(&self, origin: &str) -> Profile<'_> {
        let made = self.cdp.execute("Target.createBrowserContext", json!({})).await.expect("a browser context");
        let context = made["browserContextId"].as_str().expect("an id").to_owned();
        lock(&self.contexts).push(context.clone());
        Profile { chromium: self, context, origin: origin.to_owned() }
    }

    /// What the browser held against our own headers, in any window of this test.
    pub(crate) fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    /// Closes all windows. A process of its own ends with them.
    pub(crate) async fn close(self) {
        for context in std::mem::take(&mut *lock(&self.contexts)) {
            let dispose = self.cdp.execute("Target.disposeBrowserContext", json!({ "browserContextId": context }));
            dispose.await.expect("the windows close");
        }
    }
}

/// A test that failed leaves no call running beside the next one.
impl Drop for Chromium {
    fn drop(&mut self) {
        for context in lock(&self.contexts).iter() {
            self.cdp.post("Target.disposeBrowserContext", json!({ "browserContextId": context }));
        }
        if !self.is_shared {
            self.cdp.close();
        }
    }
}

impl Profile<'_> {
    /// A window of this browser.
    pub(crate) async fn window(&self) -> Window {
        let cdp = &self.chromium.cdp;
        let target = json!({ "url": "about:blank", "browserContextId": self.context, "newWindow": true });
        let made = cdp.execute("Target.createTarget", target).await.expect("a window");
        let page = cdp.attach(made["targetId"].as_str().expect("an id")).await.expect("a page");
        Window::new(page, self.origin.clone(), Arc::clone(&self.chromium.complaints)).await
    }

    /// The person allows camera and microphone.
    pub(crate) async fn allow_devices(&self) {
        self.answer("granted").await;
    }

    /// The person says no to camera and microphone.
    pub(crate) async fn deny_devices(&self) {
        self.answer("denied").await;
    }

    async fn answer(&self, setting: &str) {
        for name in ["camera", "microphone"] {
            let answer = json!({
                "permission": { "name": name },
                "setting": setting,
                "origin": self.origin,
                "browserContextId": self.context,
            });
            self.chromium.cdp.execute("Browser.setPermission", answer).await.expect("answered");
        }
    }
}

/// The program is `chromium`, or what the environment variable CHROMIUM names.
fn start(pictures: u32, others: &[&str]) -> Arc<Cdp> {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let camera = format!("use-fake-device-for-media-stream=fps={pictures}");
    let arguments = ARGUMENTS.iter().chain(others).copied().chain([&*camera]);
    let arguments: Vec<String> = arguments.map(|argument| format!("--{argument}")).collect();
    Arc::new(Cdp::launch(&program, &arguments).expect("Chromium starts"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
