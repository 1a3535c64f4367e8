//! A real Chromium with a fake camera and microphone.
//!
//! Tests share one process; browser contexts separate cookies and permissions of users. Most tests use the headless
//! shell, which is Chromium without its windows and opens a page in a third of the time. It cannot prompt for
//! permissions and always grants `getUserMedia`, so tests of permissions use the full browser, as does one visit from
//! link to call. Measurements use the full browser with Chromium's own camera. A test that needs other arguments starts
//! its own process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::cdp::Cdp;
use crate::window::Window;

/// Argument for the full browser. `--use-fake-ui-for-media-stream` is not set, because it would grant denied
/// permissions.
const WHOLE: &str = "headless=new";
/// Argument for the headless shell, which cannot prompt for permissions.
const SHELL: &str = "use-fake-ui-for-media-stream";
/// Disables the spare renderer process. It makes pages open faster, but costs the tests CPU time.
const NO_SPARE: &str = "disable-features=SpareRendererForSitePerProcess";

const ARGUMENTS: [&str; 17] = [
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
    "use-fake-device-for-media-stream",
];

/// Format of a simulated camera: an even number of pixels, and frames per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pictures: usize,
}

/// A small format: encoding and displaying the 1280×720 video of Chromium's own fake camera takes a whole core.
const SMALL: Film = Film { width: 320, height: 180, pictures: 10 };

/// Processes shared by tests. They exit with the test process, because they read from its pipes.
static SHARED_SHELL: Mutex<Option<Arc<Cdp>>> = Mutex::new(None);
static SHARED_WHOLE: Mutex<Option<Arc<Cdp>>> = Mutex::new(None);

/// One test's part of a browser process: the contexts it created, and the browser's messages about their pages.
pub(crate) struct Chromium {
    cdp: Arc<Cdp>,
    is_shared: bool,
    contexts: Mutex<Vec<String>>,
    complaints: Arc<Mutex<Vec<String>>>,
}

/// One user's browser profile, with its own cookies.
pub(crate) struct Profile<'a> {
    chromium: &'a Chromium,
    context: String,
    origin: String,
}

impl Chromium {
    /// Returns the shared headless shell with a small camera, or the full browser if the shell is not installed.
    pub(crate) fn shared() -> Self {
        Self::of(&SHARED_SHELL, || start_shell(&camera(SMALL), &[]))
    }

    /// Returns the shared full browser with a small camera.
    pub(crate) fn shared_whole() -> Self {
        Self::of(&SHARED_WHOLE, || start(&whole(), &[WHOLE, NO_SPARE, &camera(SMALL)]))
    }

    /// Starts a separate headless shell with a camera and additional arguments.
    pub(crate) fn launch_shell(film: Film, others: &[&str]) -> Self {
        Self::on(start_shell(&camera(film), others), false)
    }

    fn of(shared: &Mutex<Option<Arc<Cdp>>>, start: impl FnOnce() -> Arc<Cdp>) -> Self {
        let mut shared = lock(shared);
        let running = shared.take().filter(|cdp| cdp.is_alive());
        let cdp = Arc::clone(shared.insert(running.unwrap_or_else(start)));
        Self::on(cdp, true)
    }

    /// Starts a separate full browser with Chromium's camera at this frame rate and additional arguments.
    #[allow(dead_code, reason = "for the lab and for measuring")]
    pub(crate) fn launch_filming(pictures: u32, others: &[&str]) -> Self {
        let camera = format!("use-fake-device-for-media-stream=fps={pictures}");
        Self::on(start(&whole(), &[&[WHOLE, &camera], others].concat()), false)
    }

    fn on(cdp: Arc<Cdp>, is_shared: bool) -> Self {
        Self { cdp, is_shared, contexts: Mutex::default(), complaints: Arc::default() }
    }

    /// Creates a profile with camera and microphone granted to `origin`.
    pub(crate) async fn profile(&self, origin: &str) -> Profile<'_> {
        let profile = self.bare_profile(origin).await;
        profile.answer("granted").await;
        profile
    }

    /// Creates a profile that has not been asked for any permission.
    pub(crate) async fn bare_profile(&self, origin: &str) -> Profile<'_> {
        let made = self.cdp.execute("Target.createBrowserContext", json!({})).await.expect("a browser context");
        let context = made["browserContextId"].as_str().expect("an id").to_owned();
        lock(&self.contexts).push(context.clone());
        Profile { chromium: self, context, origin: origin.to_owned() }
    }

    /// Returns the browser's reports of policy violations in all windows of this test.
    pub(crate) fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    /// Closes all windows, and the process if it is not shared.
    pub(crate) async fn close(self) {
        let contexts = std::mem::take(&mut *lock(&self.contexts));
        for context in contexts {
            let dispose = self.cdp.execute("Target.disposeBrowserContext", json!({ "browserContextId": context }));
            dispose.await.expect("the windows close");
        }
    }
}

/// Closes the windows of a failed test, so that its call does not run beside the next test.
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
    /// Opens a window in this profile.
    pub(crate) async fn window(&self) -> Window {
        let cdp = &self.chromium.cdp;
        let target = json!({ "url": "about:blank", "browserContextId": self.context, "newWindow": true });
        let made = cdp.execute("Target.createTarget", target).await.expect("a window");
        let page = cdp.attach(made["targetId"].as_str().expect("an id")).await.expect("a page");
        Window::new(page, self.origin.clone(), Arc::clone(&self.chromium.complaints)).await
    }

    /// Grants camera and microphone.
    pub(crate) async fn allow_devices(&self) {
        self.answer("granted").await;
    }

    /// Denies camera and microphone.
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

/// Returns the program `chromium`, or the one named by the environment variable CHROMIUM.
fn whole() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned())
}

/// Returns the program `chromium-headless-shell`, or the one named by CHROMIUM_HEADLESS_SHELL, if it exists.
fn headless_shell() -> Option<String> {
    let program =
        std::env::var("CHROMIUM_HEADLESS_SHELL").unwrap_or_else(|_| "/usr/bin/chromium-headless-shell".to_owned());
    std::path::Path::new(&program).exists().then_some(program)
}

fn start(program: &str, others: &[&str]) -> Arc<Cdp> {
    let arguments = ARGUMENTS.iter().chain(others).map(|argument| format!("--{argument}")).collect::<Vec<_>>();
    Arc::new(Cdp::launch(program, &arguments).expect("Chromium starts"))
}

fn start_shell(camera: &str, others: &[&str]) -> Arc<Cdp> {
    match headless_shell() {
        Some(program) => start(&program, &[&[SHELL, NO_SPARE, camera], others].concat()),
        None => start(&whole(), &[&[WHOLE, NO_SPARE, camera], others].concat()),
    }
}

/// Returns the argument for a camera with this format. Screenshots for documents use Chromium's own camera.
fn camera(film: Film) -> String {
    if std::env::var_os("BEDSIDE_SHOTS").is_some() {
        return "use-fake-device-for-media-stream=fps=15".to_owned();
    }
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = lock(&WRITING);
    let file = std::env::temp_dir().join(format!("bedside-tests-{}x{}-{}.y4m", film.width, film.height, film.pictures));
    if !file.exists() {
        let new = file.with_extension(std::process::id().to_string());
        std::fs::write(&new, film.second()).and_then(|()| std::fs::rename(&new, &file)).expect("the camera's film");
    }
    format!("use-file-for-fake-video-capture={}", file.display())
}

impl Film {
    /// Returns one second of YUV4MPEG2 video in which a bright bar crosses the frame.
    fn second(self) -> Vec<u8> {
        let Self { width, height, pictures } = self;
        let mut film = format!("YUV4MPEG2 W{width} H{height} F{pictures}:1 Ip A1:1 C420jpeg\n").into_bytes();
        for picture in 0..pictures {
            film.extend(b"FRAME\n");
            let bar = picture * width / pictures..(picture + 1) * width / pictures;
            let line: Vec<u8> = (0..width).map(|x| if bar.contains(&x) { 220 } else { 90 }).collect();
            film.extend(line.repeat(height));
            film.extend([110, 140].map(|shade| vec![shade; width / 2 * height / 2]).concat());
        }
        film
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
