//! A participant's page, limited to signalling: docs/signalling.md.

use std::time::Duration;

use bedside_visit::CommandId;
use bedside_visit::signalling::{ClientMessage, Command, Sdp, ServerMessage};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

use crate::clinic::{Clinic, Person};
use crate::error::BenchError;

/// Interval of keep-alives.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Timeout for any operation.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open page.
pub(crate) struct Page {
    socket: WebSocketStream<TcpStream>,
}

/// A page that only sends keep-alives. Dropping it closes it like a browser.
pub(crate) struct Resting {
    close: Option<oneshot::Sender<()>>,
}

impl Page {
    /// Opens the page and joins.
    pub(crate) async fn open(clinic: &Clinic, person: &Person) -> Result<Self, BenchError> {
        let failed = BenchError::server::<tokio_tungstenite::tungstenite::Error>;
        let name = Uuid::new_v4().simple();
        let path = format!("/api/appointments/{}/signalling?page={name}", person.appointment);
        let address = format!("ws://localhost:{}{path}", clinic.port);
        let mut request = address.into_client_request().map_err(failed("a WebSocket's address"))?;
        for (name, value) in [("origin", clinic.origin()), ("cookie", person.cookie.clone())] {
            request.headers_mut().insert(name, value.parse().map_err(BenchError::server(name))?);
        }
        let stream = TcpStream::connect(("127.0.0.1", clinic.port)).await;
        let stream = stream.map_err(BenchError::system("connecting to the server"))?;
        let _ = stream.set_nodelay(true);
        let (socket, _) = client_async(request, stream).await.map_err(failed("opening a WebSocket"))?;
        let mut page = Self { socket };
        page.until("a snapshot", |message| matches!(message, ServerMessage::Snapshot { .. }).then_some(())).await?;
        page.command(Command::Enter).await?;
        Ok(page)
    }

    /// Sends a command and waits until it is acknowledged.
    pub(crate) async fn command(&mut self, command: Command) -> Result<(), BenchError> {
        let id =
            CommandId::try_from(Uuid::new_v4().simple().to_string()).map_err(BenchError::server("a command ID"))?;
        let what = format!("{command:?}");
        self.send(&ClientMessage::Command { id: id.clone(), command }).await?;
        let answer = |message: &ServerMessage| {
            if let ServerMessage::Refused { id: refused, refusal } = message
                && *refused == id
            {
                return Some(Err(*refusal));
            }
            matches!(message, ServerMessage::Acknowledged { id: done } if *done == id).then_some(Ok(()))
        };
        self.until(&what, answer).await?.map_err(BenchError::server(what))
    }

    /// Offers a media connection and returns the answer.
    pub(crate) async fn offer(&mut self, sdp: String) -> Result<String, BenchError> {
        let peer = fastrand::u32(..);
        self.send(&ClientMessage::Offer { peer, sdp: Sdp(sdp) }).await?;
        let answer = |message: &ServerMessage| {
            if let ServerMessage::MediaFailed { peer: of, reason } = message
                && *of == peer
            {
                return Some(Err(*reason));
            }
            let ServerMessage::Answer { peer: of, sdp, .. } = message else { return None };
            (*of == peer).then(|| Ok(sdp.0.clone()))
        };
        let answer = self.until("an answer to an offer", answer).await?;
        answer.map_err(|reason| BenchError::Server(format!("an offer was refused: {reason:?}")))
    }

    /// Keeps the page open in the background.
    pub(crate) fn rest(mut self) -> Resting {
        let (close, mut closed) = oneshot::channel();
        tokio::spawn(async move {
            let mut pings = interval(PING_EVERY);
            loop {
                tokio::select! {
                    _ = pings.tick() => if self.send(&ClientMessage::Ping).await.is_err() {
                        return;
                    },
                    message = self.socket.next() => match message {
                        Some(Ok(_)) => (),
                        Some(Err(_)) | None => return,
                    },
                    _ = &mut closed => {
                        let _ = self.socket.close(None).await;
                        return;
                    }
                }
            }
        });
        Resting { close: Some(close) }
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<(), BenchError> {
        let text = serde_json::to_string(message).map_err(BenchError::server("a message"))?;
        self.socket.send(Message::text(text)).await.map_err(BenchError::server("sending a message"))
    }

    /// Waits for a message.
    async fn until<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&ServerMessage) -> Option<T>,
    ) -> Result<T, BenchError> {
        let came = timeout(PATIENCE, async {
            while let Some(Ok(message)) = self.socket.next().await {
                let Message::Text(text) = message else { continue };
                let message: ServerMessage = serde_json::from_str(&text).map_err(BenchError::server("a message"))?;
                if let Some(found) = wanted(&message) {
                    return Ok(found);
                }
            }
            Err(BenchError::Server(format!("the page was closed before {what}")))
        });
        came.await.map_err(|_| BenchError::Server(format!("timed out waiting for {what}")))?
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            let _ = close.send(());
        }
    }
}
