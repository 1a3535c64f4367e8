//! A browser inside a network namespace.

use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::chromium::Chromium;
use crate::error::LabError;
use crate::namespace::Namespace;
use crate::program::Program;
use crate::window::Window;

/// Frames per second of the fake camera.
pub(crate) const PICTURES: u32 = 30;
/// Grants camera and microphone like a user. Granting them over the debugging protocol differs: it also applies to frames
/// that are denied both, and makes connections follow network changes as those of real users do not.
const YES: &str = "use-fake-ui-for-media-stream";

/// A browser in a network namespace, driven by a thread in the same namespace. The debugging connection uses that
/// namespace's loopback, so control traffic does not cross an impaired link.
pub(crate) struct Browser {
    chromium: Option<Chromium>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Browser {
    /// Starts a browser.
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
                        // This runtime carries the browser's debugging connection for as long as it runs.
                        drop(stopped.await);
                    }
                });
            })
            .map_err(LabError::system("starting a browser thread"))?;
        let chromium = launched.await.map_err(|_| LabError::Stuck("Chromium did not start".to_owned()))?;
        Ok(Self { chromium: Some(chromium), stop: Some(stop), thread: Some(thread) })
    }

    /// Opens a window with a separate cookie jar.
    pub(crate) async fn window(&self) -> Result<Window, LabError> {
        let chromium = self.chromium.as_ref().ok_or_else(|| LabError::Stuck("the browser is closed".to_owned()))?;
        Ok(chromium.bare_profile(&Program::origin()).await.window().await)
    }

    /// Closes the browser.
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
