//! A browser window: what a user sees and presses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cdp::Session;

/// Timeout for anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shortest interval between two polls of a page.
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_millis(400);

/// Searches the page including shadow roots.
const PROBE: &str = include_str!("probe.js");

/// Messages in the browser's log that report violations of the page's headers.
const COMPLAINTS: [&str; 6] = [
    "Content Security Policy",
    "Permissions policy",
    "Permissions-Policy",
    "TrustedHTML",
    "TrustedScript",
    "Cross-Origin-Embedder-Policy",
];

/// A window of a browser.
pub(crate) struct Window {
    page: Session,
    origin: String,
}

/// The rules that axe-core checks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rules {
    /// WCAG 2.2 A and AA, and best practices.
    All,
    /// The rules that depend on colors and sizes.
    OfAppearance,
}

/// Statistics of the media that a page receives.
#[derive(Debug, Default, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    pub(crate) frames_decoded: f64,
    pub(crate) audio_energy: f64,
    playing: bool,
}

/// Why a script returned no value.
enum Failure {
    /// It threw an exception.
    Script(String),
    /// The page was navigated away, or is not loaded yet.
    Page(String),
}

impl Window {
    /// Opens a window. Policy violations reported by the browser are added to `complaints`.
    pub(crate) async fn new(page: Session, origin: String, complaints: Arc<Mutex<Vec<String>>>) -> Self {
        let mut entries = page.events("Log.entryAdded");
        tokio::spawn(async move {
            while let Some(entry) = entries.recv().await {
                let text = entry["entry"]["text"].as_str().unwrap_or_default();
                if COMPLAINTS.iter().any(|complaint| text.contains(complaint)) {
                    complaints.lock().expect("not poisoned").push(text.to_owned());
                }
            }
        });
        let window = Self { page, origin };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            window.command(domain, json!({})).await;
        }
        window.command("Page.setLifecycleEventsEnabled", json!({ "enabled": true })).await;
        window.media(json!([{ "name": "prefers-color-scheme", "value": "light" }])).await;
        window.resize(1280, 800).await;
        window
    }

    /// Sends a command of the DevTools protocol to the page.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Value {
        self.page.execute(method, parameters).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens an address: a path on this origin, or an absolute URL.
    pub(crate) async fn open(&self, address: &str) {
        let url = if address.starts_with('/') { format!("{}{address}", self.origin) } else { address.to_owned() };
        for _ in 0..5 {
            match self.page.navigate(&url).await {
                // A network that was just created is still being probed.
                Err(error) if error.contains("ERR_NETWORK_CHANGED") => {}
                opened => return opened.unwrap_or_else(|error| panic!("{url}: {error}")),
            }
        }
        panic!("the network does not become stable");
    }

    pub(crate) async fn reload(&self) {
        self.page.reload().await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Removes UDP from the server's addresses as a network that blocks UDP would, from the next page on.
    pub(crate) async fn without_udp(&self) {
        let script = "const take = RTCPeerConnection.prototype.setRemoteDescription; \
            RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) { \
              return take.call(this, { type, sdp: sdp.replace(/a=candidate:\\S+ \\d+ udp .*\\r\\n/gi, '') }); };";
        self.before_each_page(script).await;
    }

    /// Runs a script before the page's own scripts, from the next page on.
    pub(crate) async fn before_each_page(&self, script: &str) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Adds a virtual authenticator for passkeys that verifies its user without a touch.
    pub(crate) async fn holds_passkeys(&self) {
        self.command("WebAuthn.enable", json!({})).await;
        let device = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        });
        self.command("WebAuthn.addVirtualAuthenticator", json!({ "options": device })).await;
    }

    /// Changes the browser's user agent.
    pub(crate) async fn pretends_to_be(&self, user_agent: &str) {
        self.command("Emulation.setUserAgentOverride", json!({ "userAgent": user_agent })).await;
    }

    /// Stops the page's scripts as a phone does in the background, or resumes them.
    pub(crate) async fn freeze(&self, frozen: bool) {
        let state = if frozen { "frozen" } else { "active" };
        self.command("Page.setWebLifecycleState", json!({ "state": state })).await;
    }

    pub(crate) async fn close(self) {
        self.page.close().await.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) async fn resize(&self, width: i64, height: i64) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Sets light or dark mode, and disables motion so that no transition is captured half-way.
    pub(crate) async fn color_scheme(&self, scheme: &str) {
        self.media(json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]))
        .await;
    }

    async fn media(&self, features: Value) {
        self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Evaluates an expression or a promise; the script can use `probe`.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, expression: &str) -> T {
        let end = Instant::now() + PATIENCE;
        let mut failures = 0;
        loop {
            match self.evaluate(&format!("(async () => {{ {PROBE}; return ({expression}); }})()")).await {
                Ok(value) => return serde_json::from_value(value).unwrap_or_else(|e| panic!("{expression}: {e}")),
                Err(Failure::Script(why)) => {
                    failures += 1;
                    assert!(failures < 3, "{expression}: {why}");
                }
                // A navigation destroys the page's context; the next page answers.
                Err(Failure::Page(why)) => assert!(Instant::now() < end, "{expression}: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn evaluate(&self, script: &str) -> Result<Value, Failure> {
        let script = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.page.execute("Runtime.evaluate", script).await.map_err(Failure::Page)?;
        let thrown = answer["exceptionDetails"].take();
        if thrown.is_null() { Ok(answer["result"]["value"].take()) } else { Err(Failure::Script(thrown.to_string())) }
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str, what: &str) {
        let begun = Instant::now();
        while !self.eval::<bool>(&format!("Boolean({condition})")).await {
            self.wait(begun, what).await;
        }
    }

    /// Waits until the next poll of the page. Panics with the page's text after the timeout.
    async fn wait(&self, begun: Instant, what: &str) {
        if begun.elapsed() > PATIENCE {
            let text: String = self.eval("probe.text()").await;
            let at: String = self.eval("location.href").await;
            panic!("timed out waiting for {what} at {at}. The page says:\n{text}");
        }
        // A poll forces a layout of the page: the longer the wait, the longer the interval.
        tokio::time::sleep((begun.elapsed() / 8).clamp(SHORTEST, LONGEST)).await;
    }

    /// Waits until the page shows a text.
    pub(crate) async fn sees(&self, text: &str) {
        self.until(&format!("probe.text().includes({})", quoted(text)), &format!("{text:?}")).await;
    }

    /// Waits until the call element reaches a stage.
    pub(crate) async fn stage(&self, stage: &str) {
        self.until(&format!("probe.stage() === {}", quoted(stage)), &format!("stage {stage:?}")).await;
    }

    /// Returns the current stage of the call element.
    pub(crate) async fn stage_now(&self) -> String {
        self.eval("probe.stage() ?? ''").await
    }

    /// Presses a button or a link by its name, with a real click.
    pub(crate) async fn press(&self, name: &str) {
        let find = format!("probe.target({})", quoted(name));
        self.until(&format!("{find} !== null"), &format!("a button or link called {name:?}")).await;
        let [x, y]: [f64; 2] = self.eval(&find).await;
        self.click(x, y).await;
    }

    async fn click(&self, x: f64, y: f64) {
        for (kind, button) in [("mouseMoved", "none"), ("mousePressed", "left"), ("mouseReleased", "left")] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types into the field with an id.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let field = format!("document.getElementById({})", quoted(id));
        self.until(&format!("{field} !== null"), &format!("the field {id:?}")).await;
        let [x, y]: [f64; 2] = self.eval(&format!("probe.centre({field})")).await;
        self.click(x, y).await;
        for character in text.chars() {
            self.stroke(&character.to_string(), &character.to_string()).await;
        }
    }

    /// Types into the message field.
    pub(crate) async fn write(&self, text: &str) {
        let place = "[...probe.all()].find((element) => element.matches('textarea') && element.checkVisibility())";
        self.until(&format!("{place} !== undefined"), "the message field").await;
        self.eval::<bool>(&format!("({place}.focus(), true)")).await;
        self.command("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key, named as in `KeyboardEvent.key`.
    pub(crate) async fn key(&self, key: &str) {
        self.stroke(key, if key == "Enter" { "\r" } else { "" }).await;
    }

    /// Presses and releases a key that types a text, or none.
    async fn stroke(&self, key: &str, text: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        let name = if code > 0 { key } else { "" };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [down, "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({ "type": kind, "key": key, "code": name, "windowsVirtualKeyCode": code, "text": text });
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Presses Tab until the element called `name` has the focus.
    pub(crate) async fn reach_by_tab(&self, name: &str) {
        self.until(&format!("probe.find({}) !== null", quoted(name)), name).await;
        let mut passed = Vec::new();
        for _ in 0..40 {
            let focused: String = self.eval("probe.focused()").await;
            if focused.starts_with(name) {
                return;
            }
            passed.push(focused);
            self.key("Tab").await;
        }
        panic!("{name:?} cannot be reached by keyboard; focused {passed:?}");
    }

    pub(crate) async fn received(&self) -> Received {
        self.eval("await probe.received()").await
    }

    /// Waits until the other participant is seen and heard: frames are decoded and the audio has energy.
    pub(crate) async fn sees_and_hears_the_other(&self) {
        self.gets_more("await probe.received()", "the other's audio and video").await;
    }

    /// Waits until each of these participants is seen and heard, in the element with their name: frames are decoded and
    /// the audio has energy.
    pub(crate) async fn sees_and_hears(&self, names: &[&str]) {
        for name in names {
            self.gets_more(&media_of(name), &format!("picture and sound of {name}")).await;
        }
    }

    /// Waits until more media is decoded and played than at the start of the wait. Counters of a new connection start
    /// at zero.
    async fn gets_more(&self, media: &str, what: &str) {
        let begun = Instant::now();
        let mut before: Received = self.eval(media).await;
        loop {
            let now: Received = self.eval(media).await;
            if now.frames_decoded < before.frames_decoded || now.audio_energy < before.audio_energy {
                before = Received::default();
            }
            if now.playing
                && now.frames_decoded > before.frames_decoded + 5.0
                && now.audio_energy > before.audio_energy + 0.000_1
            {
                return;
            }
            self.wait(begun, what).await;
        }
    }

    /// Returns all violations of these rules that axe-core finds, as text; empty if there are none.
    pub(crate) async fn axe(&self, rules: Rules) -> String {
        if self.eval::<bool>("globalThis.axe === undefined").await {
            let source = std::fs::read_to_string(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../web/node_modules/axe-core/axe.min.js"
            ));
            let source = source.expect("axe-core is installed: cargo xtask test");
            assert!(self.evaluate(&format!("{source};0")).await.is_ok(), "axe-core loads");
        }
        self.eval(match rules {
            Rules::All => "await probe.axe()",
            Rules::OfAppearance => "await probe.axe(['color-contrast', 'target-size'])",
        })
        .await
    }

    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let picture = self.command("Page.captureScreenshot", json!({ "format": "png" })).await;
        STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
    }
}

/// Returns a script for a participant's decoded frames and audio, and whether they are played and visible.
fn media_of(name: &str) -> String {
    format!(
        "await (async () => {{ \
           const one = (await probe.people())[{}]; \
           return {{ framesDecoded: one?.frames ?? 0, audioEnergy: one?.energy ?? 0, playing: Boolean(one?.playing && one?.seen) }}; \
         }})()",
        quoted(name)
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}
