//! A page's WebSocket: reads messages, checks permissions for each one, passes them to the visit task, and writes the
//! messages that the task sends.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use bedside_store::{SessionHash, StoreError};
use bedside_visit::permission::{Action, Denial, action_of};
use bedside_visit::signalling::{
    ClientMessage, MAX_CLIENT_MESSAGE, MAX_SERVER_MESSAGE, MediaFailure, Refusal, ServerMessage,
};
use bedside_visit::{Appointment, Arrival, CommandId, ConnectionId, JoinWindow, PageId};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::Instrument as _;

use super::connection::{CloseReason, Connection, OUTBOX, Outgoing};
use super::event::Event;
use super::open_pages::OpenPage;
use crate::app::App;
use crate::audit::access_log::note_read_soon;
use crate::auth::{Access, Conversing, is_own};
use crate::http::edge::{ClientIp, Permit};
use crate::http::error::{Error, Problem};
use crate::http::timing::Arrived;
use crate::telemetry::traces::TraceContext;

/// A page pings every 5 s. A page that is silent for longer than this is treated as disconnected.
const SILENCE: Duration = Duration::from_secs(15);
/// How often the permissions of an open page are rechecked.
const PROOF_EVERY: Duration = Duration::from_secs(30);
/// Limit of the write buffer: the longest message and its frame.
const WRITE_BUFFER: usize = MAX_SERVER_MESSAGE + 64 * 1024;
/// How long sending one message may take.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// How long a page may take to complete the closing handshake.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Message rate limit: messages per second, and burst size.
const RATE: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(20).expect("not zero"), NonZeroU32::new(200).expect("not zero"));

/// Opens the signalling WebSocket of a visit (RFC 6455). Client and server exchange JSON text messages.
///
/// Errors are reported by a close code after the connection is open, because browsers hide the response of a rejected
/// handshake from scripts. Codes: 4401 not signed in, 4403 no permission or visit not open, 4000 the seat moved to
/// another page, 4001 this page has a newer connection, 4002 the visit is full, 4409 protocol violation, 1012 the
/// server is restarting, 1013 try again later.
#[utoipa::path(
    get,
    path = "/api/appointments/{id}/signalling",
    params(
        ("id" = String, Path, description = "Appointment ID"),
        ("as" = Option<String>, Query, description = "User ID of the seat, if the browser has sessions of several participants"),
        ("page" = Option<String>, Query, description = "Page ID chosen by the page, 1–64 characters of [A-Za-z0-9_-]; the same on every reconnect"),
        ("after" = Option<u64>, Query, description = "Number of the last message that the page received; later messages are sent again"),
        ("journey" = Option<String>, Query, description = "Trace of the page, if it received one: trace ID and span ID, 32 and 16 hexadecimal digits with a hyphen between them"),
        ("knock" = Option<bool>, Query, description = "The page opens several connections at once. The one on which it sends a message is used"),
    ),
    security(("session" = []), ("visit" = [])),
    responses(
        (status = 101, description = "Switching to the WebSocket protocol"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Not a WebSocket handshake, or invalid parameters"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Cross-origin request"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "WebSocket limit reached"),
    ),
)]
pub(crate) async fn upgrade(
    State(app): State<App>,
    access: Result<Access<Conversing>, Error>,
    returning: Result<Query<Returning>, QueryRejection>,
    ClientIp(address): ClientIp,
    Extension(asked): Extension<Arrived>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_own(&app, &headers) {
        return Error::CrossOrigin.into_response();
    }
    let Ok(Query(returning)) = returning else {
        return Error::BadRequest(
            "page must be 1 to 64 characters of [A-Za-z0-9_-], after a number, knock true or false.",
        )
        .into_response();
    };
    let Some(permit) = app.sockets.acquire(Some(address)) else {
        return Error::Busy.into_response();
    };
    let upgrade = upgrade
        // Messages from pages are short, except for SDP offers.
        .read_buffer_size(1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_CLIENT_MESSAGE)
        .max_frame_size(MAX_CLIENT_MESSAGE);
    let request = tracing::Span::current();
    match access {
        Ok(access) => upgrade.on_upgrade(move |socket| {
            let near = address.is_loopback();
            // The socket outlives the request. Its log lines have the ID of the request that opened it.
            Page::serve(app, access, (returning, asked, near), socket, permit).instrument(request)
        }),
        Err(Error::Internal | Error::Busy) => Error::Busy.into_response(),
        Err(error) => {
            let reason = if error == Error::NotSignedIn { CloseReason::SignedOut } else { CloseReason::Denied };
            upgrade.on_upgrade(move |mut socket| async move {
                close(&mut socket, reason).await;
                drop(permit);
            })
        }
    }
}

/// What a page sends about itself when it connects.
#[derive(Deserialize)]
pub(crate) struct Returning {
    page: Option<PageId>,
    after: Option<u64>,
    #[serde(default)]
    knock: bool,
    journey: Option<String>,
}

/// Why a page's connection ended.
enum End {
    /// The server closes the connection.
    Ours(CloseReason),
    /// The page is being closed, or the user navigated away.
    Goodbye,
    /// The connection was lost, or the page reconnected.
    Dropped,
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        Self::Ours(reason)
    }
}

/// Command rate limit: commands per second, and burst size.
const COMMANDS: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(2).expect("not zero"), NonZeroU32::new(100).expect("not zero"));

struct Page {
    app: App,
    appointment: Appointment,
    session: SessionHash,
    connection: ConnectionId,
    rate: DefaultDirectRateLimiter,
    commands: DefaultDirectRateLimiter,
    open: OpenPage,
    _permit: Permit,
}

impl Page {
    async fn serve(
        app: App,
        access: Access<Conversing>,
        (returning, Arrived(asked), near): (Returning, Arrived, bool),
        mut socket: WebSocket,
        permit: Permit,
    ) {
        if returning.knock && !is_chosen(&mut socket).await {
            return;
        }
        note_read_soon(&app, &access.identity, &access.appointment);
        let (user, actor) = (access.identity.principal.user, access.identity.actor());
        let name = access.appointment.participants.find(user).map(|(_, person)| person.name.clone());
        let connection = app.hub.next_connection();
        let journey = returning.journey.as_deref().and_then(TraceContext::parse);
        let arrival = Arrival {
            user,
            name: name.unwrap_or_else(|| "".into()),
            role: access.role,
            page: returning.page.unwrap_or_else(|| PageId::of_stranger(connection)),
            after: returning.after,
            session: tag(&access.identity.session),
        };
        let appointment = access.appointment.id;
        let page = Self {
            connection,
            session: access.identity.session,
            appointment: access.appointment,
            rate: RateLimiter::direct(Quota::per_second(RATE.0).allow_burst(RATE.1)),
            commands: RateLimiter::direct(Quota::per_second(COMMANDS.0).allow_burst(COMMANDS.1)),
            open: app.hub.open_page(user, access.identity.session, appointment),
            app,
            _permit: permit,
        };
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let role = arrival.role;
        let connection = Connection::new(page.connection, (actor, role), page.session, (asked, journey), near, outbox);
        let end = match page.tell(Event::Connected { connection: Box::new(connection), arrival }).await {
            Ok(()) => {
                page.app.traces.hello(journey, role, (asked, page.app.clock.now()));
                page.converse(&mut socket, outgoing).await
            }
            Err(reason) => End::Ours(reason),
        };
        // If the user signed out or lost permission, their media ends with the page.
        let goodbye = matches!(end, End::Goodbye | End::Ours(CloseReason::SignedOut | CloseReason::Denied));
        let _ = page.tell(Event::Disconnected { connection: page.connection, goodbye }).await;
        if let End::Ours(reason) = end {
            close(&mut socket, reason).await;
        }
    }

    /// Exchanges messages until either side ends the connection.
    async fn converse(&self, socket: &mut WebSocket, mut outgoing: mpsc::Receiver<Outgoing>) -> End {
        // Permissions may have been revoked before this page was registered.
        if let Err(end) = Box::pin(self.prove_or_end()).await {
            return end;
        }
        let mut proof = interval_at(Instant::now() + first_proof(self.connection), PROOF_EVERY);
        proof.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                incoming = socket.recv() => match incoming {
                    Some(Ok(message)) => {
                        silent_at = Instant::now() + SILENCE;
                        // Boxed, like the calls below, to keep the memory of an idle page small.
                        if let Err(end) = Box::pin(self.take(message, socket)).await {
                            return end;
                        }
                    }
                    Some(Err(_)) | None => return End::Dropped,
                },
                out = outgoing.recv() => match out {
                    Some(Outgoing::Send(message)) => {
                        if let Err(end) = send(socket, &message).await {
                            return end;
                        }
                    }
                    Some(Outgoing::Close(reason)) => return End::Ours(reason),
                    None => return End::Ours(self.lost()),
                },
                _ = proof.tick() => if let Err(end) = Box::pin(self.prove_or_end()).await {
                    return end;
                },
                () = self.open.doubted() => if let Err(end) = Box::pin(self.prove_or_end()).await {
                    return end;
                },
                () = sleep_until(silent_at) => return End::Dropped,
            }
        }
    }

    async fn take(&self, message: Message, socket: &mut WebSocket) -> Result<(), End> {
        if self.rate.check().is_err() {
            return Err(End::Ours(CloseReason::Protocol));
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            // 1000 is a deliberate close, 1001 a page that was closed or left. Pages reconnect after any other code.
            Message::Close(Some(CloseFrame { code: 1000 | 1001, .. })) => return Err(End::Goodbye),
            Message::Close(_) => return Err(End::Dropped),
            Message::Binary(_) => return Err(End::Ours(CloseReason::Protocol)),
        };
        match serde_json::from_str(&text) {
            Ok(ClientMessage::Ping) => send(socket, &ServerMessage::Pong).await,
            Ok(ClientMessage::Command { id, command }) => {
                // Commands are written to the database. A page that sends very many is slowed down; none is lost.
                self.commands.until_ready().await;
                match self.decide(action_of(&command)).await? {
                    Ok(()) => Ok(self.tell(Event::Command { connection: self.connection, id, command }).await?),
                    Err(denial) => {
                        let refusal = refusal(denial)?;
                        send(socket, &ServerMessage::Refused { id, refusal }).await
                    }
                }
            }
            Ok(ClientMessage::Offer { peer, sdp }) => match self.decide(Action::Join).await? {
                Ok(()) => Ok(self.tell(Event::Offer { connection: self.connection, peer, sdp }).await?),
                Err(_) => {
                    let reason = MediaFailure::NotAllowed;
                    send(socket, &ServerMessage::MediaFailed { peer, reason }).await
                }
            },
            Ok(ClientMessage::Watch { pictures }) => match self.decide(Action::Join).await? {
                Ok(()) => Ok(self.tell(Event::Watch { connection: self.connection, pictures }).await?),
                // A page without permission for media has nothing to watch.
                Err(_) => Ok(()),
            },
            Err(error) => match command_id(&text) {
                Some(id) => send(socket, &ServerMessage::Refused { id, refusal: Refusal::Malformed }).await,
                None => send(socket, &ServerMessage::Malformed { detail: error.to_string() }).await,
            },
        }
    }

    /// Checks the current permission. An ended session or a cancelled appointment takes effect at once.
    async fn decide(&self, action: Action) -> Result<Result<(), Denial>, CloseReason> {
        let [decision] = self.decide_all([action], true).await?;
        Ok(decision)
    }

    async fn decide_all<const N: usize>(
        &self,
        actions: [Action; N],
        used: bool,
    ) -> Result<[Result<(), Denial>; N], CloseReason> {
        let identity = self.prove(used).await?;
        let id = self.appointment.id;
        let sealed = self.app.store.get_appointment(id).await.map_err(|error| self.unavailable(&error))?;
        let sealed = sealed.ok_or(CloseReason::Denied)?;
        let now = self.app.clock.now();
        Ok(actions.map(|action| sealed.ask(&identity, action, &self.app.rules, now).map(|_| ())))
    }

    /// Rechecks the page's permissions. An ended session also ends the user's media. A cancelled appointment ends its
    /// visit, and the page stays open to say so.
    async fn prove_or_end(&self) -> Result<(), End> {
        // A page left open does not count as use of the session, except while the visit is open, when users wait or
        // talk.
        let window = self.appointment.window(&self.app.rules, self.app.clock.now());
        let proof = self.decide_all([Action::Attend, Action::Join], window == JoinWindow::Open).await;
        if matches!(proof, Err(CloseReason::SignedOut)) {
            self.app.hub.end_session(self.session).await;
        }
        let [attends, joins] = proof?;
        attends.map_err(|_| End::Ours(CloseReason::Denied))?;
        if joins == Err(Denial::Cancelled) {
            self.tell(Event::Cancelled).await?;
        }
        Ok(())
    }

    async fn prove(&self, used: bool) -> Result<bedside_visit::permission::Principal, CloseReason> {
        let identity =
            self.app.sessions.find_and_note(&self.session, used).await.map_err(|error| self.unavailable(&error))?;
        identity.map(|identity| identity.principal).ok_or(CloseReason::SignedOut)
    }

    fn unavailable(&self, error: &StoreError) -> CloseReason {
        let reason = self.lost();
        if matches!(reason, CloseReason::Unavailable) {
            tracing::error!(%error, "database error on visit WebSocket");
        }
        reason
    }

    /// Returns the close reason when the visit task no longer answers.
    fn lost(&self) -> CloseReason {
        if self.app.hub.has_stopped() { CloseReason::Restarting } else { CloseReason::Unavailable }
    }

    async fn tell(&self, event: Event) -> Result<(), CloseReason> {
        self.app.hub.tell(&self.appointment, event).await.map_err(|error| self.unavailable(&error))
    }
}

/// Returns a number that distinguishes a user's sessions in the visit state machine.
fn tag(session: &SessionHash) -> u64 {
    session.as_bytes().iter().take(8).fold(0, |tag, byte| (tag << 8) | u64::from(*byte))
}

/// Spreads the first permission check of each page, so that pages that reconnect together after a restart do not all
/// recheck at the same time.
fn first_proof(connection: ConnectionId) -> Duration {
    let milliseconds = u64::try_from(PROOF_EVERY.as_millis()).unwrap_or(u64::MAX);
    // A prime that does not divide the interval, so that consecutive connections are far apart.
    Duration::from_millis(connection.0.wrapping_mul(7_919) % milliseconds)
}

/// Waits for the first message on a connection attempt. A page that opens several attempts sends it only on the one
/// it chooses; the others must not take its place.
async fn is_chosen(socket: &mut WebSocket) -> bool {
    matches!(timeout(SILENCE, socket.recv()).await, Ok(Some(Ok(Message::Text(_)))))
}

fn refusal(denial: Denial) -> Result<Refusal, CloseReason> {
    match denial {
        Denial::NotFound | Denial::NotAllowed => Err(CloseReason::Denied),
        Denial::WrongRole { .. } => Ok(Refusal::WrongRole),
        Denial::TooEarly { .. } => Ok(Refusal::TooEarly),
        Denial::Closed => Ok(Refusal::Closed),
        Denial::Cancelled => Ok(Refusal::Cancelled),
    }
}

/// Returns the ID of a command that could not be parsed, so that the page gets a refusal under the ID it waits for.
fn command_id(text: &str) -> Option<CommandId> {
    /// The fields needed to reply.
    #[derive(Deserialize)]
    struct Named {
        r#type: String,
        id: CommandId,
    }
    let named: Named = serde_json::from_str(text).ok()?;
    (named.r#type == "command").then_some(named.id)
}

/// Sends a message. If sending fails, the page is gone and the error cannot be reported to it; server faults are
/// logged.
async fn send(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), End> {
    let text = match serde_json::to_string(message) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "cannot serialize message to page");
            return Err(End::Dropped);
        }
    };
    let bytes = text.len();
    if bytes > MAX_SERVER_MESSAGE {
        tracing::error!(bytes, "message to page exceeds the size limit");
    }
    match timeout(WRITE_TIME, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::info!(%error, bytes, "sending to page failed");
            Err(End::Dropped)
        }
        Err(_) => {
            tracing::info!(bytes, "sending to page timed out");
            Err(End::Dropped)
        }
    }
}

/// Closes the connection and reads until the page has closed it too. Leaving messages unread would reset the
/// connection, and the page might not receive the close reason (RFC 6455, section 7.1.1).
async fn close(socket: &mut WebSocket, reason: CloseReason) {
    let frame = CloseFrame { code: reason.code(), reason: reason.text().into() };
    let goodbye = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while socket.recv().await.is_some_and(|message| message.is_ok()) {}
        }
    };
    let _ = timeout(CLOSE_TIME, goodbye).await;
}
