//! The life of a visit, as one machine per appointment.
//!
//! [`Visit::handle`] takes what happened and the time; [`Visit::poll_output`] gives what to do about
//! it; [`Visit::next_deadline`] says when to come back with [`Input::Timeout`]. The machine is
//! `Clone`: a shell that could not write down an output of a step throws the step's copy away, and
//! nothing has happened.

use std::collections::VecDeque;

use crate::record::{AuditAction, EndReason, VisitPhase, VisitRecord};
use crate::seat::{Attendance, Link, MediaLink, Seat};
use crate::signalling::{Command, Refusal, ServerMessage};
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

    // What people do.

    fn command(&mut self, context: Context, connection: ConnectionId, id: CommandId, command: Command) {
        let Some(role) = self.viewers.iter().find(|v| v.connection == connection).map(|v| v.role) else {
            return;
        };
        if self.done[index(role)].contains(&id) {
            self.send(connection, ServerMessage::Acknowledged { id });
            return;
        }
        match self.perform(context, role, command) {
            Ok(()) => {
                let done = &mut self.done[index(role)];
                if done.len() == REMEMBERED_COMMANDS {
                    done.pop_front();
                }
                done.push_back(id.clone());
                self.send(connection, ServerMessage::Acknowledged { id });
            }
            Err(refusal) => self.send(connection, ServerMessage::Refused { id, refusal }),
        }
    }

    fn perform(&mut self, context: Context, role: Role, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Enter => self.enter(context, role, false),
            Command::Rejoin => self.enter(context, role, true),
            Command::Leave => self.leave(context.now, role),
            Command::SetMedia { microphone, camera } => self.set_media(role, microphone, camera),
            Command::ReportCheck { check } => self.seat_mut(role).check = check,
            Command::Decline => return self.only(role, Role::Patient)?.decline(context.now),
            Command::Start => self.only(role, Role::Provider)?.start(context),
            Command::Cancel => return self.only(role, Role::Provider)?.cancel(),
            Command::KeepWaiting => return self.only(role, Role::Provider)?.keep_waiting(),
            Command::MarkMissed => return self.only(role, Role::Provider)?.mark_missed(context.now),
            Command::End => return self.only(role, Role::Provider)?.end_for_all(context.now),
        }
        Ok(())
    }

    fn only(&mut self, role: Role, wanted: Role) -> Result<&mut Self, Refusal> {
        if role == wanted { Ok(self) } else { Err(Refusal::WrongRole) }
    }

    /// `by_choice`: a click of the person's own, which also brings back those who left and opens a
    /// new waiting room after the end.
    fn enter(&mut self, context: Context, role: Role, by_choice: bool) {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            if !by_choice {
                return;
            }
            self.begin_again(context);
        }
        let may = match self.seat(role).attendance {
            Attendance::In { .. } => false,
            Attendance::Out => true,
            Attendance::Left { .. } | Attendance::Declined { .. } => by_choice,
        };
        if may {
            self.seat_mut(role).attendance = Attendance::In { since: context.now };
            self.empty = None;
            self.audit(Some(self.seat(role).user), AuditAction::VisitEntered);
            if role == Role::Patient {
                self.set_status(match self.status {
                    AppointmentStatus::Booked | AppointmentStatus::NoShow => AppointmentStatus::Arrived,
                    kept @ (AppointmentStatus::Arrived
                    | AppointmentStatus::Fulfilled
                    | AppointmentStatus::Cancelled) => kept,
                });
            }
        }
    }

    fn leave(&mut self, now: Timestamp, role: Role) {
        if self.seat(role).entered().is_some() {
            self.seat_mut(role).attendance = Attendance::Left { at: now };
            self.audit(Some(self.seat(role).user), AuditAction::VisitLeft);
            self.drop_media(role);
            self.note_emptiness(now);
        }
    }

    fn set_media(&mut self, role: Role, microphone: bool, camera: bool) {
        let seat = self.seat_mut(role);
        if (seat.microphone, seat.camera) != (microphone, camera) {
            seat.microphone = microphone;
            seat.camera = camera;
            let user = seat.user;
            self.outputs.push_back(Output::Publish { user, microphone, camera });
            self.audit(Some(user), AuditAction::VisitMediaChanged);
        }
    }

    fn decline(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if !started || self.seat(Role::Patient).entered().is_some() {
            return Err(Refusal::NotNow);
        }
        self.seat_mut(Role::Patient).attendance = Attendance::Declined { at: now };
        self.audit(Some(self.seat(Role::Patient).user), AuditAction::VisitCallDeclined);
        Ok(())
    }

    /// Pressing "Start meeting" again, or after having left, is the same wish.
    fn start(&mut self, context: Context) {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            self.begin_again(context);
        }
        self.enter(context, Role::Provider, true);
        if matches!(self.phase, VisitPhase::Planned) {
            self.phase = VisitPhase::Started { at: context.now };
            self.ring = Ring::Until(context.now + self.rules.ring);
            self.audit(Some(self.seat(Role::Provider).user), AuditAction::VisitStarted);
        }
    }

    /// Back to before the start, while the patient is not in.
    fn cancel(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.phase = VisitPhase::Planned;
        self.forget_declined();
        self.audit(Some(self.seat(Role::Provider).user), AuditAction::VisitCallCancelled);
        Ok(())
    }

    fn keep_waiting(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.ring = Ring::Forever;
        self.forget_declined();
        Ok(())
    }

    /// The patient may be asked again.
    fn forget_declined(&mut self) {
        let patient = self.seat_mut(Role::Patient);
        if matches!(patient.attendance, Attendance::Declined { .. }) {
            patient.attendance = Attendance::Out;
        }
    }

    fn mark_missed(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let over = matches!(self.phase, VisitPhase::Ended { .. });
        if over || self.connected.is_some() || self.seat(Role::Patient).entered().is_some() {
            return Err(Refusal::NotNow);
        }
        self.end(now, Some(self.seat(Role::Provider).user), EndReason::Missed);
        Ok(())
    }

    fn end_for_all(&mut self, now: Timestamp) -> Result<(), Refusal> {
        match self.phase {
            VisitPhase::Planned => Err(Refusal::NotNow),
            VisitPhase::Started { .. } => {
                self.end(now, Some(self.seat(Role::Provider).user), EndReason::Ended);
                Ok(())
            }
            VisitPhase::Ended { .. } => Ok(()),
        }
    }

    /// Started, never connected, and the patient not in.
    fn while_calling(&self) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if started && self.connected.is_none() && self.seat(Role::Patient).entered().is_none() {
            Ok(())
        } else {
            Err(Refusal::NotNow)
        }
    }

    fn end(&mut self, at: Timestamp, actor: Option<UserId>, reason: EndReason) {
        let started = match self.phase {
            VisitPhase::Planned => None,
            VisitPhase::Started { at } => Some(at),
            VisitPhase::Ended { .. } => return,
        };
        self.phase = VisitPhase::Ended { started, at, reason };
        self.empty = None;
        for role in ROLES {
            let seat = self.seat_mut(role);
            if seat.entered().is_some() {
                seat.attendance = Attendance::Left { at };
            }
            self.drop_media(role);
        }
        match reason {
            EndReason::Missed => {
                self.audit(actor, AuditAction::VisitMissed);
                self.set_status(AppointmentStatus::NoShow);
            }
            EndReason::Ended | EndReason::Abandoned => {
                self.audit(actor, AuditAction::VisitEnded);
                if self.connected.is_some() {
                    self.set_status(AppointmentStatus::Fulfilled);
                }
            }
        }
    }

    /// The next visit of the same appointment, with nobody in it. What people chose to send stays.
    fn begin_again(&mut self, context: Context) {
        self.id = context.fresh;
        self.phase = VisitPhase::Planned;
        self.connected = None;
        self.ring = Ring::Forever;
        for seat in &mut self.seats {
            seat.attendance = Attendance::Out;
        }
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

#[cfg(test)]
mod tests;
