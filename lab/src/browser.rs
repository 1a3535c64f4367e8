//! A browser inside a namespace.

use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::chromium::Chromium;
use crate::error::LabError;
use crate::namespace::Namespace;
use crate::program::Program;
use crate::window::Window;

/// Pictures a second of the fake camera.
pub(crate) const PICTURES: u32 = 30;
/// Says yes for the person who is asked for camera and microphone. The debugging protocol's yes is another: it also
/// goes to frames that are denied both, and with it connections follow the network as nobody's do.
const YES: &str = "use-fake-ui-for-media-stream";

/// A browser that lives in a namespace, driven by a thread that does, too: the debugging connection
/// runs on that namespace's loopback, and no control traffic crosses a bad link.
pub(crate) struct Browser {
    chromium: Option<Chromium>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Browser {
    /// Starts one.
    pub(crate) async fn launch(namespace: &Namespace) -> Result<Self, LabError> {
        let (hand_over, launched) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let door = namespace.door()?;
        let thread = std::thread::Builder::new()
            .name("browser".to_owned())
            .spawn(move || {
                let Ok(()) = door.enter() else { return };
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
                runtime.block_on(async {
                    if hand_over.send(Chromium::launch_filming(PICTURES, &[YES])).is_ok() {
                        // The browser's connection is carried by this runtime for as long as it runs.
                        drop(stopped.await);
                    }
                });
            })
            .map_err(LabError::system("a thread for a browser"))?;
        let chromium = launched.await.map_err(|_| LabError::Stuck("Chromium does not start".to_owned()))?;
        Ok(Self { chromium: Some(chromium), stop: Some(stop), thread: Some(thread) })
    }

    /// A window with cookies of its own.
    pub(crate) async fn window(&self) -> Result<Window, LabError> {
        let chromium = self.chromium.as_ref().ok_or_else(|| LabError::Stuck("the browser is closed".to_owned()))?;
        Ok(chromium.bare_profile(&Program::origin()).await.window().await)
    }

    /// Ends it.
    pub(crate) async fn close(mut self) {
        if let Some(chromium) = self.chromium.take() {
            chromium.close().await;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.chromium.take());
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
