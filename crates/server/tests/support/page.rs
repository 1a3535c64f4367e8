//! The signalling of a visit's page: it keeps its view like a browser's page.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use bedside_visit::signalling::{Admission, ClientMessage, Command, Refusal, ServerMessage};
use bedside_visit::view::View;
use bedside_visit::{AppointmentId, CommandId, UserId};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::Client;
use super::site::Site;
use super::soon;

/// How the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a WebSocket close code.
    Code(u16),
    /// Without a close frame.
    Dropped,
}

/// How a connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With the whole state.
    Snapshot,
    /// With the missed changes.
    Resumed,
}

/// Why a page could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The handshake was answered with this HTTP status and problem.
    Status(u16, String),
    /// The WebSocket was closed before it received any state.
    Ended(Ending),
}

/// An open page of a visit.
#[derive(Debug)]
pub(crate) struct Page {
    /// The current view.
    pub(crate) view: View,
    /// Received messages other than snapshots, changes and answers to commands.
    pub(crate) others: VecDeque<ServerMessage>,
    /// Pending requests to join on another device, as last received.
    pub(crate) asking: Vec<Admission>,
    socket: WebSocketStream<TcpStream>,
    sequence: u64,
    ending: Option<Ending>,
}

impl Page {
    /// Opens the page, and asserts that it succeeds.
    pub(crate) async fn open(site: &impl Site, client: &Client, appointment: AppointmentId) -> Self {
        let path = format!("/api/appointments/{appointment}/signalling");
        Self::try_open(site, client, &path, Some(site.origin())).await.expect("it opens")
    }

    /// Opens the page as one of a browser's several identities, and asserts that it succeeds.
    pub(crate) async fn open_as(site: &impl Site, client: &Client, appointment: AppointmentId, user: UserId) -> Self {
        let path = format!("/api/appointments/{appointment}/signalling?as={user}");
        Self::try_open(site, client, &path, Some(site.origin())).await.expect("it opens")
    }

    /// Opens the page under a given name, like a browser, and asserts that it succeeds.
    pub(crate) async fn open_named(site: &impl Site, client: &Client, appointment: AppointmentId, name: &str) -> Self {
        let path = format!("/api/appointments/{appointment}/signalling?page={name}");
        Self::try_open(site, client, &path, Some(site.origin())).await.expect("it opens")
    }

    /// Reconnects the page and sends the number of the last received change. The caller decides whether the server
    /// notices that the old connection is gone: it drops `before` or keeps it.
    pub(crate) async fn resume(
        before: &Self,
        site: &impl Site,
        client: &Client,
        appointment: AppointmentId,
        name: &str,
    ) -> (Self, Beginning) {
        let after = before.sequence;
        let path = format!("/api/appointments/{appointment}/signalling?page={name}&after={after}");
        let mut socket = connect(site, client, &path, Some(site.origin())).await.expect("it opens");
        let others = VecDeque::new();
        match soon("a beginning", receive(&mut socket)).await {
            Ok(ServerMessage::Snapshot { sequence, view, .. }) => {
                (Self { view, others, asking: vec![], socket, sequence, ending: None }, Beginning::Snapshot)
            }
            Ok(ServerMessage::Resumed { sequence, .. }) => {
                assert_eq!(sequence, after);
                (
                    Self { view: before.view.clone(), others, asking: vec![], socket, sequence, ending: None },
                    Beginning::Resumed,
                )
            }
            other => panic!("unexpected first message: {other:?}"),
        }
    }

    /// Opens one of several connection attempts of the page `name`, which is silent until it is chosen.
    pub(crate) async fn attempt(site: &impl Site, client: &Client, appointment: AppointmentId, name: &str) -> Attempt {
        let path = format!("/api/appointments/{appointment}/signalling?page={name}&knock=true");
        Attempt(connect(site, client, &path, Some(site.origin())).await.expect("it opens"))
    }

    /// Opens a WebSocket at `path` and waits for the first snapshot.
    pub(crate) async fn try_open(
        site: &impl Site,
        client: &Client,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, Refused> {
        Self::begun(connect(site, client, path, origin).await?).await
    }

    async fn begun(mut socket: WebSocketStream<TcpStream>) -> Result<Self, Refused> {
        match soon("a snapshot", receive(&mut socket)).await {
            Ok(ServerMessage::Snapshot { sequence, view, .. }) => {
                Ok(Self { view, others: VecDeque::new(), asking: vec![], socket, sequence, ending: None })
            }
            Ok(other) => panic!("expected a snapshot first, not {other:?}"),
            Err(ending) => Err(Refused::Ended(ending)),
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn command(&mut self, command: Command) -> Result<(), Refusal> {
        // A command ID that no other page of the same user has used.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let id = format!("c-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.command_with_id(&id, command).await
    }

    /// Sends a command under a given ID and waits for its answer.
    pub(crate) async fn command_with_id(&mut self, id: &str, command: Command) -> Result<(), Refusal> {
        let id = CommandId::try_from(id.to_owned()).expect("an id");
        self.send(&ClientMessage::Command { id: id.clone(), command: command.clone() }).await;
        loop {
            match self.next().await {
                Ok(ServerMessage::Acknowledged { id: done }) if done == id => return Ok(()),
                Ok(ServerMessage::Refused { id: refused, refusal }) if refused == id => return Err(refusal),
                Ok(_) => {}
                Err(ending) => panic!("{command:?} was answered with the end of the connection: {ending:?}"),
            }
        }
    }

    /// Waits until the view meets a condition, and returns it.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&View) -> bool) -> &View {
        soon(what, async {
            while !wanted(&self.view) {
                if let Err(ending) = self.next().await {
                    panic!("waited for {what}, but the connection ended: {ending:?}");
                }
            }
        })
        .await;
        &self.view
    }

    /// Waits until this many requests to join on another device are pending.
    pub(crate) async fn until_asking(&mut self, many: usize) -> &[Admission] {
        soon("requests to join on another device", async {
            while self.asking.len() != many {
                self.next().await.expect("a message");
            }
        })
        .await;
        &self.asking
    }

    /// Waits for a message other than snapshots, changes and answers to commands.
    pub(crate) async fn other(&mut self) -> ServerMessage {
        loop {
            if let Some(message) = self.others.pop_front() {
                return message;
            }
            self.next().await.expect("a message");
        }
    }

    /// Waits until the server ends the connection.
    pub(crate) async fn ending(&mut self) -> Ending {
        soon("the connection's end", async {
            loop {
                if let Err(ending) = self.next().await {
                    return ending;
                }
            }
        })
        .await
    }

    /// Receives and processes the next message.
    pub(crate) async fn next(&mut self) -> Result<ServerMessage, Ending> {
        if let Some(ending) = self.ending {
            return Err(ending);
        }
        let message = soon("a message", receive(&mut self.socket)).await;
        match &message {
            Err(ending) => self.ending = Some(*ending),
            Ok(message) => self.take(message),
        }
        message
    }

    fn take(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Snapshot { .. } | ServerMessage::Resumed { .. } => {
                panic!("a second snapshot on one connection")
            }
            ServerMessage::Changed { sequence, changes } => {
                assert_eq!(*sequence, self.sequence + 1, "changes arrive in order and without gaps");
                self.sequence = *sequence;
                changes.iter().for_each(|change| self.view.apply(change.clone()));
            }
            ServerMessage::Acknowledged { .. } | ServerMessage::Refused { .. } => {}
            ServerMessage::Admissions { waiting } => self.asking.clone_from(waiting),
            ServerMessage::Answer { .. }
            | ServerMessage::MediaFailed { .. }
            | ServerMessage::Layers { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Pong
            | ServerMessage::Malformed { .. }
            | ServerMessage::Moved
            | ServerMessage::Stopping { .. } => self.others.push_back(message.clone()),
        }
    }

    pub(crate) async fn send(&mut self, message: &ClientMessage) {
        let text = serde_json::to_string(message).expect("it serializes");
        self.send_raw(Message::text(text)).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_raw(Message::text(text)).await;
    }

    /// Sends a WebSocket message. If the peer is gone, the next read reports it.
    pub(crate) async fn send_raw(&mut self, message: Message) {
        let _ = soon("to send", self.socket.send(message)).await;
    }

    /// Closes the page like a browser.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
        soon("the close to be answered", async { while self.socket.next().await.is_some_and(|m| m.is_ok()) {} }).await;
    }
}

/// A connection that the page has not chosen yet.
pub(crate) struct Attempt(WebSocketStream<TcpStream>);

impl Attempt {
    /// Chooses this connection.
    pub(crate) async fn choose(mut self) -> Page {
        let ping = serde_json::to_string(&ClientMessage::Ping).expect("a message");
        self.0.send(Message::text(ping)).await.expect("sent");
        Page::begun(self.0).await.unwrap_or_else(|refused| panic!("refused: {refused:?}"))
    }
}

async fn connect(
    site: &impl Site,
    client: &Client,
    path: &str,
    origin: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, Refused> {
    let mut request =
        format!("ws://localhost:{}{path}", site.address().port()).into_client_request().expect("a request");
    let headers = request.headers_mut();
    if let Some(token) = client.token() {
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    let cookies = client.cookie_header();
    if !cookies.is_empty() {
        headers.insert("cookie", cookies.parse().expect("a header"));
    }
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().expect("a header"));
    }
    let stream = TcpStream::connect(site.address()).await.expect("the server listens");
    match soon("a WebSocket", client_async(request, stream)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(Refused::Status(response.status().as_u16(), String::from_utf8_lossy(body).into_owned()))
        }
        Err(error) => panic!("the WebSocket handshake failed: {error}"),
    }
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Result<ServerMessage, Ending> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
            }
            Some(Ok(Message::Close(Some(frame)))) => return Err(Ending::Code(frame.code.into())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(other)) => panic!("the server sends text only, not {other:?}"),
            Some(Err(_)) | None => return Err(Ending::Dropped),
        }
    }
}
