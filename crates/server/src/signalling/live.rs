//! What the tasks of live appointments share.

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
use crate::journeys::Journeys;
use crate::media::Media;
use crate::metrics::Metrics;

/// Where an appointment's task takes its events from. Boxed: a channel has room for 32 of them from the start.
pub(super) type Inbox = mpsc::Sender<Box<Event>>;

/// What the tasks share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: Sessions,
    pub(super) rules: VisitRules,
    pub(super) media: Media,
    pub(super) metrics: Metrics,
    pub(super) journeys: Journeys,
    pub(super) connections: AtomicU64,
    pub(super) live: Mutex<Live>,
    pub(super) pages: OpenPages,
    pub(super) tasks: Mutex<JoinSet<()>>,
    /// Rung when a visit is not under way any more.
    pub(super) ended: Notify,
}

#[derive(Default)]
pub(super) struct Live {
    pub(super) inboxes: HashMap<AppointmentId, Inbox>,
    /// What the provider of an appointment sees of it, for the dashboard.
    pub(super) standings: HashMap<AppointmentId, View>,
    pub(super) rooms: HashMap<VisitId, AppointmentId>,
    /// Appointments whose started visit has somebody in it.
    pub(super) under_way: HashSet<AppointmentId>,
    /// When the program stops, if it is about to.
    pub(super) stopping: Option<Timestamp>,
    /// No task begins any more.
    pub(super) stopped: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// That of a task which ended without a word takes nothing any more.
    pub(super) fn open_inbox(&self, appointment: AppointmentId) -> Option<Inbox> {
        self.inboxes.get(&appointment).filter(|inbox| !inbox.is_closed()).cloned()
    }
}

impl Shared {
    /// Who is told how pages come to their media.
    pub(super) fn told(&self) -> Told<'_> {
        Told { metrics: &self.metrics, journeys: &self.journeys, now: self.clock.now() }
    }

    /// Shows where an appointment stands, and to whose media events it listens.
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

    /// Takes a task out, unless something has come for it.
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
