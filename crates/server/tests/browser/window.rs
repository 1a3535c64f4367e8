//! A window: what a person sees, and what they press.

use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
};
use chromiumoxide::cdp::browser_protocol::input::InsertTextParams;
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, SetWebLifecycleStateParams, SetWebLifecycleStateState,
};
use chromiumoxide::cdp::browser_protocol::web_authn::{
    self, AddVirtualAuthenticatorParams, AuthenticatorProtocol, AuthenticatorTransport, VirtualAuthenticatorOptions,
};
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::layout::Point;
use chromiumoxide::page::ScreenshotParams;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks through shadow roots, as eyes do.
const PROBE: &str = include_str!("probe.js");

/// What the browser's log says where a page and its headers do not fit.
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
    page: Page,
    origin: String,
}

/// What media a page receives.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    pub(crate) frames_decoded: f64,
    pub(crate) audio_energy: f64,
}

impl Window {
    /// What the browser holds against our own headers is added to `complaints`.
    pub(crate) async fn new(page: Page, origin: String, complaints: Arc<Mutex<Vec<String>>>) -> Self {
        let mut entries = page.event_listener::<EventEntryAdded>().await.expect("the browser's log");
        tokio::spawn(async move {
            while let Some(entry) = entries.next().await {
                let text = entry.entry.text.clone();
                if COMPLAINTS.iter().any(|complaint| text.contains(complaint)) {
                    complaints.lock().expect("not poisoned").push(text);
                }
            }
        });
        page.execute(chromiumoxide::cdp::browser_protocol::log::EnableParams::default()).await.expect("log");
        let window = Self { page, origin };
        window.resize(1280, 800).await;
        window
    }

    /// Opens an address of this origin, or a whole one.
    pub(crate) async fn open(&self, address: &str) {
        let url = if address.starts_with('/') { format!("{}{address}", self.origin) } else { address.to_owned() };
        for _ in 0..5 {
            match self.page.goto(&url).await {
                // A network that was made a moment ago is still being looked at.
                Err(error) if error.to_string().contains("ERR_NETWORK_CHANGED") => {}
                opened => {
                    opened.expect("the page opens");
                    return;
                }
            }
        }
        panic!("the network does not come to rest");
    }

    pub(crate) async fn reload(&self) {
        self.page.reload().await.expect("the page reloads");
    }

    /// From the next page on, what a network that blocks UDP leaves of the server's addresses.
    pub(crate) async fn without_udp(&self) {
        let script = "const take = RTCPeerConnection.prototype.setRemoteDescription; \
            RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) { \
              return take.call(this, { type, sdp: sdp.replace(/a=candidate:\\S+ \\d+ udp .*\\r\\n/gi, '') }); };";
        self.before_each_page(script).await;
    }

    /// From the next page on, a script that runs before the page's own.
    pub(crate) async fn before_each_page(&self, script: &str) {
        self.page.evaluate_on_new_document(script).await.expect("a script for new pages");
    }

    /// The device holds passkeys, and recognises its owner without being touched.
    pub(crate) async fn holds_passkeys(&self) {
        self.page.execute(web_authn::EnableParams::default()).await.expect("WebAuthn");
        let device = VirtualAuthenticatorOptions::builder()
            .protocol(AuthenticatorProtocol::Ctap2)
            .transport(AuthenticatorTransport::Internal)
            .has_resident_key(true)
            .has_user_verification(true)
            .is_user_verified(true)
            .automatic_presence_simulation(true);
        let device = AddVirtualAuthenticatorParams::new(device.build().expect("a device"));
        self.page.execute(device).await.expect("a device with passkeys");
    }

    /// Says it is another browser.
    pub(crate) async fn pretends_to_be(&self, user_agent: &str) {
        self.page.set_user_agent(user_agent).await.expect("another name");
    }

    /// Stops the page's scripts as a phone does in the background, or lets them go on.
    pub(crate) async fn freeze(&self, frozen: bool) {
        let state = if frozen { SetWebLifecycleStateState::Frozen } else { SetWebLifecycleStateState::Active };
        self.page.execute(SetWebLifecycleStateParams::new(state)).await.expect("frozen, or not any more");
    }

    pub(crate) async fn close(self) {
        self.page.close().await.expect("the window closes");
    }

    pub(crate) async fn resize(&self, width: i64, height: i64) {
        let size = SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 600);
        self.page.execute(size).await.expect("resized");
    }

    /// Light or dark, and without motion, so that nothing is looked at half-way.
    pub(crate) async fn color_scheme(&self, scheme: &str) {
        let features =
            [MediaFeature::new("prefers-color-scheme", scheme), MediaFeature::new("prefers-reduced-motion", "reduce")];
        let media = SetEmulatedMediaParams::builder().features(features).build();
        self.page.execute(media).await.expect("the color scheme changes");
    }

    /// Evaluates an expression or a promise; `probe` is at hand.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, expression: &str) -> T {
        let mut last = String::new();
        // A navigation in between ends the page's world; the next one answers.
        for _ in 0..3 {
            let script = EvaluateParams::builder()
                .expression(format!("(async () => {{ {PROBE}; return ({expression}); }})()"))
                .await_promise(true)
                .return_by_value(true)
                .build()
                .expect("a script");
            match self.page.evaluate(script).await {
                Ok(result) => return result.into_value().unwrap_or_else(|e| panic!("{expression}: {e}")),
                Err(error) => last = error.to_string(),
            }
        }
        panic!("{expression}: {last}");
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, condition: &str, what: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.eval::<bool>(&format!("Boolean({condition})")).await {
                return;
            }
            if Instant::now() > end {
                let text: String = self.eval("probe.text()").await;
                let at: String = self.eval("location.href").await;
                panic!("waited in vain for {what} at {at}. The page says:\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until the page says something.
    pub(crate) async fn sees(&self, text: &str) {
        self.until(&format!("probe.text().includes({})", quoted(text)), &format!("{text:?}")).await;
    }

    /// Waits until the call element stands at a stage.
    pub(crate) async fn stage(&self, stage: &str) {
        self.until(&format!("probe.stage() === {}", quoted(stage)), &format!("the stage {stage:?}")).await;
    }

    /// Where the call element stands now.
    pub(crate) async fn stage_now(&self) -> String {
        self.eval("probe.stage() ?? ''").await
    }

    /// Presses a button or a link by its name, with a real click.
    pub(crate) async fn press(&self, name: &str) {
        let find = format!("probe.target({})", quoted(name));
        self.until(&format!("{find} !== null"), &format!("something to press called {name:?}")).await;
        let [x, y]: [f64; 2] = self.eval(&find).await;
        self.page.click(Point::new(x, y)).await.expect("clicked");
    }

    /// Types into the field with an id.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let field = self.page.find_element(format!("#{id}")).await.expect("the field");
        field.click().await.expect("focused").type_str(text).await.expect("typed");
    }

    /// Types into the place for a message.
    pub(crate) async fn write(&self, text: &str) {
        let place = "[...probe.all()].find((element) => element.matches('textarea') && element.checkVisibility())";
        self.until(&format!("{place} !== undefined"), "the place for a message").await;
        self.eval::<bool>(&format!("({place}.focus(), true)")).await;
        self.page.execute(InsertTextParams::new(text)).await.expect("typed");
    }

    pub(crate) async fn key(&self, key: &str) {
        self.page.find_element("body").await.expect("a body").press_key(key).await.expect("pressed");
    }

    /// Presses Tab until something called `name` has the focus.
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
        panic!("{name:?} is not reached by keyboard; passed {passed:?}");
    }

    pub(crate) async fn received(&self) -> Received {
        self.eval("await probe.received()").await
    }

    /// Waits until the other person is really seen and heard: frames decoded, sound with energy in it.
    pub(crate) async fn sees_and_hears_the_other(&self) {
        let before = self.received().await;
        self.until(
            &format!(
                "await (async () => {{ const r = await probe.received(); return r.framesDecoded > {} && r.audioEnergy > {} && r.playing; }})()",
                before.frames_decoded + 5.0,
                before.audio_energy + 0.000_1,
            ),
            "picture and sound of the other",
        )
        .await;
    }

    /// Waits until each of these people is really seen and heard: frames decoded, sound with energy in it, in the
    /// element that bears their name.
    pub(crate) async fn sees_and_hears(&self, names: &[&str]) {
        for name in names {
            let before: (f64, f64, bool) = self.eval(&format!("await {}", media_of(name))).await;
            let more = format!(
                "await (async () => {{ const [frames, energy, is] = await {}; return is && frames > {} && energy > {}; }})()",
                media_of(name),
                before.0 + 5.0,
                before.1 + 0.000_1
            );
            self.until(&more, &format!("picture and sound of {name}")).await;
        }
    }

    /// Everything axe-core finds wrong, as text; empty if it finds nothing.
    pub(crate) async fn axe(&self) -> String {
        let source =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/node_modules/axe-core/axe.min.js"))
                .expect("axe-core is installed: cargo xtask test");
        self.page.evaluate_expression(source).await.expect("axe-core loads");
        self.eval("await probe.axe()").await
    }

    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let png = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).build();
        self.page.screenshot(png).await.expect("a picture")
    }
}

/// Frames and sound of a person so far, and whether they are played and seen.
fn media_of(name: &str) -> String {
    let name = quoted(name);
    format!(
        "(async () => {{ const one = (await probe.people())[{name}]; return [one?.frames ?? 0, one?.energy ?? 0, Boolean(one?.playing && one?.seen)]; }})()"
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}
