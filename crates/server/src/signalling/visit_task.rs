//! The task of one live appointment: takes events in order, advances the visit state machine, saves its output, then
//! acts on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bedside_store::{Actor, AuditEntry, SessionHash, StoreError};
use bedside_visit::permission::Action;
use bedside_visit::signalling::{Admission, MediaFailure, Refusal, Sdp, ServerMessage, Track, Watched};
use bedside_visit::{
    AppointmentId, AppointmentStatus, CallBackend, ConnectionId, Context, Input, MAX_PARTICIPANTS, Output, OwnWork,
    Role, UserId, Visit, VisitId,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::Instrument as _;

use super::claims::Claims;
use super::connection::{CloseReason, Connection};
use super::event::{Answered, Event};
use super::joining::Joining;
use super::live::Shared;
use crate::app::clock::fresh_id;
use crate::auth::DEVICE_REQUEST_EXPIRES;
use crate::media::{MediaEvent, MediaEventKind, MediaJoin, MediaNews, MediaRefusal};
use crate::telemetry::metrics::Joined;

/// How long to wait before retrying a timeout step that could not be saved.
const RETRY: Duration = Duration::from_secs(1);
/// How often the sessions of participants without a connected page are rechecked.
const PROOF_EVERY: Duration = Duration::from_secs(30);

/// What a session may currently do in the appointment.
enum Standing {
    May,
    SignedOut,
    Denied,
}

pub(super) struct VisitTask {
    shared: Arc<Shared>,
    appointment: AppointmentId,
    visit: Visit,
    connections: Vec<Connection>,
    /// The audit identity that each user had when they last connected.
    actors: HashMap<UserId, Actor>,
    claims: Claims,
    joining: Joining,
    events: mpsc::Receiver<Box<Event>>,
    /// For events that this task sends to itself. Weak, so that the task does not keep its own inbox open.
    own_inbox: mpsc::WeakSender<Box<Event>>,
    /// A step could not be saved. The timeout step is retried after [`RETRY`].
    retry: bool,
    /// Permissions could not be checked because the database failed. They are checked again at the next deadline.
    unproved: bool,
}

impl VisitTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        appointment: AppointmentId,
        visit: Visit,
        events: mpsc::Receiver<Box<Event>>,
        own_inbox: mpsc::WeakSender<Box<Event>>,
    ) -> Self {
        let claims = Claims::new(shared.pages.clone(), appointment);
        Self {
            shared,
            appointment,
            visit,
            connections: vec![],
            actors: HashMap::new(),
            claims,
            joining: Joining::default(),
            events,
            own_inbox,
            retry: false,
            unproved: false,
        }
    }

    pub(super) async fn run(mut self) {
        self.shared.show(self.appointment, &self.visit);
        let doubt = self.claims.doubt();
        let mut proof = interval_at(Instant::now() + PROOF_EVERY, PROOF_EVERY);
        proof.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.until_deadline();
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = doubt.notified() => {
                    Box::pin(self.prove_claims(|_| true)).await;
                    continue;
                }
                _ = proof.tick() => {
                    // Open pages recheck their own permissions.
                    let pages: Vec<UserId> = self.connections.iter().map(|page| page.user).collect();
                    Box::pin(self.prove_claims(|user| !pages.contains(&user))).await;
                    continue;
                }
                () = sleep(deadline) => {
                    if std::mem::take(&mut self.unproved) {
                        Box::pin(self.prove_claims(|_| true)).await;
                    }
                    Box::pin(self.step(Input::Timeout)).await;
                    continue;
                }
            };
            match event.map(|event| *event) {
                Some(Event::Stop) => {
                    self.connections.iter().for_each(|connection| connection.close(CloseReason::Restarting));
                    return;
                }
                // Boxed, to keep the memory of an idle task small.
                Some(event) => Box::pin(self.take(event)).await,
                None => return,
            }
            if self.connections.is_empty() && self.visit.is_idle() && self.shared.retire(self.appointment, &self.events)
            {
                return;
            }
        }
    }

    fn until_deadline(&self) -> Option<Duration> {
        if self.retry || self.unproved {
            return Some(RETRY);
        }
        let now = self.shared.clock.now();
        self.visit.next_deadline().map(|at| at.since(now))
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Connected { connection, arrival } => {
                let (id, is_provider) = (connection.id, connection.role == Role::Provider);
                self.claims.hold(connection.user, connection.session);
                self.actors.insert(connection.user, connection.actor);
                self.connections.push(*connection);
                if !self.step(Input::Connected { arrival, connection: id }).await {
                    self.close(id, CloseReason::Unavailable);
                }
                if is_provider {
                    self.tell_admissions().await;
                }
            }
            Event::Disconnected { connection, goodbye } => {
                self.connections.retain(|c| c.id != connection);
                self.step(Input::Disconnected { connection, goodbye }).await;
            }
            Event::Command { connection, id, command } => {
                if !self.step(Input::Command { connection, id: id.clone(), command }).await {
                    self.send(connection, ServerMessage::Refused { id, refusal: Refusal::NotSaved });
                }
            }
            Event::Offer { connection, peer, sdp } => self.offer(connection, peer, sdp),
            Event::Watch { connection, pictures } => self.watch(connection, &pictures),
            Event::Answered { user, peer, answered } => {
                self.answered(user, peer, answered);
                self.bring_up_to_date(user);
            }
            Event::Admissions => self.tell_admissions().await,
            Event::Media(event) => self.media(event).await,
            Event::EndSession(session) => self.end_session(session).await,
            Event::Cancelled => {
                self.step(Input::Cancelled).await;
            }
            Event::Stopping { until } => {
                self.step(Input::Stopping { until }).await;
            }
            Event::Stop => {}
        }
    }

    /// Advances the state machine, saves the output, then acts on it. Returns false if the output could not be saved;
    /// the state is then unchanged.
    async fn step(&mut self, input: Input) -> bool {
        let context = Context { now: self.shared.clock.now(), fresh: VisitId::new(fresh_id()) };
        let mut next = self.visit.clone();
        next.handle(context, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| next.poll_output()).collect();
        if let Err(error) = self.write_down(context, &outputs).await {
            tracing::error!(%error, "cannot save visit state");
            self.retry = true;
            return false;
        }
        self.retry = false;
        self.visit = next;
        self.shared.show(self.appointment, &self.visit);
        for output in outputs {
            self.act(output);
        }
        true
    }

    async fn write_down(&self, context: Context, outputs: &[Output]) -> Result<(), StoreError> {
        let durable = |o: &&Output| {
            matches!(
                o,
                Output::Save(_)
                    | Output::SaveMessage { .. }
                    | Output::SaveConsent(_)
                    | Output::SetStatus(_)
                    | Output::SetBackend(_)
                    | Output::Audit { .. }
            )
        };
        if !outputs.iter().any(|output| durable(&output)) {
            return Ok(());
        }
        let mut transaction = self.shared.store.begin().await?;
        for output in outputs {
            match output {
                Output::Save(record) => transaction.save_visit(record).await?,
                Output::SaveMessage { visit, message } => transaction.insert_message(*visit, message).await?,
                Output::SaveConsent(record) => transaction.insert_consent(record).await?,
                Output::SetStatus(status) => {
                    // An appointment that was cancelled in the meantime stays cancelled.
                    let booked = transaction.get_appointment(self.appointment).await?;
                    let booked = booked.map(|sealed| sealed.unseal_for(OwnWork::RecordVisit).status);
                    if booked.is_some_and(|status| status != AppointmentStatus::Cancelled) {
                        transaction.update_appointment_status(self.appointment, *status).await?;
                    }
                }
                Output::SetBackend(backend) => {
                    transaction.update_appointment_backend(self.appointment, *backend).await?;
                }
                Output::Audit { actor, visit, action } => {
                    let entry = AuditEntry::new(context.now, *action).of_appointment(self.appointment).of_visit(*visit);
                    let actor = actor.map(|user| self.actors.get(&user).copied().unwrap_or_else(|| user.into()));
                    let entry = actor.map_or(entry, |actor| entry.by(actor));
                    transaction.append_audit(&entry).await?;
                }
                Output::Admit { .. }
                | Output::Publish { .. }
                | Output::DropMedia { .. }
                | Output::Send { .. }
                | Output::Close { .. } => {}
            }
        }
        transaction.commit().await
    }

    fn act(&mut self, output: Output) {
        let (media, room) = (&self.shared.media, self.visit.id());
        match output {
            Output::Save(_)
            | Output::SaveMessage { .. }
            | Output::SaveConsent(_)
            | Output::SetStatus(_)
            | Output::SetBackend(_)
            | Output::Audit { .. } => {}
            Output::Admit { user, admitted } => media.admit(room, user, admitted),
            Output::Publish { user, microphone, camera } => media.publish(room, user, microphone, camera),
            Output::DropMedia { user } => media.drop_user(room, user),
            Output::Send { connection, message } => self.send(connection, message),
            Output::Close { connection, reason } => self.close(connection, reason.into()),
        }
    }

    /// Sends the pending device requests to the provider. After a failure the next change sends them again, and the
    /// day list shows them too.
    async fn tell_admissions(&mut self) {
        let since = self.shared.clock.now() - DEVICE_REQUEST_EXPIRES;
        let waiting = match self.shared.store.list_admissions(since).await {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(%error, "cannot read pending device requests"),
        };
        let waiting: Vec<Admission> = waiting
            .into_iter()
            .filter(|asked| asked.appointment == self.appointment)
            .map(|asked| Admission { id: asked.id, user: asked.user, device: asked.device, since: asked.asked_at })
            .collect();
        let providers: Vec<ConnectionId> =
            self.connections.iter().filter(|c| c.role == Role::Provider).map(|c| c.id).collect();
        for provider in providers {
            self.send(provider, ServerMessage::Admissions { waiting: waiting.clone() });
        }
    }

    /// Sends a message to a page. A page whose outbox is full is disconnected; it receives a snapshot when it
    /// reconnects.
    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        let taken = self.connections.iter().find(|c| c.id == connection).is_none_or(|c| c.send(message));
        if !taken {
            self.connections.retain(|c| c.id != connection);
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(at) = self.connections.iter().position(|c| c.id == connection) {
            self.connections.remove(at).close(reason);
        }
    }

    /// Removes users whose permission was revoked, with or without a page: a page may be disconnected or frozen while
    /// its media continues.
    async fn prove_claims(&mut self, of: impl Fn(UserId) -> bool) {
        for (user, session) in self.claims.list().into_iter().filter(|(user, _)| of(*user)) {
            match self.may_attend(session).await {
                Ok(Standing::May) => {}
                Ok(Standing::SignedOut) => self.end_session(session).await,
                Ok(Standing::Denied) => self.put_out(user, CloseReason::Denied, |_| true).await,
                Err(error) => {
                    tracing::error!(%error, "cannot check for revoked permissions");
                    self.unproved = true;
                }
            }
        }
    }

    async fn may_attend(&self, session: SessionHash) -> Result<Standing, StoreError> {
        let Some(identity) = self.shared.sessions.find(&session).await? else { return Ok(Standing::SignedOut) };
        let Some(sealed) = self.shared.store.get_appointment(self.appointment).await? else {
            return Ok(Standing::Denied);
        };
        let now = self.shared.clock.now();
        let decided = sealed.ask(&identity.principal, Action::Attend, &self.shared.rules, now);
        Ok(if decided.is_ok() { Standing::May } else { Standing::Denied })
    }

    async fn end_session(&mut self, session: SessionHash) {
        let mut users = self.claims.by_session(session);
        users.extend(self.connections.iter().filter(|page| page.session == session).map(|page| page.user));
        users.sort_unstable();
        users.dedup();
        for user in users {
            self.put_out(user, CloseReason::SignedOut, |page| page.session == session).await;
        }
    }

    /// Closes the matching pages of a user and ends their media at once. The user keeps the seat unless they were
    /// removed from the appointment.
    async fn put_out(&mut self, user: UserId, reason: CloseReason, page: impl Fn(&Connection) -> bool) {
        let is_by_another_page = self.connections.iter().any(|open| open.user == user && !page(open));
        if !is_by_another_page {
            self.claims.release(user);
            self.shared.media.drop_user(self.visit.id(), user);
        }
        while let Some(at) = self.connections.iter().position(|open| open.user == user && page(open)) {
            let connection = self.connections.remove(at);
            connection.close(reason);
            self.step(Input::Disconnected { connection: connection.id, goodbye: true }).await;
        }
        if !is_by_another_page {
            self.step(Input::MediaLost { user }).await;
            if self.has_no_part(user).await {
                self.step(Input::Removed { user }).await;
            }
        }
    }

    /// Returns whether a user was removed from the appointment. A user who only signed out keeps their seat for a
    /// while.
    async fn has_no_part(&self, user: UserId) -> bool {
        match self.shared.store.get_appointment(self.appointment).await {
            Ok(Some(sealed)) => sealed.unseal_for(OwnWork::RecordVisit).participants.role_of(user).is_none(),
            Ok(None) => true,
            Err(error) => {
                tracing::error!(%error, "cannot read the people of the appointment");
                false
            }
        }
    }

    // Media.

    fn offer(&mut self, connection: ConnectionId, peer: u32, sdp: Sdp) {
        let told = self.shared.told();
        let Some(page) = self.connections.iter_mut().find(|c| c.id == connection) else { return };
        let user = page.user;
        let Some((microphone, camera)) = self.visit.published(user) else { return };
        if self.visit.backend() != CallBackend::Embedded {
            let reason = MediaFailure::NotAllowed;
            return self.send(connection, ServerMessage::MediaFailed { peer, reason });
        }
        self.joining.offered(page, peer, &told);
        let page = page.clone();
        let join = MediaJoin {
            room: self.visit.id(),
            user,
            page_peer: peer,
            others: self.visit.publishers().filter(|other| *other != user).collect(),
            offer: sdp.0,
            admitted: self.visit.is_admitted(user),
            microphone,
            camera,
            near: page.near,
        };
        let (media, inbox) = (self.shared.media.clone(), self.own_inbox.clone());
        let answering = async move {
            let (message, answered) = match media.connect(join).await {
                Ok(answer) => {
                    let tracks = answer.tracks.into_iter().map(|(mid, user)| Track { mid, user }).collect();
                    let answered = if answer.again { Answered::Again } else { Answered::New };
                    (ServerMessage::Answer { peer, sdp: Sdp(answer.sdp), tracks }, answered)
                }
                Err(refusal) => (ServerMessage::MediaFailed { peer, reason: failure(refusal) }, Answered::Refused),
            };
            let _ = page.send(message);
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Box::new(Event::Answered { user, peer, answered })).await;
            }
        };
        tokio::spawn(answering.in_current_span());
    }

    fn answered(&mut self, user: UserId, peer: u32, answered: Answered) {
        if !self.claims.has(user) {
            // The user was removed while the answer was being made.
            self.shared.media.drop_user(self.visit.id(), user);
        }
        let told = self.shared.told();
        match answered {
            Answered::New => self.joining.answered(user, peer, false, told.now),
            Answered::Again => self.joining.answered(user, peer, true, told.now),
            Answered::Refused => self.joining.ended(user, peer, Joined::Refused, &told),
        }
    }

    /// Applies the decisions made while an answer was being made.
    fn bring_up_to_date(&self, user: UserId) {
        let (media, room) = (&self.shared.media, self.visit.id());
        if let Some((microphone, camera)) = self.visit.published(user) {
            media.publish(room, user, microphone, camera);
            media.admit(room, user, self.visit.is_admitted(user));
        }
    }

    /// Passes on at what size a page shows the other participants. The list is capped at the number of seats.
    fn watch(&self, connection: ConnectionId, pictures: &[Watched]) {
        let Some(page) = self.connections.iter().find(|c| c.id == connection) else { return };
        let most = pictures.iter().take(MAX_PARTICIPANTS).map(|watched| (watched.user, watched.most)).collect();
        self.shared.media.watch(self.visit.id(), page.user, most);
    }

    async fn media(&mut self, event: MediaEvent) {
        if event.room != self.visit.id() {
            return;
        }
        match event.news {
            MediaNews::Connection { user, page_peer, kind } => self.media_of(user, page_peer, kind).await,
            MediaNews::Speaking(user) => self.tell_speaking(user),
        }
    }

    /// Users in the waiting room are not told who speaks in the visit.
    fn tell_speaking(&mut self, user: Option<UserId>) {
        let inside = self.connections.iter().filter(|c| self.visit.is_admitted(c.user));
        let pages: Vec<ConnectionId> = inside.map(|c| c.id).collect();
        for page in pages {
            self.send(page, ServerMessage::Speaking { user });
        }
    }

    async fn media_of(&mut self, user: UserId, page_peer: u32, kind: MediaEventKind) {
        let page = self.connections.iter().find(|c| c.user == user).map(|c| c.id);
        match kind {
            MediaEventKind::Up => {
                self.joining.ended(user, page_peer, Joined::Up, &self.shared.told());
                self.step(Input::MediaUp { user }).await;
            }
            MediaEventKind::Lost => {
                self.shared.metrics.media_lost();
                self.step(Input::MediaLost { user }).await;
            }
            MediaEventKind::Gone { replaced: true } => {}
            MediaEventKind::Gone { replaced: false } => {
                self.joining.ended(user, page_peer, Joined::Failed, &self.shared.told());
                self.step(Input::MediaLost { user }).await;
                if let Some(page) = page {
                    let reason = MediaFailure::Lost;
                    self.send(page, ServerMessage::MediaFailed { peer: page_peer, reason });
                }
            }
            MediaEventKind::Wanted(wanted) => {
                if let Some(page) = page {
                    self.send(page, ServerMessage::Layers { peer: page_peer, wanted });
                }
            }
        }
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

const fn failure(refusal: MediaRefusal) -> MediaFailure {
    match refusal {
        MediaRefusal::BadOffer => MediaFailure::BadOffer,
        MediaRefusal::Busy => MediaFailure::Busy,
    }
}
