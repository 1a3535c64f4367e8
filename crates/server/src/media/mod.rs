//! The shell of the media server: threads, sockets and randomness around [`bedside_sfu`].
//!
//! Each worker thread owns whole rooms: a port, its connections, its peers. The rest of the program
//! talks to it through [`Media`], and hears of it through [`MediaEvent`]s; media packets never meet a
//! lock or a task of the other side.

mod addresses;
mod directory;
mod error;
mod tcp;
mod udp;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bedside_sfu::Statistics;
use bedside_visit::{Layer, UserId, VisitId};
use mio::Waker;
use tokio::sync::{mpsc, oneshot};

pub use error::MediaError;
pub use tcp::TcpCounts;

use crate::config::MediaConfig;
use worker::{Shared, Worker};

/// Orders that may wait for a worker, which takes them within a millisecond unless it is overloaded.
const WAITING_ORDERS: usize = 1024;
/// Events that may wait for the rest of the program.
const WAITING_EVENTS: usize = 1024;

/// A page wants to send and receive media.
#[derive(Debug, Clone)]
pub struct MediaJoin {
    /// The visit.
    pub room: VisitId,
    /// The person.
    pub user: UserId,
    /// The page's number of its connection: the same again is a renegotiation, another a new one.
    pub page_peer: u32,
    /// The others of the visit, in the order of the offer's receive slots.
    pub others: Vec<UserId>,
    /// The page's offer.
    pub offer: String,
    /// Whether media may flow to and from the person.
    pub admitted: bool,
    /// Whether the person may be heard.
    pub microphone: bool,
    /// Whether the person may be seen.
    pub camera: bool,
    /// Whether the page is on this machine: only then is it told addresses that no other machine can reach.
    pub near: bool,
}

/// What the page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaAnswer {
    /// The answer.
    pub sdp: String,
    /// Whose media each receive slot (`mid`) carries.
    pub tracks: Vec<(String, UserId)>,
    /// Whether it is of a connection that was there before.
    pub again: bool,
}

/// Why a page cannot connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// The offer is not one that a page of ours makes, or it cannot be answered.
    #[error("the offer was refused")]
    BadOffer,
    /// The media server is full, overloaded or stopping. Later may be better.
    #[error("the media server is busy")]
    Busy,
}

/// What happened in a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaEvent {
    /// The visit.
    pub room: VisitId,
    /// What happened.
    pub news: MediaNews,
}

/// See [`MediaEvent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaNews {
    /// Something of a page's connection.
    Connection {
        /// The person.
        user: UserId,
        /// The page's number of its connection.
        page_peer: u32,
        /// What happened to it.
        kind: MediaEventKind,
    },
    /// Who speaks has changed: somebody, or nobody.
    Speaking(Option<UserId>),
}

/// What happened to a page's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEventKind {
    /// Media can flow, for the first time or again.
    Up,
    /// Nothing has been heard from the page for a few seconds.
    Lost,
    /// The connection has ended.
    Gone {
        /// Whether another connection of the person goes on.
        replaced: bool,
    },
    /// Somebody has a use for these layers of the page's picture.
    Wanted(Vec<Layer>),
}

/// What a worker did since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStatistics {
    /// Of its rooms.
    pub statistics: Statistics,
    /// How long it has worked, not waited for something to do: its load is how fast this grows.
    pub busy: Duration,
    /// Whether it still does.
    pub runs: bool,
    /// Its ICE-TCP connections.
    pub tcp: TcpCounts,
    /// Whether pages on other machines are told an address to send to.
    pub reachable: bool,
}

/// What the rest of the program asks of a worker.
pub(crate) enum Order {
    Connect(Box<MediaJoin>, oneshot::Sender<Result<MediaAnswer, MediaRefusal>>),
    Admit { room: VisitId, user: UserId, admitted: bool },
    Publish { room: VisitId, user: UserId, microphone: bool, camera: bool },
    Watch { room: VisitId, user: UserId, most: Vec<(UserId, Option<Layer>)> },
    Drop { room: VisitId, user: UserId },
    Shutdown,
}

/// Starts the media server.
pub struct MediaServer;

impl MediaServer {
    /// Binds the ports and starts the threads. The events are of all rooms.
    ///
    /// # Errors
    /// [`MediaError`] if a port cannot be used: it says which, and which setting to change.
    pub fn start(config: &MediaConfig) -> Result<(Media, mpsc::Receiver<MediaEvent>), MediaError> {
        bedside_sfu::install_crypto();
        let certificate = bedside_sfu::generate_certificate()?;
        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        // Every port is bound before any thread starts: a fault leaves nothing running.
        let mut prepared = Vec::new();
        for number in 0..config.worker_count() {
            let (sender, orders) = sync_channel(WAITING_ORDERS);
            let shared = Arc::new(Shared::default());
            let worker = Worker::new(config, number, certificate.clone(), orders, events.clone(), Arc::clone(&shared))?;
            prepared.push((worker, sender, shared));
        }
        let mut handles = Vec::new();
        let mut threads = Vec::new();
        for (number, (worker, orders, shared)) in prepared.into_iter().enumerate() {
            let waker = worker.waker();
            let thread = std::thread::Builder::new().name(format!("bedside-media-{number}"));
            threads.push(thread.spawn(move || worker.run()).map_err(MediaError::Thread)?);
            handles.push(Handle { orders, waker, shared });
        }
        let peers = Arc::new(Inner { handles, threads: Mutex::new(threads) });
        Ok((Media(peers), receiver))
    }
}

/// The media server, as the rest of the program sees it.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    handles: Vec<Handle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Handle {
    orders: SyncSender<Order>,
    waker: Arc<Waker>,
    shared: Arc<Shared>,
}

impl Media {
    /// Connects a page: answers its offer. The same person and number as a connection that lives
    /// renegotiates it, for an ICE restart.
    ///
    /// # Errors
    /// [`MediaRefusal`].
    pub async fn connect(&self, join: MediaJoin) -> Result<MediaAnswer, MediaRefusal> {
        let (reply, answer) = oneshot::channel();
        let handle = self.handle(join.room);
        match handle.orders.try_send(Order::Connect(Box::new(join), reply)) {
            Ok(()) => handle.wake(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(MediaRefusal::Busy),
        }
        answer.await.unwrap_or(Err(MediaRefusal::Busy))
    }

    /// Lets media flow to and from a person, or stops it.
    pub fn admit(&self, room: VisitId, user: UserId, admitted: bool) {
        self.order(room, Order::Admit { room, user, admitted });
    }

    /// Lets a person be heard and seen, or not: mute and camera-off hold whatever the page does.
    pub fn publish(&self, room: VisitId, user: UserId, microphone: bool, camera: bool) {
        self.order(room, Order::Publish { room, user, microphone, camera });
    }

    /// Says how large a person's page shows the others: see [`bedside_sfu::Command::Watch`].
    pub fn watch(&self, room: VisitId, user: UserId, most: Vec<(UserId, Option<Layer>)>) {
        self.order(room, Order::Watch { room, user, most });
    }

    /// Ends all connections of a person. No event follows.
    pub fn drop_user(&self, room: VisitId, user: UserId) {
        self.order(room, Order::Drop { room, user });
    }

    /// Counters of all workers, at most a second old.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.workers().into_iter().fold(Statistics::default(), |mut total, worker| {
            total += worker.statistics;
            total
        })
    }

    /// Counters of each worker, at most a second old.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStatistics> {
        let of = |handle: &Handle| {
            let (statistics, tcp) = *handle.shared.statistics.lock().unwrap_or_else(PoisonError::into_inner);
            WorkerStatistics {
                statistics,
                busy: Duration::from_micros(handle.shared.busy.load(Ordering::Relaxed)),
                runs: !handle.shared.failed.load(Ordering::Relaxed),
                tcp,
                reachable: handle.shared.reachable.load(Ordering::Relaxed),
            }
        };
        self.0.handles.iter().map(of).collect()
    }

    /// Whether every worker runs. A worker that failed does not come back: restart the program.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.0.handles.iter().all(|handle| !handle.shared.failed.load(Ordering::Relaxed))
    }

    /// Ends all connections and waits for the threads. For a program that stops.
    pub fn shutdown(&self) {
        for handle in &self.0.handles {
            let _ = handle.orders.send(Order::Shutdown);
            handle.wake();
        }
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }

    /// Blocks if a worker has a thousand orders waiting: a person who is muted must be muted. A worker
    /// that has failed has no media to stop.
    fn order(&self, room: VisitId, order: Order) {
        let handle = self.handle(room);
        let _ = handle.orders.send(order);
        handle.wake();
    }

    /// A room always has the same worker.
    fn handle(&self, room: VisitId) -> &Handle {
        let bits = room.uuid().as_u128();
        // A remainder of the number of workers.
        let at = (bits % self.0.handles.len() as u128) as usize;
        &self.0.handles[at]
    }
}

impl Handle {
    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a media thread cannot be woken");
        }
    }
}

/// A name for a connection that no other has.
fn next_peer() -> bedside_sfu::PeerId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    bedside_sfu::PeerId(NEXT.fetch_add(1, Ordering::Relaxed))
}
