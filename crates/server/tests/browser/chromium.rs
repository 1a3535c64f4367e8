//! A real Chromium with a fake camera and microphone, driven over its debugging protocol.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, PermissionDescriptor, PermissionSetting, SetPermissionParams,
};
use chromiumoxide::cdp::browser_protocol::emulation::{MediaFeature, SetEmulatedMediaParams};
use chromiumoxide::cdp::browser_protocol::target::{CreateBrowserContextParams, CreateTargetParams};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;

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

/// A browser process.
pub(crate) struct Chromium {
    browser: Browser,
    events: JoinHandle<()>,
    complaints: Arc<Mutex<Vec<String>>>,
    _profile: TempDir,
}

/// One person's browser: cookies of its own.
pub(crate) struct Profile<'a> {
    chromium: &'a Chromium,
    context: BrowserContextId,
    origin: String,
}

impl Chromium {
    /// Starts one. The program is `chromium`, or what the environment variable CHROMIUM names.
    pub(crate) async fn launch() -> Self {
        Self::launch_filming(15, &[]).await
    }

    /// One with a camera of so many pictures a second, and other arguments beside the usual ones.
    pub(crate) async fn launch_filming(pictures: u32, others: &[&str]) -> Self {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let config = BrowserConfig::builder()
            .disable_default_args()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .args(ARGUMENTS)
            .args(others.iter().copied())
            .arg(format!("use-fake-device-for-media-stream=fps={pictures}"))
            .viewport(None)
            .launch_timeout(Duration::from_secs(60))
            .request_timeout(Duration::from_secs(60))
            .build()
            .expect("a configuration");
        let (browser, mut handler) = Browser::launch(config).await.expect("Chromium starts");
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { browser, events, complaints: Arc::default(), _profile: profile }
    }

    /// A person's browser, with camera and microphone granted to `origin`.
    pub(crate) async fn profile(&self, origin: &str) -> Profile<'_> {
        let profile = self.bare_profile(origin).await;
        profile.answer(PermissionSetting::Granted).await;
        profile
    }

    /// A person's browser that has not been asked for anything.
    pub(crate) async fn bare_profile(&self, origin: &str) -> Profile<'_> {
        let context = self
            .browser
            .execute(CreateBrowserContextParams::default())
            .await
            .expect("a browser context")
            .result
            .browser_context_id;
        Profile { chromium: self, context, origin: origin.to_owned() }
    }

    /// What the browser held against our own headers, in any window.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("not poisoned").clone()
    }

    /// Ends the process, and waits for it.
    pub(crate) async fn close(mut self) {
        let _ = self.browser.close().await;
        let _ = self.browser.wait().await;
        self.events.abort();
    }
}

impl Profile<'_> {
    /// A window of this browser.
    pub(crate) async fn window(&self) -> Window {
        let target = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(self.context.clone())
            .new_window(true)
            .build()
            .expect("parameters");
        let page = self.chromium.browser.new_page(target).await.expect("a window");
        let light = MediaFeature::new("prefers-color-scheme", "light");
        page.execute(SetEmulatedMediaParams::builder().features([light]).build()).await.expect("light");
        Window::new(page, self.origin.clone(), Arc::clone(&self.chromium.complaints)).await
    }

    /// The person allows camera and microphone.
    pub(crate) async fn allow_devices(&self) {
        self.answer(PermissionSetting::Granted).await;
    }

    /// The person says no to camera and microphone.
    pub(crate) async fn deny_devices(&self) {
        self.answer(PermissionSetting::Denied).await;
    }

    async fn answer(&self, setting: PermissionSetting) {
        for name in ["camera", "microphone"] {
            let answer = SetPermissionParams::builder()
                .permission(PermissionDescriptor::new(name))
                .setting(setting.clone())
                .origin(self.origin.clone())
                .browser_context_id(self.context.clone())
                .build()
                .expect("parameters");
            self.chromium.browser.execute(answer).await.expect("answered");
        }
    }
}
