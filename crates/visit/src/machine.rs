//! The life of a visit, as one machine per appointment.
//!
//! [`Visit::handle`] takes what happened and the time; [`Visit::poll_output`] gives what to do about
//! it; [`Visit::next_deadline`] says when to come back with [`Input::Timeout`]. The machine is
//! `Clone`: a shell that could not write down an output of a step throws the step's copy away, and
//! nothing has happened.

use std::collections::VecDeque;

use crate::record::{AuditAction, EndReason, VisitPhase, VisitRecord};
use crate::seat::{Attendance, Link, MediaLink, Seat};
use crate::signalling::{Command, ServerMessage};
use crate::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, ChatMessage, CommandId, ConnectionId, ConsentRecord,
    PageId, Private, Role, Timestamp, UserId, VisitId, VisitRules,
};
use pages::Page;

/// How many people a visit has seats for.
pub const MAX_PARTICIPANTS: usize = 8;

/// What a step needs from outside.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The time.
    pub now: Timestamp,
    /// An unused identifier, taken if the step begins a new visit.
    pub fresh: VisitId,
}

/// Somebody's page, as it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: Private<String>,
    /// As what.
    pub role: Role,
    /// Which page of theirs.
    pub page: PageId,
    /// Tells their sessions, and so their devices, apart. Means nothing else.
    pub session: u64,
    /// The number of the last message the page has heard, if it was connected before.
    pub after: Option<u64>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A person's page connected. The shell has asked `permission::decide`.
    Connected {
        /// Whose page.
        arrival: Arrival,
        /// By which connection.
        connection: ConnectionId,
    },
    /// A page's connection is gone.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// The page said goodbye: it was closed or left, and its media with it.
        goodbye: bool,
    },
    /// A page sent a command. The shell has asked `permission::decide`.
    Command {
        /// Over which connection.
        connection: ConnectionId,
        /// The page's name for it.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// A person's media connection carries.
    MediaUp {
        /// Whose.
        user: UserId,
    },
    /// A person's media connection does not carry any more.
    MediaLost {
        /// Whose.
        user: UserId,
    },
    /// A person has no part in the appointment any more.
    Removed {
        /// Who.
        user: UserId,
    },
    /// The appointment was cancelled, which is written down already.
    Cancelled,
    /// The program is about to stop: begin nothing new.
    Stopping {
        /// When at the latest.
        until: Timestamp,
    },
    /// Time passed.
    Timeout,
}

/// Why a page's connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The seat moved to another page.
    Moved,
    /// The same page has a newer connection.
    Superseded,
    /// There are [`MAX_PARTICIPANTS`] already.
    Full,
    /// Not a person of this appointment.
    Denied,
}

/// What to do about it, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this down before any message that follows is sent.
    Save(VisitRecord),
    /// Give the appointment this status, in the same transaction.
    SetStatus(AppointmentStatus),
    /// Let this backend carry the appointment's calls, in the same transaction.
    SetBackend(CallBackend),
    /// Write this message down, in the same transaction.
    SaveMessage {
        /// In which visit.
        visit: VisitId,
        /// What.
        message: ChatMessage,
    },
    /// Write down that somebody agreed to the clinic's terms, or took it back, in the same transaction.
    SaveConsent(ConsentRecord),
    /// Write this into the audit log, in the same transaction.
    Audit {
        /// Who did it; `None` for the passing of time.
        actor: Option<UserId>,
        /// In which visit.
        visit: VisitId,
        /// What.
        action: AuditAction,
    },
    /// Forward a person's media to and from the others who are admitted, or stop.
    Admit {
        /// Whose.
        user: UserId,
        /// Forward?
        admitted: bool,
    },
    /// What of a person may be forwarded.
    Publish {
        /// Whose.
        user: UserId,
        /// Their microphone.
        microphone: bool,
        /// Their camera.
        camera: bool,
    },
    /// Drop a person's media connection.
    DropMedia {
        /// Whose.
        user: UserId,
    },
    /// Send to a page.
    Send {
        /// Which.
        connection: ConnectionId,
        /// What.
        message: ServerMessage,
    },
    /// Close a page's connection after what was sent.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why.
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

/// An appointment's visit, live. After an end, the next one of the same appointment.
#[derive(Debug, Clone)]
pub struct Visit {
    pub(crate) id: VisitId,
    appointment: AppointmentId,
    status: AppointmentStatus,
    pub(crate) rules: VisitRules,
    /// When the door closes.
    closes: Timestamp,
    /// Who carries the media.
    pub(crate) backend: CallBackend,
    pub(crate) phase: VisitPhase,
    pub(crate) connected: Option<Timestamp>,
    pub(crate) ring: Ring,
    /// Since when neither patient nor provider has been in a started visit.
    empty: Option<Timestamp>,
    /// When the program stops, if it is about to.
    stopping: Option<Timestamp>,
    /// The patient's, the provider's, then the others'.
    pub(crate) seats: Vec<Seat>,
    pub(crate) messages: Vec<ChatMessage>,
    /// At most one a seat.
    pages: Vec<Page>,
    saved: VisitRecord,
    outputs: VecDeque<Output>,
}

/// Where the patient sits.
pub(crate) const PATIENT: usize = 0;
/// Where the provider sits.
pub(crate) const PROVIDER: usize = 1;

impl Visit {
    /// A visit that nobody has come to yet.
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

    /// Continues a visit that was written down. Whoever was in has a dropped connection and a held
    /// seat. People who are in the record and not in the appointment any more have no seat.
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

    /// Which visit this is now.
    #[must_use]
    pub const fn id(&self) -> VisitId {
        self.id
    }

    /// The durable part, but for the messages.
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

    /// Whether nobody's page is connected and no clock is running: the shell may forget it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.seats.iter().all(|seat| seat.connection().is_none()) && self.next_deadline().is_none()
    }

    /// Whether a started visit has somebody in it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, VisitPhase::Started { .. }) && self.seats.iter().any(|seat| seat.entered().is_some())
    }

    /// Everyone who has a seat and may be heard and seen.
    pub fn publishers(&self) -> impl Iterator<Item = UserId> {
        self.seats.iter().filter(|seat| seat.role.publishes()).map(|seat| seat.user)
    }

    /// Who carries the media.
    #[must_use]
    pub const fn backend(&self) -> CallBackend {
        self.backend
    }

    /// What may be forwarded of `user`: microphone, camera. `None` for a stranger.
    #[must_use]
    pub fn published(&self, user: UserId) -> Option<(bool, bool)> {
        self.seats.iter().find(|seat| seat.user == user).map(|seat| (seat.microphone, seat.camera))
    }

    /// Whether `user`'s media is forwarded now.
    #[must_use]
    pub fn is_admitted(&self, user: UserId) -> bool {
        self.seats.iter().any(|seat| seat.user == user && seat.admitted)
    }

    /// Takes what happened. Then poll the outputs until there are none.
    pub fn handle(&mut self, context: Context, input: Input) {
        let now = context.now;
        self.expire(now);
        match input {
            Input::Connected { arrival, connection } => self.connect(now, arrival, connection),
            Input::Disconnected { connection, goodbye } => self.disconnect(now, connection, goodbye),
            Input::Command { connection, id, command } => self.command(context, connection, id, command),
            // Of a connection that was there before the call moved.
            Input::MediaUp { .. } | Input::MediaLost { .. } if self.backend != CallBackend::Embedded => {}
            Input::MediaUp { user } => self.set_media_link(user, MediaLink::Up),
            Input::MediaLost { user } => {
                let was_up = self.seats.iter().any(|seat| seat.user == user && seat.media == MediaLink::Up);
                if was_up {
                    self.set_media_link(user, MediaLink::Lost { since: now });
                }
            }
            Input::Removed { user } => self.remove(now, user),
            // Its status says the rest: what is cancelled expires at once.
            Input::Cancelled => self.status = AppointmentStatus::Cancelled,
            Input::Stopping { until } => self.stop_at(until),
            Input::Timeout => {}
        }
        // What was done may be over at once: a call that is cancelled after the door has closed.
        self.expire(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`], if nothing else happens before.
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

    /// A cancelled appointment has no visit any more: at once, whatever time it is.
    fn is_called_off(&self) -> Option<Timestamp> {
        let over = matches!(self.phase, VisitPhase::Ended { .. });
        let anybody = self.seats.iter().any(|seat| seat.entered().is_some() || seat.connection().is_some());
        (self.status == AppointmentStatus::Cancelled && !over && anybody).then_some(Timestamp::from_millis(0))
    }

    /// When people who wait for a start are told that it will not come.
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

    // What time does.

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

    /// Nobody waits for a person who may not come back.
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

    // What follows from all of it.

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

    /// By the server's own media server: another backend does its own forwarding. The patient's page says "waiting
    /// room" until they have met the provider: till then nobody who comes beside them sees them either.
    fn may_be_forwarded(&self, seat: usize) -> bool {
        self.backend == CallBackend::Embedded
            && matches!(self.phase, VisitPhase::Started { .. })
            && self.seats[seat].entered().is_some()
            && (seat != PATIENT || self.connected.is_some())
    }

    fn set_status(&mut self, status: AppointmentStatus) {
        if self.status != status {
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
