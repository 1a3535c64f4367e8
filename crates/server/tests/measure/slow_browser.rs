//! A browser on a slow phone and a slow network, as far as its own tools make one.

use serde_json::json;

use crate::chromium::{Chromium, Profile};
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
    chromium: Chromium,
    origin: String,
}

impl SlowBrowser {
    pub(crate) fn launch(origin: &str) -> Self {
        Self { chromium: Chromium::launch_filming(15, &[]), origin: origin.to_owned() }
    }

    /// A new person: no cookies, nothing cached, no connection open; camera and microphone granted.
    pub(crate) async fn person(&self) -> Profile<'_> {
        self.chromium.profile(&self.origin).await
    }

    /// A phone-sized window under these conditions.
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
