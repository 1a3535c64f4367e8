//! Finds the visit task of an appointment and starts one if there is none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bedside_store::{SessionHash, SessionRecord, StoreError};
use bedside_visit::view::View;
use bedside_visit::{Appointment, AppointmentId, ConnectionId, OwnWork, Timestamp, UserId, Visit, VisitId, VisitRules};
use tokio::sync::{Notify, mpsc};
use tracing::Instrument as _;

use super::census::Census;
use super::event::Event;
use super::live::{Inbox, Shared, lock};
use super::open_pages::{OpenPage, OpenPages};
use super::visit_task::VisitTask;
use crate::app::clock::fresh_id;
use crate::auth::Sessions;
use crate::media::{Media, MediaEvent};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Maximum number of events queued for a visit task.
const INBOX: usize = 256;

/// All live appointments.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

impl Hub {
    pub(crate) fn new(
        sessions: Sessions,
        rules: VisitRules,
        media: Media,
        (metrics, traces): (Metrics, Traces),
    ) -> Self {
        Self(Arc::new(Shared {
            store: Arc::clone(&sessions.store),
            clock: Arc::clone(&sessions.clock),
            sessions,
            rules,
            media,
            metrics,
            traces,
            connections: AtomicU64::new(1),
            live: Mutex::default(),
            pages: OpenPages::default(),
            tasks: Mutex::default(),
            ended: Notify::new(),
        }))
    }

    /// Resumes the visits that were in progress when the server last stopped.
    pub(crate) async fn resume(&self) -> Result<(), StoreError> {
        for record in self.0.store.list_started_visits().await? {
            if let Some(sealed) = self.0.store.get_appointment(record.appointment).await? {
                self.inbox(&sealed.unseal_for(OwnWork::ContinueVisits)).await?;
            }
        }
        Ok(())
    }

    /// Forwards media events to their visits until the media server stops.
    pub(crate) async fn carry_media_events(self, events: Arc<tokio::sync::Mutex<mpsc::Receiver<MediaEvent>>>) {
        let mut events = events.lock().await;
        while let Some(event) = events.recv().await {
            let inbox = {
                let live = lock(&self.0.live);
                live.rooms.get(&event.room).and_then(|appointment| live.inboxes.get(appointment)).cloned()
            };
            if let Some(inbox) = inbox {
                let _ = inbox.send(Box::new(Event::Media(event))).await;
            }
        }
    }

    /// Returns the provider's view of an appointment, if it is live.
    pub(crate) fn standing(&self, appointment: AppointmentId) -> Option<View> {
        lock(&self.0.live).standings.get(&appointment).cloned()
    }

    /// Counts live visits by stage.
    pub(crate) fn census(&self) -> Census {
        Census::of(lock(&self.0.live).standings.values())
    }

    /// Closes the pages of ended sessions.
    pub(crate) async fn end_sessions(&self, ended: impl Iterator<Item = &SessionRecord>) {
        for one in ended {
            self.end_session(one.token_hash).await;
        }
    }

    /// Closes all pages of an ended session.
    pub(crate) async fn end_session(&self, session: SessionHash) {
        for appointment in self.0.pages.appointments_of(session) {
            let inbox = lock(&self.0.live).inboxes.get(&appointment).cloned();
            if let Some(inbox) = inbox {
                let _ = inbox.send(Box::new(Event::EndSession(session))).await;
            }
        }
    }

    /// Sends the pending device requests of an appointment to its provider's page, if it is open.
    pub(crate) async fn tell_admissions(&self, appointment: AppointmentId) {
        let inbox = lock(&self.0.live).inboxes.get(&appointment).cloned();
        if let Some(inbox) = inbox {
            let _ = inbox.send(Box::new(Event::Admissions)).await;
        }
    }

    /// Prevents new visits from starting and waits until none is in progress.
    pub(crate) async fn drain(&self, until: Timestamp) {
        let inboxes: Vec<_> = {
            let mut live = lock(&self.0.live);
            live.stopping = Some(until);
            live.inboxes.values().cloned().collect()
        };
        for inbox in inboxes {
            let _ = inbox.send(Box::new(Event::Stopping { until })).await;
        }
        while !lock(&self.0.live).under_way.is_empty() {
            self.0.ended.notified().await;
        }
    }

    /// Returns whether the server is draining or has stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        let live = lock(&self.0.live);
        live.stopping.is_some() || live.stopped
    }

    /// Closes all pages and ends all visit tasks permanently.
    pub(crate) async fn stop(&self) {
        let inboxes = {
            let mut live = lock(&self.0.live);
            live.stopped = true;
            std::mem::take(&mut live.inboxes)
        };
        for inbox in inboxes.into_values() {
            let _ = inbox.send(Box::new(Event::Stop)).await;
        }
        let mut tasks = std::mem::take(&mut *lock(&self.0.tasks));
        while tasks.join_next().await.is_some() {}
    }

    /// Returns whether the hub has stopped. The database may be closed at any moment after that.
    pub(super) fn has_stopped(&self) -> bool {
        lock(&self.0.live).stopped
    }

    /// Rechecks the permissions of the open pages and held seats of `users`, or of all users if `None`.
    pub(crate) fn doubt(&self, users: Option<&[UserId]>) {
        self.0.pages.doubt(users);
    }

    pub(super) fn open_page(&self, user: UserId, session: SessionHash, appointment: AppointmentId) -> OpenPage {
        self.0.pages.open(user, session, appointment)
    }

    pub(super) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends an event to the visit task of an appointment. If that task is just ending, the event goes to the next
    /// one. Once the hub has stopped, the event is dropped.
    pub(super) async fn tell(&self, appointment: &Appointment, event: Event) -> Result<(), StoreError> {
        let mut event = Box::new(event);
        while let Some(inbox) = self.inbox(appointment).await? {
            match inbox.send(event).await {
                Ok(()) => break,
                Err(mpsc::error::SendError(back)) => event = back,
            }
        }
        Ok(())
    }

    /// Returns the inbox of an appointment's task, starting the task if needed. `None` if the hub has stopped.
    async fn inbox(&self, appointment: &Appointment) -> Result<Option<Inbox>, StoreError> {
        if let Some(inbox) = lock(&self.0.live).open_inbox(appointment.id) {
            return Ok(Some(inbox));
        }
        let visit = self.load(appointment).await?;
        let mut live = lock(&self.0.live);
        if live.stopped {
            return Ok(None);
        }
        // Another page may have started the task while the visit was being loaded.
        if let Some(inbox) = live.open_inbox(appointment.id) {
            return Ok(Some(inbox));
        }
        let (inbox, events) = mpsc::channel(INBOX);
        live.inboxes.insert(appointment.id, inbox.clone());
        if let Some(until) = live.stopping {
            // The inbox is new, so it has room.
            let _ = inbox.try_send(Box::new(Event::Stopping { until }));
        }
        let task = VisitTask::new(Arc::clone(&self.0), appointment.id, visit, events, inbox.downgrade());
        let mut tasks = lock(&self.0.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task.run().instrument(tracing::error_span!("visit", appointment = %appointment.id)));
        Ok(Some(inbox))
    }

    async fn load(&self, appointment: &Appointment) -> Result<Visit, StoreError> {
        let Shared { store, clock, rules, .. } = &*self.0;
        Ok(match store.get_latest_visit(appointment.id).await? {
            Some(record) => {
                let messages = store.list_messages(record.id).await?;
                Visit::restore(&record, messages, appointment, *rules, clock.now())
            }
            None => Visit::new(VisitId::new(fresh_id()), appointment, *rules),
        })
    }
}
