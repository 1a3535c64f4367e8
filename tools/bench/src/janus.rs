//! Janus' VideoRoom under the same load, with one peer connection per participant for sending and one for receiving.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::error::BenchError;
use crate::generator::Generator;
use crate::network::Network;
use crate::options::Load;
use crate::process::resident;
use crate::program::{PATIENCE, Program, free_port};
use crate::webrtc::{Offered, answering};

const PLUGIN: &str = "janus.plugin.videoroom";
/// Interval of retries: a feed exists only once its sender is connected.
const AGAIN: Duration = Duration::from_millis(20);

/// The running server.
pub(crate) struct Janus {
    program: Program,
    wire: Wire,
    /// Resident memory in KiB before anyone joined.
    pub(crate) resident_before: u64,
    _folder: TempDir,
}

/// Returns its version, if it is installed.
pub(crate) fn version() -> Option<String> {
    // Janus does not know this option, but prints its version before failing.
    let output = Command::new("janus").arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split(['(', ')']).nth(1).map(str::to_owned)
}

impl Janus {
    /// Starts it with a minimal configuration: VideoRoom and WebSockets, as an ICE-lite server like Bedside.
    pub(crate) async fn start(network: &Network) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::system("creating a folder for Janus"))?;
        let port = free_port()?;
        for (name, text) in [
            ("janus.jcfg", settings(network.address)?),
            ("janus.plugin.videoroom.jcfg", "general: { }\n".to_owned()),
            ("janus.transport.websockets.jcfg", transport(port)),
        ] {
            fs::write(folder.path().join(name), text).map_err(BenchError::system("writing Janus' settings"))?;
        }
        let mut command = Command::new("janus");
        command.arg("--configs-folder").arg(folder.path()).arg("--disable-colors");
        let log = folder.path().join("log");
        let mut program = Program::start(&mut command, &log)?;
        let deadline = Instant::now() + PATIENCE;
        let wire = loop {
            match Wire::open(port).await {
                Ok(wire) => break wire,
                Err(_) if !program.has_ended() && Instant::now() < deadline => sleep(AGAIN).await,
                Err(error) => {
                    let log = fs::read_to_string(log).unwrap_or_default();
                    return Err(BenchError::Server(format!("Janus does not respond: {error}\n{log}")));
                }
            }
        };
        Ok(Self { program, wire, resident_before: 0, _folder: folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Creates the rooms and lets all participants join.
    pub(crate) async fn fill(
        &mut self,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        self.resident_before = resident(self.pid());
        let host = self.wire.attach().await?;
        for room in 1..=load.visits {
            let create = json!({
                "request": "create", "room": room, "publishers": load.people, "bitrate": 0, "fir_freq": 0,
                "audiocodec": "opus", "videocodec": "vp8",
            });
            self.wire.ask(host, create, None).await?;
            let mut feeds = Vec::new();
            for _ in 0..load.people {
                feeds.push(self.publish(room, load, network, generator).await?);
            }
            for own in &feeds {
                let others: Vec<u64> = feeds.iter().copied().filter(|feed| feed != own).collect();
                self.subscribe(room, &others, load, network, generator).await?;
            }
        }
        Ok(())
    }

    /// Starts sending for a participant and returns the feed's ID.
    async fn publish(
        &mut self,
        room: u32,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<u64, BenchError> {
        let handle = self.wire.attach().await?;
        let join = json!({ "request": "join", "ptype": "publisher", "room": room });
        let joined = self.wire.ask(handle, join, None).await?;
        let feed = joined["plugindata"]["data"]["id"].as_u64();
        let feed = feed.ok_or_else(|| BenchError::Server(format!("no feed in {joined}")))?;
        let (offered, offer) = Offered::new(network.address, load, true, 0)?;
        let jsep = json!({ "type": "offer", "sdp": offer });
        let answer = self.wire.ask(handle, json!({ "request": "publish" }), Some(jsep)).await?;
        generator.add(offered.answered(description(&answer)?, load)?);
        Ok(feed)
    }

    /// Starts receiving from other participants.
    async fn subscribe(
        &mut self,
        room: u32,
        feeds: &[u64],
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        let handle = self.wire.attach().await?;
        let streams: Vec<Value> = feeds.iter().map(|feed| json!({ "feed": feed })).collect();
        let join = json!({ "request": "join", "ptype": "subscriber", "room": room, "streams": streams });
        let deadline = Instant::now() + PATIENCE;
        let offer = loop {
            let said = self.wire.ask(handle, join.clone(), None).await;
            match said.and_then(|said| description(&said).map(str::to_owned)) {
                // Everything the others send: audio and video each.
                Ok(offer) if offer.matches("\nm=").count() >= 2 * feeds.len() => break offer,
                Ok(_) | Err(_) if Instant::now() < deadline => sleep(AGAIN).await,
                Ok(offer) => return Err(BenchError::Server(format!("Janus offers too little: {offer}"))),
                Err(error) => return Err(error),
            }
        };
        let (player, answer) = answering(network.address, load, &offer, feeds.len())?;
        generator.add(player);
        let jsep = json!({ "type": "answer", "sdp": answer });
        self.wire.ask(handle, json!({ "request": "start" }), Some(jsep)).await.map(drop)
    }
}

fn description(said: &Value) -> Result<&str, BenchError> {
    said["jsep"]["sdp"].as_str().ok_or_else(|| BenchError::Server(format!("no session description in {said}")))
}

/// Janus' API over a WebSocket.
struct Wire {
    socket: WebSocketStream<TcpStream>,
    session: Option<u64>,
    asked: u64,
}

impl Wire {
    async fn open(port: u16) -> Result<Self, BenchError> {
        let failed = BenchError::server::<tokio_tungstenite::tungstenite::Error>;
        let request = format!("ws://127.0.0.1:{port}/").into_client_request();
        let mut request = request.map_err(failed("Janus' address"))?;
        let protocol = "janus-protocol".parse().map_err(BenchError::server("a header"))?;
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.map_err(BenchError::system("connecting to Janus"))?;
        let _ = stream.set_nodelay(true);
        let (socket, _) = client_async(request, stream).await.map_err(failed("opening a WebSocket"))?;
        let mut wire = Self { socket, session: None, asked: 0 };
        let made = wire.request(json!({ "janus": "create" })).await?;
        wire.session = made["data"]["id"].as_u64();
        Ok(wire)
    }

    async fn attach(&mut self) -> Result<u64, BenchError> {
        let made = self.request(json!({ "janus": "attach", "plugin": PLUGIN })).await?;
        made["data"]["id"].as_u64().ok_or_else(|| BenchError::Server(format!("no handle in {made}")))
    }

    /// Sends a request to the plugin.
    async fn ask(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> Result<Value, BenchError> {
        let mut message = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.request(message).await
    }

    async fn request(&mut self, mut message: Value) -> Result<Value, BenchError> {
        self.asked += 1;
        let transaction = self.asked.to_string();
        message["transaction"] = json!(transaction);
        if let Some(session) = self.session {
            message["session_id"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await.map_err(BenchError::server("asking Janus"))?;
        let answer = async {
            while let Some(Ok(message)) = self.socket.next().await {
                let Message::Text(text) = message else { continue };
                let said: Value = serde_json::from_str(&text).map_err(BenchError::server("Janus' answer"))?;
                if said["transaction"] != transaction || said["janus"] == "ack" {
                    continue;
                }
                if said["janus"] == "error" || !said["plugindata"]["data"]["error"].is_null() {
                    return Err(BenchError::Server(format!("Janus returned {said}")));
                }
                return Ok(said);
            }
            Err(BenchError::Server("Janus closed the connection".to_owned()))
        };
        timeout(PATIENCE, answer).await.map_err(|_| BenchError::Server("Janus does not respond".to_owned()))?
    }
}

fn settings(address: IpAddr) -> Result<String, BenchError> {
    let parts = parts()?;
    Ok(format!(
        "general: {{\n  plugins_folder = \"{0}/plugins\"\n  transports_folder = \"{0}/transports\"\n  \
         events_folder = \"{0}/events\"\n  loggers_folder = \"{0}/loggers\"\n  debug_level = 2\n  session_timeout = 0\n}}\n\
         nat: {{\n  ice_lite = true\n  ice_enforce_list = \"{address}\"\n  full_trickle = false\n}}\n\
         media: {{\n  ipv6 = false\n  rtp_port_range = \"20000-40000\"\n}}\n\
         plugins: {{ disable = \"{1}\" }}\ntransports: {{ disable = \"{2}\" }}\n",
        parts.display(),
        others(&parts.join("plugins"), "libjanus_videoroom.so"),
        others(&parts.join("transports"), "libjanus_websockets.so"),
    ))
}

fn transport(port: u16) -> String {
    format!(
        "general: {{\n  json = \"compact\"\n  ws = true\n  ws_port = {port}\n  ws_ip = \"127.0.0.1\"\n  wss = false\n}}\n\
         admin: {{ admin_ws = false\n  admin_wss = false }}\n"
    )
}

/// Returns the folder where Debian installs Janus' plugins: /usr/lib/ARCHITECTURE/janus.
fn parts() -> Result<PathBuf, BenchError> {
    let folders = fs::read_dir("/usr/lib").map_err(BenchError::system("/usr/lib"))?;
    let mut candidates = folders.flatten().map(|folder| folder.path().join("janus"));
    let found = candidates.find(|parts| parts.join("plugins").is_dir());
    found.ok_or_else(|| BenchError::Unavailable("Janus' plugins are not in /usr/lib/*/janus".to_owned()))
}

/// Returns the names of everything in a folder except one.
fn others(folder: &std::path::Path, wanted: &str) -> String {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != wanted).collect::<Vec<_>>().join(",")
}
