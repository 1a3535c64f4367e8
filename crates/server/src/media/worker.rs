//! A media worker thread: waits for sockets, orders and deadlines, and drives the SFU.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bedside_sfu::{
    Command, DtlsCert, Forwarding, IceCredentials, Input, Join, Limits, Output, PacketPath, Sfu, SfuConfig, Statistics,
    Transport,
};
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::addresses::{Addresses, usable, without_loopback};
use super::directory::{Directory, Waiting};
use super::error::MediaError;
use super::messages::{MediaAnswer, MediaEvent, MediaEventKind, MediaNews};
use super::tcp::{TcpCounts, TcpPort};
use super::udp::UdpPort;
use super::{Order, next_peer};
use crate::config::MediaConfig;

const WAKE: Token = Token(0);
const UDP: Token = Token(1);
const LISTENER: Token = Token(2);
const FIRST_CONNECTION: usize = 16;

/// How often counters are published.
const STATISTICS: Duration = Duration::from_secs(1);
/// How often the machine's addresses are detected again.
const LOOK: Duration = Duration::from_secs(5);
/// Maximum number of batches received before orders and deadlines are handled.
const BATCHES: usize = 16;
/// Minimum time between two turns of receiving. A turn costs a wake-up and, for each receiver, a system call, however
/// few packets it handles. A delay below a millisecond is imperceptible.
const PACE: Duration = Duration::from_micros(750);
/// Delay before packets or events that could not be sent are retried.
const RETRY: Duration = Duration::from_millis(5);

/// State that a worker shares with its handle.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) statistics: Mutex<(Statistics, TcpCounts)>,
    /// The time spent working, not waiting, in microseconds.
    pub(super) busy: AtomicU64,
    pub(super) failed: AtomicBool,
    /// Whether an address that other machines can reach is advertised.
    pub(super) reachable: AtomicBool,
}

pub(super) struct Worker {
    poll: Poll,
    waker: Arc<Waker>,
    udp: UdpPort,
    tcp: Option<TcpPort>,
    addresses: Addresses,
    /// The bind address and the time of the last detection, if addresses are detected from the machine.
    follows: Option<(IpAddr, Instant)>,
    offers_tcp: bool,
    sfu: Sfu,
    directory: Directory,
    orders: Receiver<Order>,
    events: mpsc::Sender<MediaEvent>,
    /// Events that did not fit into the channel.
    unsent: VecDeque<MediaEvent>,
    number: usize,
    shared: Arc<Shared>,
    /// Whether there may be more to receive than the last turn allowed.
    unreceived: bool,
    /// When datagrams were received in this turn.
    turned: Option<Instant>,
    published: Instant,
    /// Whether counters may have changed since they were last published.
    unpublished: bool,
    busy: Duration,
    swept: Instant,
    running: bool,
}

impl Worker {
    pub(super) fn new(
        config: &MediaConfig,
        number: usize,
        certificate: DtlsCert,
        orders: Receiver<Order>,
        events: mpsc::Sender<MediaEvent>,
        shared: Arc<Shared>,
    ) -> Result<Self, MediaError> {
        let port = match config.port {
            0 => 0,
            // `MediaConfig::validate` has checked that the ports exist.
            first => first.saturating_add(u16::try_from(number).unwrap_or(u16::MAX)),
        };
        let bind = usable(config.bind);
        let (mut udp, mut tcp) = bind_both(config, bind, port)?;
        let port = udp.local_port().map_err(MediaError::Thread)?;
        let addresses = Addresses::new(config, bind, port);
        let candidates = candidates(&addresses, config.tcp);
        tracing::info!(worker = number, addresses = ?addresses.advertised(), tcp = config.tcp, "media port open");

        let poll = Poll::new().map_err(MediaError::Thread)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(MediaError::Thread)?);
        udp.register(poll.registry(), UDP).map_err(MediaError::Thread)?;
        if let Some(tcp) = &mut tcp {
            tcp.register(poll.registry(), LISTENER).map_err(MediaError::Thread)?;
        }
        let now = clock();
        let follows = Addresses::follow_the_machine(config, bind).then_some((bind, now));
        tell_reachable(number, &addresses, &shared);
        let sfu =
            Sfu::new(SfuConfig { candidates, certificate, limits: Limits::default(), path: PacketPath::Short }, now);
        Ok(Self {
            poll,
            waker,
            udp,
            tcp,
            addresses,
            follows,
            offers_tcp: config.tcp,
            number,
            sfu,
            directory: Directory::default(),
            orders,
            events,
            unsent: VecDeque::new(),
            shared,
            unreceived: false,
            turned: None,
            published: now,
            unpublished: true,
            busy: Duration::ZERO,
            swept: now,
            running: true,
        })
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Runs the worker until it is told to stop. A panic ends the rooms of this thread and is reported.
    pub(super) fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.work()));
        match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(%error, "media thread cannot poll its sockets"),
            Err(_) => tracing::error!("media thread panicked, its visits have lost their media"),
        }
        self.shared.failed.store(true, Ordering::Relaxed);
        for peer in self.directory.all() {
            if let Some(event) = self.directory.gone(peer) {
                // Blocking is acceptable, because this thread has nothing else to do.
                let _ = self.events.blocking_send(event);
            }
        }
    }

    fn work(&mut self) -> io::Result<()> {
        let mut ready = Events::with_capacity(256);
        let mut woken = clock();
        while self.running {
            let waits = clock();
            self.busy += waits.saturating_duration_since(woken);
            self.gather();
            let polled = self.poll.poll(&mut ready, self.patience(clock()));
            woken = clock();
            match polled {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &ready {
                self.ready(event);
            }
            if std::mem::take(&mut self.unreceived) {
                self.turned = Some(clock());
                self.receive();
            }
            for token in self.tcp.as_mut().map(TcpPort::take_unread).unwrap_or_default() {
                self.read_connection(token);
            }
            let now = clock();
            if self.sfu.next_deadline().is_some_and(|at| at <= now) {
                self.sfu.handle_input(now, Input::Timeout);
            }
            self.pump();
            self.housekeeping(now);
        }
        Ok(())
    }

    /// Returns how long to wait for the next event.
    fn patience(&self, now: Instant) -> Option<Duration> {
        if self.unreceived || self.tcp.as_ref().is_some_and(TcpPort::has_unread) {
            return Some(Duration::ZERO);
        }
        let retry = (!self.unsent.is_empty() || self.udp.is_blocked()).then(|| now + RETRY);
        let sweep = self.tcp.as_ref().and_then(|tcp| tcp.next_sweep(now));
        let publish = self.unpublished.then(|| self.published + STATISTICS);
        let look = self.follows.map(|(_, looked)| looked + LOOK);
        let at = [self.sfu.next_deadline(), retry, sweep, publish, look].into_iter().flatten().min()?;
        Some(at.saturating_duration_since(now))
    }

    fn ready(&mut self, event: &Event) {
        match event.token() {
            WAKE => self.take_orders(),
            UDP => {
                self.unreceived |= event.is_readable();
            }
            LISTENER => {
                if let Some(tcp) = &mut self.tcp {
                    tcp.accept(self.poll.registry(), clock());
                }
            }
            token => {
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.read_connection(token);
                }
                if event.is_writable()
                    && let Some(tcp) = &mut self.tcp
                {
                    tcp.writable(self.poll.registry(), token);
                }
            }
        }
    }

    /// Waits until [`PACE`] has passed since the last turn, so that packets are received and forwarded in batches.
    fn gather(&mut self) {
        let Some(turned) = self.turned.take().filter(|_| !self.unreceived) else { return };
        if let Some(rest) = PACE.checked_sub(clock().saturating_duration_since(turned)) {
            std::thread::sleep(rest);
        }
    }

    /// Receives datagrams, and sends the resulting output after each batch.
    fn receive(&mut self) {
        for _ in 0..BATCHES {
            let now = clock();
            let (sfu, addresses) = (&mut self.sfu, &self.addresses);
            let more = self.udp.receive(|source, arrived_at, contents| {
                sfu.handle_input(now, datagram(Transport::Udp, addresses, source, arrived_at, contents));
            });
            if !more {
                return;
            }
            self.pump();
        }
        self.unreceived = true;
    }

    fn read_connection(&mut self, token: Token) {
        let Some(tcp) = &mut self.tcp else { return };
        let now = clock();
        let (sfu, addresses) = (&mut self.sfu, &self.addresses);
        tcp.read(self.poll.registry(), token, now, |frame| {
            let (source, arrived_at, contents) = (frame.source, frame.arrived_at, frame.contents);
            sfu.handle_input(now, datagram(Transport::Tcp, addresses, source, arrived_at, contents));
        });
        if tcp.stranger(token).is_some_and(|remote| sfu.is_proved(Transport::Tcp, remote)) {
            tcp.prove(self.poll.registry(), now, token);
        }
    }

    /// Takes all output of the SFU and sends it.
    fn pump(&mut self) {
        while let Some(output) = self.sfu.poll_output() {
            match output {
                Output::Transmit(transmit) => match (transmit.transport, &mut self.tcp) {
                    (Transport::Udp, _) => self.udp.push(transmit),
                    (Transport::Tcp, Some(tcp)) => tcp.send(self.poll.registry(), &transmit),
                    (Transport::Tcp, None) => (),
                },
                Output::Answered { peer, sdp, tracks } => {
                    let sdp = if self.directory.is_near(peer) { sdp } else { without_loopback(&sdp) };
                    self.directory.answered(peer, MediaAnswer { sdp, tracks, again: false })
                }
                Output::Refused { peer, why } => {
                    tracing::info!(peer = peer.0, %why, "media connection refused");
                    if let Some(waiting) = self.directory.refused(peer, &why) {
                        self.join(waiting);
                    }
                }
                Output::Up { peer } => {
                    tracing::debug!(peer = peer.0, "media connected");
                    self.tell(self.directory.event(peer, MediaEventKind::Up));
                }
                Output::Lost { peer } => {
                    tracing::debug!(peer = peer.0, "media lost");
                    self.tell(self.directory.event(peer, MediaEventKind::Lost));
                }
                Output::Wanted { peer, layers } => {
                    self.tell(self.directory.event(peer, MediaEventKind::Wanted(layers)))
                }
                Output::Speaking { room, user } => {
                    self.tell(Some(MediaEvent { room, news: MediaNews::Speaking(user) }))
                }
                Output::Gone { peer, why } => {
                    tracing::debug!(peer = peer.0, ?why, "media connection ended");
                    let event = self.directory.gone(peer);
                    self.tell(event);
                }
            }
        }
        let sfu = &mut self.sfu;
        self.udp.flush(&self.addresses, |contents| sfu.recycle(contents));
    }

    fn tell(&mut self, event: Option<MediaEvent>) {
        self.unsent.extend(event);
        while let Some(event) = self.unsent.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => (),
                Err(TrySendError::Full(event)) => {
                    self.unsent.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.unsent.clear(),
            }
        }
    }

    fn housekeeping(&mut self, now: Instant) {
        if !self.unsent.is_empty() {
            self.tell(None);
        }
        if let Some(tcp) = &mut self.tcp
            && now.saturating_duration_since(self.swept) >= Duration::from_secs(1)
        {
            self.swept = now;
            let sfu = &self.sfu;
            tcp.sweep(self.poll.registry(), now, |remote| sfu.is_proved(Transport::Tcp, remote));
        }
        self.look_for_addresses(now);
        self.unpublished = true;
        if now.saturating_duration_since(self.published) >= STATISTICS
            && let Ok(mut published) = self.shared.statistics.try_lock()
        {
            self.published = now;
            self.unpublished = false;
            let tcp = self.tcp.as_ref().map(TcpPort::counts).unwrap_or_default();
            *published = (self.sfu.statistics(), tcp);
            published.0.dropped_full += self.udp.send_errors + self.tcp.as_ref().map_or(0, |tcp| tcp.dropped);
            self.shared.busy.store(u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl Worker {
    /// Detects address changes, for example if the machine gets its addresses after the server has started.
    fn look_for_addresses(&mut self, now: Instant) {
        let Some((bind, looked)) = &mut self.follows else { return };
        if now.saturating_duration_since(*looked) < LOOK {
            return;
        }
        *looked = now;
        let Some(addresses) = self.addresses.looked_up_again(*bind) else { return };
        self.addresses = addresses;
        self.sfu.set_candidates(candidates(&self.addresses, self.offers_tcp));
        tracing::info!(worker = self.number, addresses = ?self.addresses.advertised(), "media addresses changed");
        tell_reachable(self.number, &self.addresses, &self.shared);
    }
}

/// Returns the ICE candidates to advertise.
fn candidates(addresses: &Addresses, tcp: bool) -> Vec<(Transport, SocketAddr)> {
    let transports = [Transport::Udp, Transport::Tcp];
    let offered = transports.into_iter().filter(|transport| tcp || *transport == Transport::Udp);
    offered.flat_map(|transport| addresses.advertised().iter().map(move |at| (transport, *at))).collect()
}

/// Records whether other machines can reach this one, and logs a warning if not.
fn tell_reachable(worker: usize, addresses: &Addresses, shared: &Shared) {
    let reachable = addresses.are_reachable();
    shared.reachable.store(reachable, Ordering::Relaxed);
    if !reachable {
        tracing::warn!(
            worker,
            "no network address for media, only pages on this machine receive audio and video: set \
             media.public_addresses, or wait until the machine has an address"
        );
    }
}

/// Orders from the rest of the server.
impl Worker {
    fn take_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.order(order),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.stop();
                    return;
                }
            }
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Connect(join, reply) => self.connect(Waiting { join, reply }),
            Order::Admit { room, user, admitted } => self.command(Command::Admit { room, user, admitted }),
            Order::Publish { room, user, microphone, camera } => {
                self.command(Command::Publish { room, user, microphone, camera });
            }
            Order::Watch { room, user, most } => self.command(Command::Watch { room, user, most }),
            Order::Drop { room, user } => {
                for peer in self.directory.drop_user(room, user) {
                    self.command(Command::Leave { peer });
                }
            }
            Order::Shutdown => self.stop(),
        }
    }

    fn command(&mut self, command: Command) {
        self.sfu.handle_input(clock(), Input::Command(command));
    }

    fn connect(&mut self, waiting: Waiting) {
        let join = &waiting.join;
        let Some(peer) = self.directory.find(join.room, join.user, join.page_peer) else {
            return self.join(waiting);
        };
        let Some(ice) = draw_credentials() else { return waiting.refuse() };
        let offer = join.offer.clone();
        self.directory.wait(peer, waiting);
        self.command(Command::Renegotiate { peer, offer, ice });
        self.pump();
    }

    fn join(&mut self, waiting: Waiting) {
        let Some(ice) = draw_credentials() else { return waiting.refuse() };
        let peer = next_peer();
        let page = &waiting.join;
        let join = Join {
            peer,
            room: page.room,
            user: page.user,
            others: page.others.clone(),
            offer: page.offer.clone(),
            ice,
            forwarding: Forwarding { admitted: page.admitted, microphone: page.microphone, camera: page.camera },
        };
        self.directory.add(peer, waiting);
        self.command(Command::Join(Box::new(join)));
        self.pump();
    }

    /// Closes all connections gracefully.
    fn stop(&mut self) {
        self.running = false;
        for peer in self.directory.all() {
            self.command(Command::Leave { peer });
        }
        self.pump();
    }
}

fn datagram<'a>(
    transport: Transport,
    addresses: &Addresses,
    source: SocketAddr,
    arrived_at: Option<IpAddr>,
    contents: &'a [u8],
) -> Input<'a> {
    let destination = addresses.destination(arrived_at, source);
    Input::Datagram { transport, source, destination, contents }
}

/// Binds UDP and TCP to the same port. With port 0, the port chosen for UDP may be in use for TCP, so the bind is
/// retried.
fn bind_both(config: &MediaConfig, bind: IpAddr, port: u16) -> Result<(UdpPort, Option<TcpPort>), MediaError> {
    let mut attempts = if port == 0 { 16 } else { 1 };
    loop {
        attempts -= 1;
        let udp = UdpPort::bind(SocketAddr::new(bind, port))?;
        if !config.tcp {
            return Ok((udp, None));
        }
        let same = udp.local_port().map_err(MediaError::Thread)?;
        match TcpPort::bind(SocketAddr::new(bind, same), FIRST_CONNECTION) {
            Ok(tcp) => return Ok((udp, Some(tcp))),
            Err(MediaError::Busy { .. }) if attempts > 0 => (),
            Err(error) => return Err(error),
        }
    }
}

/// Reads the clock of the media threads. The SFU itself never reads a clock.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}

/// Generates ICE credentials: 72 bits to identify the connection, 192 bits as the password.
fn draw_credentials() -> Option<IceCredentials> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0u8; 12 + 32];
    getrandom::fill(&mut bytes).ok()?;
    let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
    let (ufrag, password) = text.split_at(12);
    Some(IceCredentials { ufrag: ufrag.to_owned(), password: password.to_owned() })
}
