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
use crate::view::{View, diff};
use crate::{
    AppointmentId, AppointmentStatus, CommandId, ConnectionId, Participants, Private, Role, Timestamp, UserId, VisitId,
    VisitRules,
};

/// How many command ids a seat remembers, so that a command sent again is not done again.
const REMEMBERED_COMMANDS: usize = 64;

/// What a step needs from outside.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The time.
    pub now: Timestamp,
    /// An unused identifier, taken if the step begins a new visit.
    pub fresh: VisitId,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A person's page connected. The shell has asked `permission::decide`.
    Connected {
        /// Who.
        user: UserId,
        /// By which connection.
        connection: ConnectionId,
    },
    /// A page's connection is gone.
    Disconnected {
        /// Which.
        connection: ConnectionId,
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
    /// Time passed.
    Timeout,
}

/// What to do about it, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this down before any message that follows is sent.
    Save(VisitRecord),
    /// Give the appointment this status, in the same transaction.
    SetStatus(AppointmentStatus),
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
    },
}

/// How long an absent patient is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    Until(Timestamp),
    Over,
    Forever,
}

/// What a connected page was shown last.
#[derive(Debug, Clone)]
struct Viewer {
    connection: ConnectionId,
    role: Role,
    sequence: u64,
    view: View,
}

/// An appointment's visit, live. After an end, the next one of the same appointment.
#[derive(Debug, Clone)]
pub struct Visit {
    pub(crate) id: VisitId,
    appointment: AppointmentId,
    status: AppointmentStatus,
    rules: VisitRules,
    pub(crate) phase: VisitPhase,
    pub(crate) connected: Option<Timestamp>,
    pub(crate) ring: Ring,
    /// Since when nobody has been in a started visit.
    empty: Option<Timestamp>,
    pub(crate) names: [Private<String>; 2],
    seats: [Seat; 2],
    done: [VecDeque<CommandId>; 2],
    viewers: Vec<Viewer>,
    admitted: [bool; 2],
    saved: VisitRecord,
    outputs: VecDeque<Output>,
}

pub(crate) const fn index(role: Role) -> usize {
    match role {
        Role::Patient => 0,
        Role::Provider => 1,
    }
}

const ROLES: [Role; 2] = [Role::Patient, Role::Provider];

impl Visit {
    /// A visit that nobody has come to yet.
    #[must_use]
    pub fn new(
        id: VisitId,
        appointment: AppointmentId,
        participants: &Participants,
        status: AppointmentStatus,
        rules: VisitRules,
    ) -> Self {
        let seats = ROLES.map(|role| Seat::new(participants.get(role).id, role));
        let mut visit = Self {
            id,
            appointment,
            status,
            rules,
            phase: VisitPhase::Planned,
            connected: None,
            ring: Ring::Forever,
            empty: None,
            names: ROLES.map(|role| participants.get(role).name.clone()),
            seats,
            done: [VecDeque::new(), VecDeque::new()],
            viewers: Vec::new(),
            admitted: [false; 2],
            saved: VisitRecord { id, appointment, phase: VisitPhase::Planned, connected: None, participants: vec![] },
            outputs: VecDeque::new(),
        };
        visit.saved = visit.record();
        visit
    }

    /// Continues a visit that was written down. Whoever was in has a dropped connection and a held
    /// seat; a call to an absent patient goes on without a time-out.
    #[must_use]
    pub fn restore(
        record: &VisitRecord,
        participants: &Participants,
        status: AppointmentStatus,
        rules: VisitRules,
        now: Timestamp,
    ) -> Self {
        let mut visit = Self::new(record.id, record.appointment, participants, status, rules);
        visit.phase = record.phase;
        visit.connected = record.connected;
        for saved in &record.participants {
            if let Some(seat) = visit.seats.iter_mut().find(|seat| seat.user == saved.user) {
                seat.restore(saved, now);
            }
        }
        visit.saved = visit.record();
        visit.admitted = ROLES.map(|role| visit.may_be_forwarded(role));
        visit.note_emptiness(now);
        visit
    }

    /// Which visit this is now.
    #[must_use]
    pub const fn id(&self) -> VisitId {
        self.id
    }

    /// The durable part.
    #[must_use]
    pub fn record(&self) -> VisitRecord {
        VisitRecord {
            id: self.id,
            appointment: self.appointment,
            phase: self.phase,
            connected: self.connected,
            participants: self.seats.iter().map(Seat::record).collect(),
        }
    }

    /// Whether nobody's page is connected and no clock is running: the shell may forget it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.viewers.is_empty() && self.next_deadline().is_none()
    }

    /// What may be forwarded of `user`: microphone, camera. `None` for a stranger.
    #[must_use]
    pub fn published(&self, user: UserId) -> Option<(bool, bool)> {
        self.seats.iter().find(|seat| seat.user == user).map(|seat| (seat.microphone, seat.camera))
    }

    /// Whether `user`'s media is forwarded now.
    #[must_use]
    pub fn is_admitted(&self, user: UserId) -> bool {
        self.seats.iter().any(|seat| seat.user == user && self.admitted[index(seat.role)])
    }

    /// Takes what happened. Then poll the outputs until there are none.
    pub fn handle(&mut self, context: Context, input: Input) {
        let now = context.now;
        self.expire(now);
        match input {
            Input::Connected { user, connection } => self.connect(now, user, connection),
            Input::Disconnected { connection } => self.disconnect(now, connection),
            Input::Command { connection, id, command } => self.command(context, connection, id, command),
            Input::MediaUp { user } => self.set_media_link(user, MediaLink::Up),
            Input::MediaLost { user } => {
                let was_up = self.seats.iter().any(|seat| seat.user == user && seat.media == MediaLink::Up);
                if was_up {
                    self.set_media_link(user, MediaLink::Lost { since: now });
                }
            }
            Input::Timeout => {}
        }
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
            (VisitPhase::Started { .. }, Ring::Until(at)) if self.seat(Role::Patient).entered().is_none() => Some(at),
            (_, Ring::Until(_) | Ring::Over | Ring::Forever) => None,
        };
        let held = self.seats.iter().filter_map(|seat| self.seat_expires(seat)).min();
        let empty = self.empty.map(|since| since + self.rules.seat_held);
        [ring, held, empty].into_iter().flatten().min()
    }

    pub(crate) const fn seat(&self, role: Role) -> &Seat {
        &self.seats[index(role)]
    }

    fn seat_mut(&mut self, role: Role) -> &mut Seat {
        &mut self.seats[index(role)]
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
        if matches!(self.ring, Ring::Until(at) if at <= now) {
            self.ring = Ring::Over;
        }
        for role in ROLES {
            if self.seat_expires(self.seat(role)).is_some_and(|at| at <= now) {
                self.seat_mut(role).attendance = Attendance::Left { at: now };
                self.audit(None, AuditAction::VisitSeatExpired);
                self.drop_media(role);
                self.note_emptiness(now);
            }
        }
        if self.empty.is_some_and(|since| since + self.rules.seat_held <= now) {
            self.end(now, None, EndReason::Abandoned);
        }
    }

    fn note_emptiness(&mut self, now: Timestamp) {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        let nobody = self.seats.iter().all(|seat| seat.entered().is_none());
        self.empty = if started && nobody { self.empty.or(Some(now)) } else { None };
    }

    // What connections do.

    fn connect(&mut self, now: Timestamp, user: UserId, connection: ConnectionId) {
        let Some(role) = self.seats.iter().find(|seat| seat.user == user).map(|seat| seat.role) else {
            return;
        };
        if let Some(old) = self.seat(role).connection() {
            self.viewers.retain(|viewer| viewer.connection != old);
            self.send(old, ServerMessage::Moved);
            self.outputs.push_back(Output::Close { connection: old });
            self.audit(Some(user), AuditAction::VisitSeatMoved);
            self.drop_media(role);
        }
        self.seat_mut(role).link = Link::Up { connection, since: now };
        let view = self.view(role);
        self.send(connection, ServerMessage::Snapshot { sequence: 1, now, view: view.clone() });
        self.viewers.push(Viewer { connection, role, sequence: 1, view });
    }

    fn disconnect(&mut self, now: Timestamp, connection: ConnectionId) {
        self.viewers.retain(|viewer| viewer.connection != connection);
        for seat in &mut self.seats {
            if seat.connection() == Some(connection) {
                seat.link = Link::Down { since: now };
            }
        }
    }

    fn set_media_link(&mut self, user: UserId, media: MediaLink) {
        for seat in &mut self.seats {
            if seat.user == user {
                seat.media = media;
            }
        }
    }

    fn drop_media(&mut self, role: Role) {
        let seat = self.seat_mut(role);
        seat.media = MediaLink::None;
        let user = seat.user;
        self.outputs.push_back(Output::DropMedia { user });
    }

    // What follows from all of it.

    fn settle(&mut self, now: Timestamp) {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        let both_in = self.seats.iter().all(|seat| seat.entered().is_some());
        if started && both_in && self.connected.is_none() {
            self.connected = Some(now);
            self.audit(None, AuditAction::VisitConnected);
        }
        for role in ROLES {
            let admitted = self.may_be_forwarded(role);
            if self.admitted[index(role)] != admitted {
                self.admitted[index(role)] = admitted;
                self.outputs.push_back(Output::Admit { user: self.seat(role).user, admitted });
            }
        }
        let record = self.record();
        if record != self.saved {
            self.saved = record.clone();
            self.outputs.push_front(Output::Save(record));
        }
        self.update_viewers();
    }

    fn may_be_forwarded(&self, role: Role) -> bool {
        matches!(self.phase, VisitPhase::Started { .. }) && self.seat(role).entered().is_some()
    }

    fn update_viewers(&mut self) {
        for at in 0..self.viewers.len() {
            let view = self.view(self.viewers[at].role);
            let viewer = &mut self.viewers[at];
            let changes = diff(&viewer.view, &view);
            if !changes.is_empty() {
                viewer.sequence += 1;
                viewer.view = view;
                let message = ServerMessage::Changed { sequence: viewer.sequence, changes };
                self.outputs.push_back(Output::Send { connection: viewer.connection, message });
            }
        }
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
#[cfg(test)]
mod tests;
