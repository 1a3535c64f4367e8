//! The state machine of a visit, one per appointment.
//!
//! [`Visit::handle`] takes an input and the time, [`Visit::poll_output`] returns the resulting outputs, and
//! [`Visit::next_deadline`] says when to call again with [`Input::Timeout`]. The machine is `Clone`: a caller that
//! could not save the outputs of a step discards its copy, so that the step has no effect.

use std::collections::VecDeque;

use crate::record::{AuditAction, EndReason, VisitPhase, VisitRecord};
use crate::seat::{Attendance, Link, MediaLink, Seat};
use crate::signalling::{Command, ServerMessage};
use crate::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, ChatMessage, CommandId, ConnectionId, ConsentRecord,
    PageId, Private, Role, Timestamp, TransitionError, UserId, VisitId, VisitRules,
};
use pages::Page;

/// Maximum number of participants in a visit.
pub const MAX_PARTICIPANTS: usize = 8;

/// The environment of a step.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The current time.
    pub now: Timestamp,
    /// An unused ID, for the case that the step begins a new visit.
    pub fresh: VisitId,
}

/// A page that is connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The user's ID.
    pub user: UserId,
    /// The user's name.
    pub name: Private<String>,
    /// The user's role.
    pub role: Role,
    /// The page's ID.
    pub page: PageId,
    /// Distinguishes the user's sessions and thus devices. It has no other meaning.
    pub session: u64,
    /// The number of the last message the page received, if it was connected before.
    pub after: Option<u64>,
}

/// An event for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A page connected. The caller has already checked `permission::decide`.
    Connected {
        /// The page.
        arrival: Arrival,
        /// Its connection.
        connection: ConnectionId,
    },
    /// A page's connection was lost or closed.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// The page announced that it closes, so its media has ended too.
        goodbye: bool,
    },
    /// A page sent a command. The caller has already checked `permission::decide`.
    Command {
        /// The connection.
        connection: ConnectionId,
        /// The command's ID.
        id: CommandId,
        /// The command.
        command: Command,
    },
    /// A user's media connection is established.
    MediaUp {
        /// The user.
        user: UserId,
    },
    /// A user's media connection was lost.
    MediaLost {
        /// The user.
        user: UserId,
    },
    /// A user was removed from the appointment.
    Removed {
        /// The user.
        user: UserId,
    },
    /// The appointment was cancelled. This is already saved.
    Cancelled,
    /// The server is shutting down; nothing new may begin.
    Stopping {
        /// The latest time at which it stops.
        until: Timestamp,
    },
    /// A deadline has passed.
    Timeout,
}

/// Why a page's connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The seat moved to another page.
    Moved,
    /// The same page has a newer connection.
    Superseded,
    /// The visit already has [`MAX_PARTICIPANTS`].
    Full,
    /// The user is not a participant of this appointment.
    Denied,
}

/// An effect that the caller must perform, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Save this before any of the following messages is sent.
    Save(VisitRecord),
    /// Set the appointment's status, in the same transaction.
    SetStatus(AppointmentStatus),
    /// Set the appointment's call backend, in the same transaction.
    SetBackend(CallBackend),
    /// Save a chat message, in the same transaction.
    SaveMessage {
        /// The visit.
        visit: VisitId,
        /// The message.
        message: ChatMessage,
    },
    /// Save a consent given or withdrawn, in the same transaction.
    SaveConsent(ConsentRecord),
    /// Append to the audit log, in the same transaction.
    Audit {
        /// The user who did it; `None` if it was caused by a timeout.
        actor: Option<UserId>,
        /// The visit.
        visit: VisitId,
        /// The action.
        action: AuditAction,
    },
    /// Start or stop forwarding media between a user and the other admitted users.
    Admit {
        /// The user.
        user: UserId,
        /// Whether to forward.
        admitted: bool,
    },
    /// Set which of a user's media may be forwarded.
    Publish {
        /// The user.
        user: UserId,
        /// Their microphone.
        microphone: bool,
        /// Their camera.
        camera: bool,
    },
    /// Drop a user's media connection.
    DropMedia {
        /// The user.
        user: UserId,
    },
    /// Send a message to a page.
    Send {
        /// The page's connection.
        connection: ConnectionId,
        /// The message.
        message: ServerMessage,
    },
    /// Close a page's connection after the messages already queued.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// The reason.
        reason: Closing,
    },
}

/// How long an absent patient is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    Until(Timestamp),
    Over { since: Timestamp },
    Forever,
}

/// The live visit of an appointment. After its end, the next visit of the same appointment.
#[derive(Debug, Clone)]
pub struct Visit {
    pub(crate) id: VisitId,
    appointment: AppointmentId,
    status: AppointmentStatus,
    pub(crate) rules: VisitRules,
    /// When the join window closes.
    closes: Timestamp,
    /// The call backend.
    pub(crate) backend: CallBackend,
    pub(crate) phase: VisitPhase,
    pub(crate) connected: Option<Timestamp>,
    pub(crate) ring: Ring,
    /// Since when neither patient nor provider has been in the started visit.
    empty: Option<Timestamp>,
    /// When the server stops, if it is shutting down.
    stopping: Option<Timestamp>,
    /// The patient's seat, the provider's, then the companions'.
    pub(crate) seats: Vec<Seat>,
    pub(crate) messages: Vec<ChatMessage>,
    /// At most one per seat.
    pages: Vec<Page>,
    saved: VisitRecord,
    outputs: VecDeque<Output>,
}

/// The index of the patient's seat.
pub(crate) const PATIENT: usize = 0;
/// The index of the provider's seat.
pub(crate) const PROVIDER: usize = 1;

impl Visit {
    /// Creates a visit that nobody has joined yet.
    #[must_use]
    pub fn new(id: VisitId, appointment: &Appointment, rules: VisitRules) -> Self {
        let mut seats: Vec<Seat> = Vec::new();
        for (role, person) in appointment.participants.iter().take(MAX_PARTICIPANTS) {
            if seats.iter().all(|seat| seat.user != person.id) {
                seats.push(Seat::new(person.id, person.name.clone(), role));
            }
        }
        let mut visit = Self {
            id,
            appointment: appointment.id,
            status: appointment.status,
            rules,
            closes: appointment.closes(&rules),
            backend: appointment.carrier(&rules),
            phase: VisitPhase::Planned,
            connected: None,
            ring: Ring::Forever,
            empty: None,
            stopping: None,
            seats,
            messages: Vec::new(),
            pages: Vec::new(),
            saved: VisitRecord {
                id,
                appointment: appointment.id,
                phase: VisitPhase::Planned,
                connected: None,
                ring_until: None,
                participants: vec![],
            },
            outputs: VecDeque::new(),
        };
        visit.saved = visit.record();
        visit
    }

    /// Resumes a saved visit. Participants who were in have a dropped connection and a held seat. People in the record
    /// who were removed from the appointment get no seat.
    #[must_use]
    pub fn restore(
        record: &VisitRecord,
        messages: Vec<ChatMessage>,
        appointment: &Appointment,
        rules: VisitRules,
        now: Timestamp,
    ) -> Self {
        let mut visit = Self::new(record.id, appointment, rules);
        visit.phase = record.phase;
        visit.connected = record.connected;
        visit.messages = messages;
        visit.ring = match record.ring_until {
            Some(until) if until <= now => Ring::Over { since: until },
            Some(until) => Ring::Until(until),
            None => Ring::Forever,
        };
        for saved in &record.participants {
            if let Some(seat) = visit.seats.iter_mut().find(|seat| seat.user == saved.user) {
                seat.restore(saved, now);
            }
        }
        visit.saved = visit.record();
        for seat in 0..visit.seats.len() {
            visit.seats[seat].admitted = visit.may_be_forwarded(seat);
        }
        visit.note_emptiness(now);
        visit
    }

    /// Returns the ID of the current visit.
    #[must_use]
    pub const fn id(&self) -> VisitId {
        self.id
    }

    /// Returns the durable state, except for the messages.
    #[must_use]
    pub fn record(&self) -> VisitRecord {
        VisitRecord {
            id: self.id,
            appointment: self.appointment,
            phase: self.phase,
            connected: self.connected,
            ring_until: match self.ring {
                Ring::Until(at) | Ring::Over { since: at } => Some(at),
                Ring::Forever => None,
            },
            participants: self.seats.iter().map(Seat::record).collect(),
        }
    }

    /// Returns whether no page is connected and no timer is running, so that the caller may drop the machine.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.seats.iter().all(|seat| seat.connection().is_none()) && self.next_deadline().is_none()
    }

    /// Returns whether the visit has started and has at least one participant in it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, VisitPhase::Started { .. }) && self.seats.iter().any(|seat| seat.entered().is_some())
    }

    /// Iterates over all participants with a seat whose role may send media.
    pub fn publishers(&self) -> impl Iterator<Item = UserId> {
        self.seats.iter().filter(|seat| seat.role.publishes()).map(|seat| seat.user)
    }

    /// Returns the call backend.
    #[must_use]
    pub const fn backend(&self) -> CallBackend {
        self.backend
    }

    /// Returns which of a user's media may be forwarded, as (microphone, camera). `None` if they have no seat.
    #[must_use]
    pub fn published(&self, user: UserId) -> Option<(bool, bool)> {
        self.seats.iter().find(|seat| seat.user == user).map(|seat| (seat.microphone, seat.camera))
    }

    /// Returns whether a user's media is currently forwarded.
    #[must_use]
    pub fn is_admitted(&self, user: UserId) -> bool {
        self.seats.iter().any(|seat| seat.user == user && seat.admitted)
    }

    /// Processes an input. Afterwards, poll the outputs until there are none.
    pub fn handle(&mut self, context: Context, input: Input) {
        let now = context.now;
        self.expire(now);
        match input {
            Input::Connected { arrival, connection } => self.connect(now, arrival, connection),
            Input::Disconnected { connection, goodbye } => self.disconnect(now, connection, goodbye),
            Input::Command { connection, id, command } => self.command(context, connection, id, command),
            // These concern an SFU connection from before the call moved to another backend.
            Input::MediaUp { .. } | Input::MediaLost { .. } if self.backend != CallBackend::Embedded => {}
            Input::MediaUp { user } => self.set_media_link(user, MediaLink::Up),
            Input::MediaLost { user } => {
                let was_up = self.seats.iter().any(|seat| seat.user == user && seat.media == MediaLink::Up);
                if was_up {
                    self.set_media_link(user, MediaLink::Lost { since: now });
                }
            }
            Input::Removed { user } => self.remove(now, user),
            // The status is enough: `expire` ends a cancelled visit immediately.
            Input::Cancelled => self.status = AppointmentStatus::Cancelled,
            Input::Stopping { until } => self.stop_at(until),
            Input::Timeout => {}
        }
        // The input itself may have ended the visit, e.g. cancelling a call after the join window has closed.
        self.expire(now);
        self.settle(now);
    }

    /// Returns the next effect to perform.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when to call again with [`Input::Timeout`] if no other input comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let ring = match (self.phase, self.ring) {
            (VisitPhase::Started { .. }, Ring::Until(at)) if self.seats[PATIENT].entered().is_none() => Some(at),
            (_, Ring::Until(_) | Ring::Over { .. } | Ring::Forever) => None,
        };
        let held = self.seats.iter().filter_map(|seat| self.seat_expires(seat)).min();
        let empty = self.empty.map(|since| since + self.rules.seat_held);
        [ring, held, empty, self.door_closes(), self.is_called_off()].into_iter().flatten().min()
    }

    /// Returns the deadline of a cancelled appointment, whose visit ends immediately.
    fn is_called_off(&self) -> Option<Timestamp> {
        let over = matches!(self.phase, VisitPhase::Ended { .. });
        let anybody = self.seats.iter().any(|seat| seat.entered().is_some() || seat.connection().is_some());
        (self.status == AppointmentStatus::Cancelled && !over && anybody).then_some(Timestamp::from_millis(0))
    }

    /// Returns when participants waiting for the start are told that the visit will not take place.
    fn door_closes(&self) -> Option<Timestamp> {
        let waiting = self.seats.iter().any(|seat| seat.entered().is_some());
        (matches!(self.phase, VisitPhase::Planned) && waiting).then_some(self.closes)
    }

    fn seat_expires(&self, seat: &Seat) -> Option<Timestamp> {
        match (seat.attendance, seat.link) {
            (Attendance::In { .. }, Link::Down { since }) => Some(since + self.rules.seat_held),
            (Attendance::In { .. } | Attendance::Out | Attendance::Left { .. } | Attendance::Declined { .. }, _) => {
                None
            }
        }
    }

    // Applies everything that is due at `now`.

    fn expire(&mut self, now: Timestamp) {
        if let Ring::Until(at) = self.ring
            && at <= now
        {
            self.ring = Ring::Over { since: at };
        }
        for seat in 0..self.seats.len() {
            if self.seat_expires(&self.seats[seat]).is_some_and(|at| at <= now) {
                self.seats[seat].attendance = Attendance::Left { at: now };
                self.audit(None, AuditAction::VisitSeatExpired);
                self.drop_media(seat);
                self.note_emptiness(now);
            }
        }
        if self.empty.is_some_and(|since| since + self.rules.seat_held <= now) {
            self.end(now, None, EndReason::Abandoned);
        }
        if self.is_called_off().is_some() {
            self.end(now, None, EndReason::Cancelled);
        }
        if self.door_closes().is_some_and(|at| at <= now) {
            self.end(now, None, EndReason::Closed);
        }
    }

    /// Removes a participant. Their seat is not held, because they may not come back.
    fn remove(&mut self, now: Timestamp, user: UserId) {
        let gone = |seat: &Seat| seat.user == user && seat.entered().is_some();
        if let Some(seat) = self.seats.iter().position(gone) {
            self.seats[seat].attendance = Attendance::Left { at: now };
            self.audit(None, AuditAction::VisitLeft);
            self.drop_media(seat);
            self.note_emptiness(now);
        }
    }

    fn note_emptiness(&mut self, now: Timestamp) {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        let nobody = [PATIENT, PROVIDER].into_iter().all(|seat| self.seats[seat].entered().is_none());
        self.empty = if started && nobody { self.empty.or(Some(now)) } else { None };
    }

    fn stop_at(&mut self, until: Timestamp) {
        self.stopping = Some(until);
        let connections: Vec<_> = self.seats.iter().filter_map(Seat::connection).collect();
        for connection in connections {
            self.send(connection, ServerMessage::Stopping { until });
        }
    }

    fn set_media_link(&mut self, user: UserId, media: MediaLink) {
        for seat in &mut self.seats {
            if seat.user == user {
                seat.media = media;
            }
        }
    }

    fn drop_media(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        seat.media = MediaLink::None;
        let user = seat.user;
        self.outputs.push_back(Output::DropMedia { user });
    }

    // Updates the state and the outputs that depend on the change just made.

    fn settle(&mut self, now: Timestamp) {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        let both_in = [PATIENT, PROVIDER].into_iter().all(|seat| self.seats[seat].entered().is_some());
        if started && both_in && self.connected.is_none() {
            self.connected = Some(now);
            self.audit(None, AuditAction::VisitConnected);
        }
        for seat in 0..self.seats.len() {
            let admitted = self.may_be_forwarded(seat);
            let seat = &mut self.seats[seat];
            if seat.admitted != admitted {
                seat.admitted = admitted;
                self.outputs.push_back(Output::Admit { user: seat.user, admitted });
            }
        }
        let record = self.record();
        if record != self.saved {
            self.saved = record.clone();
            self.outputs.push_front(Output::Save(record));
        }
        self.update_pages();
    }

    /// Whether the embedded SFU may forward a seat's media; other backends do their own forwarding. The patient's page
    /// shows the waiting room until they have met the provider, and until then companions do not see the patient
    /// either.
    fn may_be_forwarded(&self, seat: usize) -> bool {
        self.backend == CallBackend::Embedded
            && matches!(self.phase, VisitPhase::Started { .. })
            && self.seats[seat].entered().is_some()
            && (seat != PATIENT || self.connected.is_some())
    }

    /// Changes the appointment's status, if it allows that.
    fn change_status(&mut self, change: fn(AppointmentStatus) -> Result<AppointmentStatus, TransitionError>) {
        if let Ok(status) = change(self.status)
            && self.status != status
        {
            self.status = status;
            self.outputs.push_back(Output::SetStatus(status));
        }
    }

    fn audit(&mut self, actor: Option<UserId>, action: AuditAction) {
        self.outputs.push_back(Output::Audit { actor, visit: self.id, action });
    }

    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { connection, message });
    }
}

mod commands;
mod pages;
#[cfg(test)]
mod tests;
