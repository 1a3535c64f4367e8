//! The server of a simulated visit: both machines, as the program holds them.

use std::time::{Duration, Instant};

use bedside_visit::signalling::{Command as Order, MediaFailure, ServerMessage};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, Arrival, CallBackend, ChatMessage, CommandId, ConnectionId, Context,
    PageId, Participants, Person, Role, Timestamp, Visit, VisitId, VisitRecord, VisitRules,
};
use bedside_visit::{Input as VisitInput, Output as VisitOutput};
use uuid::Uuid;

use super::world::*;
use crate::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// From a page to the server.
pub(super) enum Up {
    Open { page: PageId, after: Option<u64> },
    Command { id: CommandId, command: Order },
    Offer,
}

/// What the program holds: both machines, what is written down, and the connections.
pub(super) struct Office {
    pub(super) world: World,
    pub(super) appointment: Appointment,
    pub(super) visit: Visit,
    pub(super) record: Option<VisitRecord>,
    pub(super) messages: Vec<ChatMessage>,
    fresh: u128,
    pub(super) connections: Vec<(ConnectionId, usize)>,
    /// When the server notices that a connection is gone.
    pub(super) noticing: Vec<(Instant, ConnectionId)>,
    peers: Vec<(u64, usize)>,
    next_peer: u64,
    events_read: usize,
    /// To whom, over which connection.
    pub(super) outbox: Vec<(usize, ConnectionId, Option<ServerMessage>)>,
}

impl Office {
    pub(super) fn new() -> Self {
        let person = |number, name: &str| Person {
            id: user(number),
            name: name.into(),
            specialty: None,
            birth_date: None,
            avatar_url: None,
        };
        let appointment = Appointment {
            id: AppointmentId::new(Uuid::from_u128(50)),
            start: START,
            duration: Duration::from_secs(1800),
            kind: "Follow-up".to_owned(),
            reason: None,
            status: AppointmentStatus::Booked,
            participants: Participants::two(person(1, "Ada"), person(2, "Grace")),
            backend: CallBackend::Embedded,
            booked_by: None,
        };
        let visit = Visit::new(room(), &appointment, VisitRules::default());
        Self {
            world: World::new(),
            appointment,
            visit,
            record: None,
            messages: Vec::new(),
            fresh: 2000,
            connections: Vec::new(),
            noticing: Vec::new(),
            peers: Vec::new(),
            next_peer: 0,
            events_read: 0,
            outbox: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        START + self.world.elapsed()
    }

    /// As the program does it: write down, then act.
    pub(super) fn step(&mut self, input: VisitInput) {
        self.fresh += 1;
        let context = Context { now: self.now(), fresh: VisitId::new(Uuid::from_u128(self.fresh)) };
        self.visit.handle(context, input);
        while let Some(output) = self.visit.poll_output() {
            let room = self.visit.id();
            match output {
                VisitOutput::Save(record) => {
                    if self.record.as_ref().is_some_and(|before| before.id != record.id) {
                        self.messages.clear();
                    }
                    self.record = Some(record);
                }
                VisitOutput::SaveMessage { message, .. } => self.messages.push(message),
                VisitOutput::SetStatus(_)
                | VisitOutput::SetBackend(_)
                | VisitOutput::SaveConsent(_)
                | VisitOutput::Audit { .. } => {}
                VisitOutput::Admit { user, admitted } => self.world.command(Command::Admit { room, user, admitted }),
                VisitOutput::Publish { user, microphone, camera } => {
                    self.world.command(Command::Publish { room, user, microphone, camera });
                }
                VisitOutput::DropMedia { user: whose } => {
                    for (peer, _) in self.peers.iter().filter(|(_, at)| user(*at as u128 + 1) == whose) {
                        self.world
                            .sfu
                            .handle_input(self.world.now, Input::Command(Command::Leave { peer: PeerId(*peer) }));
                    }
                }
                VisitOutput::Send { connection, message } => self.send(connection, Some(message)),
                VisitOutput::Close { connection, .. } => {
                    self.send(connection, None);
                    self.connections.retain(|(open, _)| *open != connection);
                }
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, message: Option<ServerMessage>) {
        let to = self.connections.iter().find(|(open, _)| *open == connection);
        self.outbox.extend(to.map(|(connection, at)| (*at, *connection, message)));
    }

    pub(super) fn take(&mut self, at: usize, role: Role, connection: ConnectionId, up: Up) -> Option<(usize, u64)> {
        let who = at as u128 + 1;
        match up {
            Up::Open { page, after } => {
                self.connections.push((connection, at));
                let arrival = Arrival { user: user(who), name: "Somebody".into(), role, page, after, session: 1 };
                self.step(VisitInput::Connected { arrival, connection });
            }
            _ if self.connections.iter().all(|(open, _)| *open != connection) => {}
            Up::Command { id, command } => self.step(VisitInput::Command { connection, id, command }),
            Up::Offer => {
                let (microphone, camera) = self.visit.published(user(who)).expect("a seat");
                let forwarding = Forwarding { admitted: self.visit.is_admitted(user(who)), microphone, camera };
                self.next_peer += 1;
                self.peers.push((self.next_peer, at));
                self.world.room = self.visit.id();
                let page = self.world.join(self.next_peer, who, 3 - who, forwarding);
                return Some((page, self.next_peer));
            }
        }
        None
    }

    /// Time, and what the media machine has to say.
    pub(super) fn turn(&mut self) {
        let now = self.world.now;
        let noticed = |(at, _): &(Instant, ConnectionId)| *at <= now;
        let due: Vec<_> = self.noticing.iter().copied().filter(noticed).collect();
        self.noticing.retain(|notice| !noticed(notice));
        for (_, connection) in due {
            self.connections.retain(|(open, _)| *open != connection);
            self.step(VisitInput::Disconnected { connection, goodbye: false });
        }
        if self.visit.next_deadline().is_some_and(|at| at <= self.now()) {
            self.step(VisitInput::Timeout);
        }
        while let Some(event) = self.world.events.get(self.events_read).cloned() {
            self.events_read += 1;
            let whose = |id: PeerId| self.peers.iter().find(|(peer, _)| *peer == id.0).map(|(_, at)| *at);
            match event {
                Output::Up { peer } => {
                    if let Some(at) = whose(peer) {
                        self.step(VisitInput::MediaUp { user: user(at as u128 + 1) });
                    }
                }
                Output::Lost { peer } => {
                    if let Some(at) = whose(peer) {
                        self.step(VisitInput::MediaLost { user: user(at as u128 + 1) });
                    }
                }
                Output::Gone { peer, why } if why != GoneReason::Replaced => {
                    let Some(at) = whose(peer) else { continue };
                    self.step(VisitInput::MediaLost { user: user(at as u128 + 1) });
                    let page = self.connections.iter().rfind(|(_, whose)| *whose == at).map(|(open, _)| *open);
                    if let (Some(page), Ok(number)) = (page, u32::try_from(peer.0)) {
                        let reason = MediaFailure::Lost;
                        self.send(page, Some(ServerMessage::MediaFailed { peer: number, reason }));
                    }
                }
                _ => {}
            }
        }
    }

    /// `kill -9`, and started again on what was written down.
    pub(super) fn crash(&mut self) {
        self.world.restart_server();
        self.peers.clear();
        self.connections.clear();
        self.noticing.clear();
        self.outbox.clear();
        self.events_read = self.world.events.len();
        let (rules, now) = (VisitRules::default(), self.now());
        self.visit = match &self.record {
            Some(record) => Visit::restore(record, self.messages.clone(), &self.appointment, rules, now),
            None => Visit::new(room(), &self.appointment, rules),
        };
    }
}
