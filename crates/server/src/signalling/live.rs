//! State shared by all visit tasks.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_store::Store;
use bedside_visit::view::View;
use bedside_visit::{AppointmentId, Clock, Timestamp, Visit, VisitId, VisitRules};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::event::Event;
use super::joining::Told;
use super::open_pages::OpenPages;
use crate::auth::Sessions;
use crate::media::Media;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// The inbox of a visit task. Events are boxed, because a channel allocates room for 32 entries at once.
pub(super) type Inbox = mpsc::Sender<Box<Event>>;

/// State shared by all visit tasks.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: Sessions,
    pub(super) rules: VisitRules,
    pub(super) media: Media,
    pub(super) metrics: Metrics,
    pub(super) traces: Traces,
    pub(super) connections: AtomicU64,
    pub(super) live: Mutex<Live>,
    pub(super) pages: OpenPages,
    pub(super) tasks: Mutex<JoinSet<()>>,
    /// Notified when a visit is no longer in progress.
    pub(super) ended: Notify,
}

#[derive(Default)]
pub(super) struct Live {
    pub(super) inboxes: HashMap<AppointmentId, Inbox>,
    /// The provider's view of each live appointment, for the dashboard.
    pub(super) standings: HashMap<AppointmentId, View>,
    pub(super) rooms: HashMap<VisitId, AppointmentId>,
    /// Appointments with a started visit that has participants in it.
    pub(super) under_way: HashSet<AppointmentId>,
    /// When the server shuts down, if it is draining.
    pub(super) stopping: Option<Timestamp>,
    /// Whether the hub has stopped. No new task may start.
    pub(super) stopped: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Returns the inbox of an appointment, ignoring inboxes whose task has exited.
    pub(super) fn open_inbox(&self, appointment: AppointmentId) -> Option<Inbox> {
        self.inboxes.get(&appointment).filter(|inbox| !inbox.is_closed()).cloned()
    }
}

impl Shared {
    /// Returns where join results are reported.
    pub(super) fn told(&self) -> Told<'_> {
        Told { metrics: &self.metrics, traces: &self.traces, now: self.clock.now() }
    }

    /// Publishes the state of an appointment, and registers its room for media events.
    pub(super) fn show(&self, appointment: AppointmentId, visit: &Visit) {
        let view = visit.provider_view();
        let mut live = lock(&self.live);
        if visit.is_under_way() {
            live.under_way.insert(appointment);
        } else if live.under_way.remove(&appointment) {
            self.ended.notify_one();
        }
        let room = view.visit;
        let before = live.standings.insert(appointment, view);
        if let Some(before) = before.filter(|before| before.visit != room) {
            live.rooms.remove(&before.visit);
        }
        live.rooms.insert(room, appointment);
    }

    /// Unregisters a task, unless an event is still queued for it. Returns whether it did.
    pub(super) fn retire(&self, appointment: AppointmentId, events: &mpsc::Receiver<Box<Event>>) -> bool {
        let mut live = lock(&self.live);
        if !events.is_empty() {
            return false;
        }
        live.inboxes.remove(&appointment);
        if live.under_way.remove(&appointment) {
            self.ended.notify_one();
        }
        if let Some(view) = live.standings.remove(&appointment) {
            live.rooms.remove(&view.visit);
        }
        true
    }
}
