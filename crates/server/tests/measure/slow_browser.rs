//! A browser on a slow phone and a slow network, as far as its own tools make one.

use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, PermissionDescriptor, PermissionSetting, SetPermissionParams,
};
use chromiumoxide::cdp::browser_protocol::emulation::SetCpuThrottlingRateParams;
use chromiumoxide::cdp::browser_protocol::network::{
    EmulateNetworkConditionsByRuleParams, EnableParams, NetworkConditions, SetCacheDisabledParams,
};
use chromiumoxide::cdp::browser_protocol::target::{CreateBrowserContextParams, CreateTargetParams};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::window::Window;

/// Runs in every page before its own scripts, and notes when what happens, into `bedsideJournal`.
const JOURNAL: &str = include_str!("journal.js");

/// What a device and its network are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) name: &'static str,
    /// How many times slower than this machine.
    pub(crate) cpu: f64,
    /// Milliseconds until the head of an answer, and kbit/s down and up; `None`: this machine's own.
    pub(crate) network: Option<[f64; 3]>,
}

/// A browser process whose pages can be slowed down.
pub(crate) struct SlowBrowser {
    browser: Browser,
    events: JoinHandle<()>,
    origin: String,
    _profile: TempDir,
}

impl SlowBrowser {
    pub(crate) async fn launch(origin: &str) -> Self {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let config = BrowserConfig::builder()
            .disable_default_args()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .args([
                "headless=new",
                "no-sandbox",
                "disable-gpu",
                "disable-quic",
                "disable-dev-shm-usage",
                "no-first-run",
                "disable-background-networking",
                "disable-background-timer-throttling",
                "disable-backgrounding-occluded-windows",
                "disable-renderer-backgrounding",
                "disable-component-update",
                "disable-sync",
                "disable-extensions",
                "use-fake-device-for-media-stream=fps=15",
            ])
            .viewport(None)
            .launch_timeout(Duration::from_secs(60))
            .request_timeout(Duration::from_secs(60))
            .build()
            .expect("a configuration");
        let (browser, mut handler) = Browser::launch(config).await.expect("Chromium starts");
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { browser, events, origin: origin.to_owned(), _profile: profile }
    }

    /// Somebody's first time: no cookies, nothing cached, no connection open; camera and microphone granted.
    pub(crate) async fn person(&self) -> BrowserContextId {
        let context = CreateBrowserContextParams::default();
        let context = self.browser.execute(context).await.expect("a context").result.browser_context_id;
        for name in ["camera", "microphone"] {
            let answer = SetPermissionParams::builder()
                .permission(PermissionDescriptor::new(name))
                .setting(PermissionSetting::Granted)
                .origin(self.origin.clone())
                .browser_context_id(context.clone())
                .build()
                .expect("parameters");
            self.browser.execute(answer).await.expect("granted");
        }
        context
    }

    /// A phone-sized window under these conditions.
    pub(crate) async fn window(&self, person: &BrowserContextId, conditions: Conditions, cached: bool) -> Window {
        let target =
            CreateTargetParams::builder().url("about:blank").browser_context_id(person.clone()).new_window(true);
        let page = self.browser.new_page(target.build().expect("parameters")).await.expect("a window");
        let window = Window::new(page.clone(), self.origin.clone(), Arc::default()).await;
        window.resize(390, 844).await;
        slow_down(&page, conditions).await;
        page.execute(SetCacheDisabledParams::new(!cached)).await.expect("the cache is set");
        page.evaluate_on_new_document(JOURNAL).await.expect("the journal is begun");
        window
    }

    pub(crate) async fn close(mut self) {
        let _ = self.browser.close().await;
        let _ = self.browser.wait().await;
        self.events.abort();
    }
}

async fn slow_down(page: &Page, conditions: Conditions) {
    page.execute(EnableParams::default()).await.expect("the network is watched");
    page.execute(SetCpuThrottlingRateParams::new(conditions.cpu)).await.expect("a slower CPU");
    if let Some([latency, down, up]) = conditions.network {
        let bytes = |kilobits: f64| kilobits * 1000.0 / 8.0;
        // For every address.
        let network = NetworkConditions::new("", latency, bytes(down), bytes(up));
        page.execute(EmulateNetworkConditionsByRuleParams::new(false, vec![network])).await.expect("a slower network");
    }
}
