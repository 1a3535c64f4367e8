//! The thread that simulates all participants.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::sync::oneshot;

use crate::clock;
use crate::error::BenchError;
use crate::player::{Due, Player};
use crate::socket::Buffers;
use crate::tally::{Tally, record};

const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Maximum datagrams received for one participant before others have their turn.
const BATCH: usize = 16;

/// Identifies a participant's connection in the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlayerId(usize);

/// The state of all connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) players: usize,
    pub(crate) connected: usize,
    /// Streams that should arrive and do not.
    pub(crate) silent: usize,
}

enum Order {
    Add(PlayerId, Box<Player>),
    Remove(PlayerId),
    Progress(oneshot::Sender<Progress>),
    /// Resets all counters of received media.
    Begin(oneshot::Sender<()>),
    End(oneshot::Sender<Tally>),
}

/// A handle to the generator. Dropping it ends the thread.
pub(crate) struct Generator {
    orders: Option<Sender<Order>>,
    waker: Arc<Waker>,
    next: usize,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self, BenchError> {
        let poll = Poll::new().map_err(BenchError::system("epoll"))?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(BenchError::system("eventfd"))?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .map_err(BenchError::system("timerfd"))?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)
            .map_err(BenchError::system("timerfd"))?;
        let (sender, orders) = channel();
        let thread = std::thread::Builder::new().name("bench-load".to_owned()).spawn(move || {
            Stage::new(poll, timer, orders).run();
        });
        let thread = thread.map_err(BenchError::system("starting a thread"))?;
        Ok(Self { orders: Some(sender), waker: Arc::new(waker), next: 0, thread: Some(thread) })
    }

    /// Adds a participant.
    pub(crate) fn add(&mut self, player: Player) -> PlayerId {
        let id = PlayerId(self.next);
        self.next += 1;
        self.order(Order::Add(id, Box::new(player)));
        id
    }

    /// Removes a participant without a goodbye.
    pub(crate) fn remove(&self, id: PlayerId) {
        self.order(Order::Remove(id));
    }

    pub(crate) async fn progress(&self) -> Result<Progress, BenchError> {
        self.ask(Order::Progress).await
    }

    pub(crate) async fn begin(&self) -> Result<(), BenchError> {
        self.ask(Order::Begin).await
    }

    pub(crate) async fn end(&self) -> Result<Tally, BenchError> {
        self.ask(Order::End).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, BenchError> {
        let (reply, answer) = oneshot::channel();
        self.order(order(reply));
        answer.await.map_err(BenchError::server("the generator thread has ended"))
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
            let _ = self.waker.wake();
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// All participants, on the generator's thread.
struct Stage {
    poll: Poll,
    timer: OwnedFd,
    orders: Receiver<Order>,
    players: BTreeMap<PlayerId, Player>,
    /// Due events, earliest first.
    due: BinaryHeap<Reverse<(Instant, PlayerId, Due)>>,
    /// Connections that may have datagrams to receive.
    readable: VecDeque<PlayerId>,
    buffers: Buffers,
    tally: Tally,
}

impl Stage {
    fn new(poll: Poll, timer: OwnedFd, orders: Receiver<Order>) -> Self {
        Self {
            poll,
            timer,
            orders,
            players: BTreeMap::new(),
            due: BinaryHeap::new(),
            readable: VecDeque::new(),
            buffers: Buffers::new(),
            tally: Tally::new(),
        }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.on_time();
            if let Some(id) = self.readable.pop_front() {
                self.receive(id);
                continue;
            }
            match self.wait(&mut events) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                Ok(()) | Err(_) => (),
            }
            for event in &events {
                match event.token() {
                    WAKE => {
                        if !self.take_orders() {
                            return;
                        }
                    }
                    TIMER => (),
                    Token(number) => self.readable.push_back(PlayerId(number)),
                }
            }
        }
    }

    /// Waits for a datagram, an order, or the next due event. The timer is finer than epoll's milliseconds.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let Some(Reverse((at, ..))) = self.due.peek() else { return self.poll.poll(events, None) };
        let patience = at.saturating_duration_since(clock::instant());
        if patience.is_zero() {
            return self.poll.poll(events, Some(Duration::ZERO));
        }
        let value =
            Timespec { tv_sec: patience.as_secs().try_into().unwrap_or(0), tv_nsec: patience.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.timer.as_fd(), TimerfdTimerFlags::empty(), &once)?;
        self.poll.poll(events, None)
    }

    /// Processes everything that is due.
    fn on_time(&mut self) {
        while let Some(Reverse((at, id, what))) = self.due.peek().copied() {
            let now = clock::instant();
            if at > now {
                return;
            }
            self.due.pop();
            let Some(player) = self.players.get_mut(&id) else { continue };
            let next = match what {
                // The deadline has been postponed since.
                Due::Timeout if player.deadline() > now => player.deadline(),
                Due::Timeout => player.act(what, at, now, &mut self.tally),
                Due::Sound | Due::Frame => {
                    if player.is_connected() {
                        let late = (now - at).as_nanos().try_into().unwrap_or(u64::MAX);
                        record(&mut self.tally.lateness, late);
                    }
                    player.act(what, at, now, &mut self.tally)
                }
            };
            self.due.push(Reverse((next, id, what)));
        }
    }

    fn receive(&mut self, id: PlayerId) {
        let Some(player) = self.players.get_mut(&id) else { return };
        if player.receive(BATCH, &mut self.buffers, &mut self.tally) {
            self.readable.push_back(id);
        }
    }

    /// Returns whether to continue.
    fn take_orders(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.take(order),
                Err(std::sync::mpsc::TryRecvError::Empty) => return true,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Add(id, mut player) => {
                let now = clock::instant();
                let registered = player.socket().register(self.poll.registry(), Token(id.0));
                if registered.is_ok() {
                    self.due.extend(player.beginnings(now).into_iter().map(|(at, what)| Reverse((at, id, what))));
                    self.due.push(Reverse((now, id, Due::Timeout)));
                    self.readable.push_back(id);
                    self.players.insert(id, *player);
                }
            }
            Order::Remove(id) => {
                if let Some(mut player) = self.players.remove(&id) {
                    let _ = player.socket().deregister(self.poll.registry());
                }
            }
            Order::Progress(reply) => {
                let players = self.players.len();
                let connected = self.players.values().filter(|player| player.is_connected()).count();
                let _ = reply.send(Progress { players, connected, silent: self.silent() });
            }
            Order::Begin(reply) => {
                self.players.values_mut().for_each(Player::begin);
                self.tally = Tally::new();
                let _ = reply.send(());
            }
            Order::End(reply) => {
                self.tally.lost = self.players.values().map(Player::lost).sum();
                self.tally.silent = self.silent();
                let _ = reply.send(self.tally.clone());
            }
        }
    }
    /// Returns the number of streams that should arrive and have not since counting began.
    fn silent(&self) -> usize {
        self.players.values().map(Player::missing).sum()
    }
}
