//! A browser that emulates a slow phone and a slow network with the DevTools protocol.

use serde_json::json;

use crate::chromium::{Chromium, Profile};
use crate::window::Window;

/// Runs before each page's own scripts and records events in `bedsideJournal`.
const JOURNAL: &str = include_str!("journal.js");

/// The emulated device and network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) name: &'static str,
    /// CPU slowdown factor relative to this machine.
    pub(crate) cpu: f64,
    /// Latency in milliseconds, and bandwidth in kbit/s down and up; `None` uses this machine's own network.
    pub(crate) network: Option<[f64; 3]>,
}

/// A browser process whose pages can be slowed down.
pub(crate) struct SlowBrowser {
    chromium: Chromium,
    origin: String,
}

impl SlowBrowser {
    pub(crate) fn launch(origin: &str) -> Self {
        Self { chromium: Chromium::launch_filming(15, &[]), origin: origin.to_owned() }
    }

    /// Creates a profile without cookies, cache or open connections, with camera and microphone granted.
    pub(crate) async fn person(&self) -> Profile<'_> {
        self.chromium.profile(&self.origin).await
    }

    /// Opens a phone-sized window under these conditions.
    pub(crate) async fn window(&self, person: &Profile<'_>, conditions: Conditions, cached: bool) -> Window {
        let window = person.window().await;
        window.resize(390, 844).await;
        slow_down(&window, conditions).await;
        window.command("Network.setCacheDisabled", json!({ "cacheDisabled": !cached })).await;
        window.before_each_page(JOURNAL).await;
        window
    }

    pub(crate) async fn close(self) {
        self.chromium.close().await;
    }
}

async fn slow_down(window: &Window, conditions: Conditions) {
    window.command("Network.enable", json!({})).await;
    window.command("Emulation.setCPUThrottlingRate", json!({ "rate": conditions.cpu })).await;
    if let Some([latency, down, up]) = conditions.network {
        let bytes = |kilobits: f64| kilobits * 1000.0 / 8.0;
        // An empty pattern matches every address.
        let rule = json!({
            "urlPattern": "",
            "latency": latency,
            "downloadThroughput": bytes(down),
            "uploadThroughput": bytes(up),
        });
        let network = json!({ "offline": false, "matchedNetworkConditions": [rule] });
        window.command("Network.emulateNetworkConditionsByRule", network).await;
    }
}
