//! The Chrome DevTools Protocol over a pipe: commands, their answers, and events.
//!
//! Chromium reads JSON messages from file descriptor 3 and writes them to 4, each ended by a zero byte
//! (`--remote-debugging-pipe`). It ends with the pipe: a test process that is killed leaves no browser behind.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// How long the browser may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects standard input and output to descriptors 3 and 4, and removes the profile when the browser has ended. An
/// interrupt from the keyboard reaches the browser as well, so that the shell waits for it.
const WRAPPER: &str = "trap : INT TERM; profile=$(mktemp -d) || exit; \
    \"$0\" --user-data-dir=\"$profile\" --remote-debugging-pipe \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1; \
    rm -rf \"$profile\"";

/// A browser process and the connection to it. Usable from any runtime.
pub(crate) struct Cdp {
    child: Mutex<Child>,
    commands: Mutex<Option<ChildStdin>>,
    next: AtomicU64,
    inbox: Arc<Mutex<Inbox>>,
}

/// Routes the browser's messages to their receivers.
#[derive(Default)]
struct Inbox {
    answers: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    events: Vec<Listener>,
    is_closed: bool,
}

struct Listener {
    session: String,
    method: &'static str,
    events: mpsc::UnboundedSender<Value>,
}

/// One target (a page) of the browser.
#[derive(Clone)]
pub(crate) struct Session {
    cdp: Arc<Cdp>,
    id: String,
    target: String,
}

impl Cdp {
    /// Starts a browser with a new profile.
    pub(crate) fn launch(program: &str, arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", WRAPPER, program]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (commands, messages) = (child.stdin.take(), child.stdout.take());
        let inbox = Arc::<Mutex<Inbox>>::default();
        let reader = Arc::clone(&inbox);
        std::thread::Builder::new().name("cdp".to_owned()).spawn(move || {
            let messages = messages.into_iter().flat_map(|pipe| BufReader::new(pipe).split(0)).map_while(Result::ok);
            for message in messages {
                if let Ok(message) = serde_json::from_slice(&message) {
                    lock(&reader).take(message);
                }
            }
            lock(&reader).close();
        })?;
        Ok(Self { child: Mutex::new(child), commands: Mutex::new(commands), next: AtomicU64::new(1), inbox })
    }

    /// Sends a command to the browser itself.
    pub(crate) async fn execute(&self, method: &str, parameters: Value) -> Result<Value, String> {
        self.send(json!({ "method": method, "params": parameters })).await
    }

    /// Sends a command to the browser itself without waiting for the answer.
    pub(crate) fn post(&self, method: &str, parameters: Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let _ = self.write(&json!({ "id": id, "method": method, "params": parameters }));
    }

    /// Connects to a target.
    pub(crate) async fn attach(self: &Arc<Self>, target: &str) -> Result<Session, String> {
        let attached = self.execute("Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await?;
        let id = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        Ok(Session { cdp: Arc::clone(self), id, target: target.to_owned() })
    }

    /// Returns whether the process is running and connected.
    pub(crate) fn is_alive(&self) -> bool {
        !lock(&self.inbox).is_closed && lock(&self.child).try_wait().is_ok_and(|status| status.is_none())
    }

    /// Closes the pipe, which ends the process, and waits for it. Kills a process that does not end.
    pub(crate) fn close(&self) {
        drop(lock(&self.commands).take());
        let mut child = lock(&self.child);
        for _ in 0..500 {
            if !child.try_wait().is_ok_and(|status| status.is_none()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    async fn send(&self, mut message: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        message["id"] = id.into();
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let (sender, answer) = oneshot::channel();
        lock(&self.inbox).expect(id, sender)?;
        self.write(&message).map_err(|error| format!("{method}: {error}"))?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer.map_err(|error| format!("{method}: {error}")),
            Ok(Err(_)) => Err(format!("{method}: the browser ended")),
            Err(_) => Err(format!("{method}: no answer in {PATIENCE:?}")),
        }
    }

    fn write(&self, message: &Value) -> io::Result<()> {
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        lock(&self.commands).as_mut().ok_or(io::ErrorKind::NotConnected)?.write_all(&bytes)
    }
}

impl Drop for Cdp {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inbox {
    fn expect(&mut self, id: u64, answer: oneshot::Sender<Result<Value, String>>) -> Result<(), String> {
        if self.is_closed {
            return Err("the browser has ended".to_owned());
        }
        self.answers.insert(id, answer);
        Ok(())
    }

    /// Passes an answer or an event to its receivers.
    fn take(&mut self, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            let error = message["error"].take();
            let answer = if error.is_null() { Ok(message["result"].take()) } else { Err(error.to_string()) };
            if let Some(waiting) = self.answers.remove(&id) {
                let _ = waiting.send(answer);
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        self.events.retain(|listener| {
            let is_meant = listener.session == session && listener.method == method;
            if is_meant {
                listener.events.send(message["params"].clone()).is_ok()
            } else {
                !listener.events.is_closed()
            }
        });
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.answers.clear();
        self.events.clear();
    }
}

impl Session {
    /// Sends a command to this target.
    pub(crate) async fn execute(&self, method: &str, parameters: Value) -> Result<Value, String> {
        self.cdp.send(json!({ "method": method, "params": parameters, "sessionId": self.id })).await
    }

    /// Returns the events of a method from now on. Its domain must be enabled.
    pub(crate) fn events(&self, method: &'static str) -> mpsc::UnboundedReceiver<Value> {
        let (sender, events) = mpsc::unbounded_channel();
        lock(&self.cdp.inbox).events.push(Listener { session: self.id.clone(), method, events: sender });
        events
    }

    /// Closes the target.
    pub(crate) async fn close(&self) -> Result<(), String> {
        self.cdp.execute("Target.closeTarget", json!({ "targetId": self.target })).await.map(|_| ())
    }

    /// Opens an address and waits until the resulting document, after any redirects, has loaded.
    pub(crate) async fn navigate(&self, url: &str) -> Result<(), String> {
        let mut events = self.events("Page.lifecycleEvent");
        let opened = self.execute("Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = opened["errorText"].as_str() {
            return Err(error.to_owned());
        }
        // Without a loader the document is unchanged: only the fragment changed.
        match opened["loaderId"].as_str() {
            Some(loader) => self.loaded(&mut events, Some(loader)).await,
            None => Ok(()),
        }
    }

    /// Reloads the document and waits until it has loaded.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let mut events = self.events("Page.lifecycleEvent");
        self.execute("Page.reload", json!({})).await?;
        self.loaded(&mut events, None).await
    }

    /// Waits for the load event of a new document of the page's main frame, from this loader or a later one.
    async fn loaded(&self, events: &mut mpsc::UnboundedReceiver<Value>, loader: Option<&str>) -> Result<(), String> {
        let mut is_new = false;
        let load = async {
            while let Some(event) = events.recv().await {
                if event["frameId"].as_str() != Some(&self.target) {
                    continue;
                }
                // `init` is the first event of a document.
                is_new |= loader.map_or(event["name"] == "init", |loader| event["loaderId"] == loader);
                if is_new && event["name"] == "load" {
                    return Ok(());
                }
            }
            Err("the browser ended".to_owned())
        };
        let loaded = tokio::time::timeout(PATIENCE, load).await;
        loaded.unwrap_or_else(|_| Err(format!("not loaded in {PATIENCE:?}")))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
