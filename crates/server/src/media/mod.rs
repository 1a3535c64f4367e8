//! The runtime of the media server: threads, sockets and randomness around [`bedside_sfu`].
//!
//! Each worker thread owns complete rooms with their port, connections and peers. The rest of the server sends orders
//! through [`Media`] and receives [`MediaEvent`]s. The packet path shares no lock or async task with the rest of the
//! server.

mod addresses;
mod directory;
mod error;
mod messages;
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
pub use messages::{MediaAnswer, MediaEvent, MediaEventKind, MediaJoin, MediaNews, MediaRefusal};
pub use tcp::TcpCounts;

use crate::config::MediaConfig;
use worker::{Shared, Worker};

/// Capacity of a worker's order queue. Workers take orders within a millisecond unless they are overloaded.
const WAITING_ORDERS: usize = 1024;
/// Capacity of the event queue.
const WAITING_EVENTS: usize = 1024;

/// Counters of a worker since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStatistics {
    /// Counters of its rooms.
    pub statistics: Statistics,
    /// The time spent working, not waiting. The rate of increase is the worker's load.
    pub busy: Duration,
    /// Whether the worker is running.
    pub runs: bool,
    /// Its ICE-TCP connections.
    pub tcp: TcpCounts,
    /// Whether it advertises an address that other machines can reach.
    pub reachable: bool,
}

/// An order to a worker.
pub(crate) enum Order {
    Connect(Box<MediaJoin>, oneshot::Sender<Result<MediaAnswer, MediaRefusal>>),
    Admit { room: VisitId, user: UserId, admitted: bool },
    Publish { room: VisitId, user: UserId, microphone: bool, camera: bool },
    Watch { room: VisitId, user: UserId, most: Vec<(UserId, Option<Layer>)> },
    Drop { room: VisitId, user: UserId },
    Shutdown,
}

/// Starts the media server; see [`MediaServer::start`].
pub struct MediaServer;

impl MediaServer {
    /// Binds the ports and starts the worker threads. The returned channel delivers the events of all rooms.
    ///
    /// # Errors
    /// [`MediaError`] if a port cannot be used; it names the port and the setting to change.
    pub fn start(config: &MediaConfig) -> Result<(Media, mpsc::Receiver<MediaEvent>), MediaError> {
        bedside_sfu::install_crypto();
        let certificate = bedside_sfu::generate_certificate()?;
        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        // All ports are bound before any thread starts, so an error leaves nothing running.
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

/// A handle to the media server. Clones share it.
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
    /// Answers a page's offer. If the user already has a connection with the same number, it is renegotiated for an
    /// ICE restart.
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

    /// Allows or stops media to and from a user.
    pub fn admit(&self, room: VisitId, user: UserId, admitted: bool) {
        self.order(room, Order::Admit { room, user, admitted });
    }

    /// Sets whether a user's audio and video are forwarded. Mute and camera-off are enforced here, whatever the page
    /// sends.
    pub fn publish(&self, room: VisitId, user: UserId, microphone: bool, camera: bool) {
        self.order(room, Order::Publish { room, user, microphone, camera });
    }

    /// Sets the size at which a user's page shows the others; see [`bedside_sfu::Command::Watch`].
    pub fn watch(&self, room: VisitId, user: UserId, most: Vec<(UserId, Option<Layer>)>) {
        self.order(room, Order::Watch { room, user, most });
    }

    /// Closes all connections of a user. No event follows.
    pub fn drop_user(&self, room: VisitId, user: UserId) {
        self.order(room, Order::Drop { room, user });
    }

    /// Returns the counters of all workers, at most a second old.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.workers().into_iter().fold(Statistics::default(), |mut total, worker| {
            total += worker.statistics;
            total
        })
    }

    /// Returns the counters of each worker, at most a second old.
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

    /// Returns whether all workers are running. A failed worker is not restarted; the server has to be restarted.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.0.handles.iter().all(|handle| !handle.shared.failed.load(Ordering::Relaxed))
    }

    /// Closes all connections and waits for the threads. For shutdown.
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

    /// Sends an order to the worker of a room. Blocks while the worker's queue is full, because orders such as mute
    /// must not be lost. A failed worker carries no media, so its orders are dropped.
    fn order(&self, room: VisitId, order: Order) {
        let handle = self.handle(room);
        let _ = handle.orders.send(order);
        handle.wake();
    }

    /// Returns the worker of a room. A room is always assigned to the same worker.
    fn handle(&self, room: VisitId) -> &Handle {
        let bits = room.uuid().as_u128();
        // The remainder is less than the number of workers, so it fits.
        let at = (bits % self.0.handles.len() as u128) as usize;
        &self.0.handles[at]
    }
}

impl Handle {
    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake media thread");
        }
    }
}

/// Returns a unique peer ID.
fn next_peer() -> bedside_sfu::PeerId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    bedside_sfu::PeerId(NEXT.fetch_add(1, Ordering::Relaxed))
}
