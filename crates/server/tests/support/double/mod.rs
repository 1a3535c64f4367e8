//! A double of CometChat's service, as far as its REST clients and its own SDKs (chat 4.2, calls 4.2) use it: users and
//! tokens, sign-in, ringing calls pushed over a WebSocket, and rooms over XMPP. There is no video bridge: participants
//! see each other join, but no video.
//!
//! Based on the documented API and on observed requests of the SDKs.

mod accounts;
mod calls;
mod http;
mod line;
mod xmpp;

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use bedside::config::CometChatConfig;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) const APP: &str = "bedside0app";
pub(crate) const KEY: &str = "rest-key-canary-3f9a";
pub(crate) const WEBHOOK: &str = "webhooks:aLongPasswordOfLetters1";

/// The service of one app.
pub(crate) struct Double {
    state: Shared,
    api: String,
    /// The host that the SDKs connect to.
    pub(crate) host: String,
    servers: Vec<JoinHandle<()>>,
}

/// A simulated fault of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Each REST request is answered with this status.
    Status(u16),
    /// Each REST request is refused with this status and code.
    Refusal(u16, &'static str),
    /// Each REST request is answered with 429 and this many seconds in Retry-After.
    TooMany(u64),
    /// REST requests are never answered.
    Silence,
}

#[derive(Default)]
pub(super) struct State {
    host: String,
    users: HashMap<String, User>,
    tokens: HashMap<String, String>,
    calls: HashMap<String, Call>,
    lines: Vec<Line>,
    rooms: HashMap<String, Vec<xmpp::Occupant>>,
    faults: VecDeque<Fault>,
    /// Status in response to an existing UID: 409 or 400.
    exists: u16,
    delay: Duration,
    twice: bool,
    /// The number of calls for which no ring is delivered.
    unheard: usize,
    number: u64,
    /// Every REST request: method, path, body.
    asked: Vec<(String, String, Value)>,
}

type Shared = Arc<Mutex<State>>;

#[derive(Debug, Clone, Default)]
struct User {
    uid: String,
    name: String,
    avatar: Option<String>,
    active: bool,
}

struct Call {
    session: String,
    sender: String,
    receiver: String,
    status: String,
    at: u64,
}

/// A signed-in SDK's WebSocket.
struct Line {
    uid: String,
    device: String,
    outbox: mpsc::UnboundedSender<String>,
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().expect("not poisoned")
}

impl Double {
    pub(crate) async fn start() -> Self {
        let state = Shared::default();
        lock(&state).exists = 409;
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (plain, secure) = (bind(), bind());
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let api = format!("http://127.0.0.1:{}/v3", port(&plain));
        let host = format!("localhost:{}", port(&secure));
        lock(&state).host.clone_from(&host);
        for listener in [&plain, &secure] {
            listener.set_nonblocking(true).expect("non-blocking");
        }
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let rustls = RustlsConfig::from_pem(key.cert.pem().into(), key.signing_key.serialize_pem().into())
            .await
            .expect("a certificate that can be used");
        let (first, second) = (http::router(Arc::clone(&state)), http::router(Arc::clone(&state)));
        let servers = vec![
            tokio::spawn(async move {
                axum_server::from_tcp(plain)
                    .expect("it listens")
                    .serve(first.into_make_service())
                    .await
                    .expect("serves");
            }),
            tokio::spawn(async move {
                let server = axum_server::from_tcp_rustls(secure, rustls).expect("it listens");
                server.serve(second.into_make_service()).await.expect("serves");
            }),
        ];
        Self { state, api, host, servers }
    }

    /// Returns the operator's configuration for this service.
    pub(crate) fn config(&self) -> CometChatConfig {
        CometChatConfig {
            app_id: APP.to_owned(),
            region: "us".to_owned(),
            api_key: KEY.to_owned().into(),
            webhook: Some(WEBHOOK.to_owned().into()),
            client_host: Some(self.host.clone()),
            api_url: Some(self.api.clone()),
        }
    }

    /// Makes the next REST requests fail, one fault each.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state).faults.extend(faults);
    }

    /// Sets the status in response to an existing UID.
    pub(crate) fn says_exists_with(&self, status: u16) {
        lock(&self.state).exists = status;
    }

    /// Delays pushed messages, and duplicates them if `twice` is set.
    pub(crate) fn pushes(&self, delay: Duration, twice: bool) {
        let mut state = lock(&self.state);
        (state.delay, state.twice) = (delay, twice);
    }

    /// Delivers no ring for the next calls.
    pub(crate) fn loses_rings(&self, count: usize) {
        lock(&self.state).unheard = count;
    }

    /// Returns how ended calls ended, in the order in which they began.
    pub(crate) fn endings(&self) -> Vec<String> {
        let state = lock(&self.state);
        let mut over: Vec<_> = state.calls.values().filter(|call| calls::is_over(&call.status)).collect();
        over.sort_by_key(|call| call.at);
        over.into_iter().map(|call| call.status.clone()).collect()
    }

    /// Revokes all tokens of a user.
    pub(crate) fn flush(&self, uid: &str) {
        lock(&self.state).tokens.retain(|_, owner| owner != uid);
    }

    /// Deactivates a user.
    pub(crate) fn deactivate(&self, uid: &str) {
        lock(&self.state).users.get_mut(uid).expect("known").active = false;
    }

    /// Deletes a user.
    pub(crate) fn delete(&self, uid: &str) {
        self.flush(uid);
        lock(&self.state).users.remove(uid);
    }

    /// Returns the name and avatar of a user.
    pub(crate) fn user(&self, uid: &str) -> Option<(String, Option<String>)> {
        lock(&self.state).users.get(uid).map(|user| (user.name.clone(), user.avatar.clone()))
    }

    pub(crate) fn tokens_of(&self, uid: &str) -> usize {
        lock(&self.state).tokens.values().filter(|owner| *owner == uid).count()
    }

    /// Returns every REST request since the last call: method, path, body.
    pub(crate) fn asked(&self) -> Vec<(String, String, Value)> {
        std::mem::take(&mut lock(&self.state).asked)
    }

    /// Places a call, as any user of the app can.
    pub(crate) fn ring(&self, from: &str, to: &str) -> String {
        let mut state = lock(&self.state);
        state.users.entry(from.to_owned()).or_insert_with(|| User {
            uid: from.to_owned(),
            name: "A stranger".to_owned(),
            avatar: None,
            active: true,
        });
        let session = state.place(from, to);
        let message = state.message(&session, "initiated", from);
        state.push(to, &message, "elsewhere");
        session
    }

    /// Returns whether a call to a user rings anywhere.
    pub(crate) fn hears(&self, uid: &str) -> bool {
        lock(&self.state).lines.iter().any(|line| line.uid == uid)
    }

    /// Returns the status of a call: initiated, ongoing, rejected, cancelled, unanswered, ended.
    pub(crate) fn status(&self, session: &str) -> Option<String> {
        lock(&self.state).calls.get(session).map(|call| call.status.clone())
    }

    /// Returns the number of users in the media rooms of calls.
    pub(crate) fn in_rooms(&self) -> usize {
        lock(&self.state).rooms.values().map(Vec::len).sum()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn mint(&mut self, uid: &str) -> String {
        let token = format!("{uid}_token-canary_{:08x}", self.number());
        self.tokens.insert(token.clone(), uid.to_owned());
        token
    }

    fn shown(&self, uid: &str) -> Value {
        let user = self.users.get(uid).cloned().unwrap_or_default();
        let online = self.lines.iter().any(|line| line.uid == uid);
        let mut shown = json!({ "uid": user.uid, "name": user.name, "role": "default",
            "status": if online { "online" } else { "offline" } });
        if let Some(avatar) = user.avatar {
            shown["avatar"] = json!(avatar);
        }
        shown
    }

    /// Sends a message on every connection of a user, except for the acting one.
    fn push(&self, uid: &str, message: &Value, acting: &str) {
        let frame =
            json!({ "appId": APP, "type": "message", "sender": message["sender"], "receiver": message["receiver"],
            "receiverType": "user", "deviceId": acting, "body": message })
            .to_string();
        for line in self.lines.iter().filter(|line| line.uid == uid && line.device != acting) {
            let (outbox, frame, delay, times) =
                (line.outbox.clone(), frame.clone(), self.delay, if self.twice { 2 } else { 1 });
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                for _ in 0..times {
                    let _ = outbox.send(frame.clone());
                }
            });
        }
    }
}
