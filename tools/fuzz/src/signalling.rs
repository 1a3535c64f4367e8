//! Fuzzes signalling: the messages of three pages, their timing, and the resulting visit.
//!
//! Input: text with one step per line. `p` is the patient's page, `d` the provider's, `g` a guest's.
//!
//! ```text
//! p+  p-        a new page connects (and takes over the seat), the connection drops
//! p>  p>7       the page reconnects, having received all messages, or up to a number
//! p^  pv        media is up, media is lost
//! p{"type":…}   the page sends this message
//! ~60           that many seconds pass
//! !             the server restarts
//! .             the server is about to stop
//! ```

use std::time::Duration;

use bedside_visit::permission::{Principal, Scope, action_of, decide};
use bedside_visit::signalling::{ClientMessage, Command, MAX_CLIENT_MESSAGE, ServerMessage};
use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, Arrival, CallBackend, ChatMessage, CommandId, Companion,
    ConnectionId, Context, Input, Output, PageId, Participants, Person, Role, TermsId, Timestamp, UserId, Visit,
    VisitId, VisitRules,
};
use uuid::Uuid;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Runs one input.
///
/// # Panics
///
/// If an invariant is violated.
pub fn run(input: &[u8]) {
    let mut clinic = Clinic::open();
    for line in input.split(|byte| *byte == b'\n').take(200) {
        clinic.step(line);
        clinic.check();
    }
}

/// A page like in a browser: the view it was sent, with changes applied.
struct Page {
    name: PageId,
    connection: ConnectionId,
    connected: bool,
    sequence: u64,
    view: Option<View>,
}

/// The parts of the server around the state machine.
struct Clinic {
    appointment: Appointment,
    visit: Visit,
    now: Timestamp,
    drawn: u64,
    pages: [Option<Page>; 3],
    /// What each participant last chose to send: microphone, camera.
    wanted: [(bool, bool); 3],
    /// The chat messages as in the database.
    written: Vec<ChatMessage>,
}

const PEOPLE: [Role; 3] = [Role::Patient, Role::Provider, Role::Guest];

impl Clinic {
    fn open() -> Self {
        let person = |number: u128, name: &str| Person {
            id: UserId::new(Uuid::from_u128(number)),
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
            participants: Participants {
                companions: vec![Companion { role: Role::Guest, person: person(3, "Alan") }],
                ..Participants::two(person(1, "Ada"), person(2, "Grace"))
            },
            backend: CallBackend::Embedded,
            booked_by: None,
        };
        let visit = Visit::new(VisitId::new(Uuid::from_u128(100)), &appointment, rules());
        let (pages, wanted) = ([const { None }; 3], [(true, true); 3]);
        Self { appointment, visit, now: START, drawn: 0, pages, wanted, written: Vec::new() }
    }

    fn step(&mut self, line: &[u8]) {
        let (role, what) = match line {
            [b'p', what @ ..] => (Role::Patient, what),
            [b'd', what @ ..] => (Role::Provider, what),
            [b'g', what @ ..] => (Role::Guest, what),
            [b'~', seconds @ ..] => return self.wait(seconds),
            [b'!', ..] => return self.restart(),
            [b'.', ..] => {
                let until = self.now + Duration::from_secs(60);
                return drop(self.handle(Input::Stopping { until }));
            }
            _ => return,
        };
        let user = self.user(role);
        match what {
            b"+" => {
                let name = PageId::try_from(format!("page-{}", self.drawn)).expect("plain");
                self.connect(role, name, None, None);
            }
            b"-" => {
                if let Some(page) = self.pages[at(role)].as_mut().filter(|page| page.connected) {
                    page.connected = false;
                    let connection = page.connection;
                    self.handle(Input::Disconnected { connection, goodbye: false });
                }
            }
            [b'>', number @ ..] => {
                if let Some(page) = self.pages[at(role)].take() {
                    let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
                    let after = number.unwrap_or(page.sequence);
                    // A page that sends a wrong sequence number has no view unless it gets a snapshot.
                    let view = page.view.filter(|_| after == page.sequence);
                    self.connect(role, page.name, Some(after), view);
                }
            }
            b"^" => drop(self.handle(Input::MediaUp { user })),
            b"v" => drop(self.handle(Input::MediaLost { user })),
            message => self.receive(role, message),
        }
    }

    fn connect(&mut self, role: Role, name: PageId, after: Option<u64>, view: Option<View>) {
        self.drawn += 1;
        let connection = ConnectionId(self.drawn);
        let sequence = after.unwrap_or(0);
        self.pages[at(role)] = Some(Page { name: name.clone(), connection, connected: true, sequence, view });
        let arrival = Arrival { user: self.user(role), name: "N".into(), role, page: name, after, session: 1 };
        self.handle(Input::Connected { arrival, connection });
    }

    /// Like the WebSocket handler: size, UTF-8, parsing, permission, state machine.
    fn receive(&mut self, role: Role, message: &[u8]) {
        let Some(page) = self.pages[at(role)].as_ref().filter(|page| page.connected) else { return };
        let connection = page.connection;
        if message.len() > MAX_CLIENT_MESSAGE {
            return;
        }
        let Ok(text) = std::str::from_utf8(message) else { return };
        let Ok(parsed) = serde_json::from_str::<ClientMessage>(text) else { return };
        let written = serde_json::to_string(&parsed).expect("a message can be serialized");
        assert_eq!(
            serde_json::from_str::<ClientMessage>(&written).ok().as_ref(),
            Some(&parsed),
            "a message survives a round trip"
        );
        if let ClientMessage::Command { id, command } = parsed {
            let principal = Principal { user: self.user(role), scope: Scope::Account(None) };
            let rules = rules();
            if decide(&principal, action_of(&command), &self.appointment, &rules, self.now).is_ok() {
                self.command(role, connection, id, command);
            }
        }
    }

    fn command(&mut self, role: Role, connection: ConnectionId, id: CommandId, command: Command) {
        let others = |clinic: &Self| {
            let others = PEOPLE.into_iter().filter(|other| *other != role);
            others.map(|other| clinic.visit.published(clinic.user(other))).collect::<Vec<_>>()
        };
        let others_before = others(self);
        let before = self.visit.published(self.user(role));
        let answers = self.handle(Input::Command { connection, id: id.clone(), command: command.clone() });
        let acknowledged = answers.iter().filter(|answer| **answer == Answer::Acknowledged(id.clone())).count();
        let refused = answers.iter().filter(|answer| **answer == Answer::Refused(id.clone())).count();
        assert_eq!((acknowledged + refused, answers.len()), (1, 1), "exactly one answer to a command");
        assert_eq!(others_before, others(self), "media of other participants is unchanged");
        // Whether applied or repeated: the result is either this command's choice or unchanged.
        let after = self.visit.published(self.user(role)).expect("a participant of the visit");
        match command {
            Command::SetMedia { microphone, camera } if after == (microphone, camera) => self.wanted[at(role)] = after,
            _ => assert_eq!(before, Some(after), "only the participant's own command changes their media"),
        }
    }

    fn wait(&mut self, seconds: &[u8]) {
        let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<u16>().ok()).unwrap_or(1);
        let until = self.now + Duration::from_secs(u64::from(seconds));
        // Like the server: call the machine at each deadline.
        while let Some(deadline) = self.visit.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline;
            self.handle(Input::Timeout);
        }
        self.now = until;
        self.handle(Input::Timeout);
    }

    fn restart(&mut self) {
        let record = self.visit.record();
        self.now = self.now + Duration::from_millis(1);
        self.visit = Visit::restore(&record, self.written.clone(), &self.appointment, rules(), self.now);
        self.pages.iter_mut().flatten().for_each(|page| page.connected = false);
    }

    /// Returns the answers to commands.
    fn handle(&mut self, input: Input) -> Vec<Answer> {
        self.drawn += 1;
        let fresh = VisitId::new(Uuid::from_u128(1000 + u128::from(self.drawn)));
        let visit = self.visit.id();
        self.visit.handle(Context { now: self.now, fresh }, input);
        if self.visit.id() != visit {
            self.written.clear();
        }
        let mut answers = Vec::new();
        while let Some(output) = self.visit.poll_output() {
            match output {
                Output::Send { connection, message } => answers.extend(self.deliver(connection, message)),
                Output::SetStatus(status) => self.appointment.status = status,
                Output::SetBackend(backend) => self.appointment.backend = backend,
                Output::SaveMessage { message, .. } => self.written.push(message),
                _ => {}
            }
        }
        answers
    }

    fn deliver(&mut self, connection: ConnectionId, message: ServerMessage) -> Option<Answer> {
        let page = self.pages.iter_mut().flatten().find(|page| page.connection == connection);
        match (page, message) {
            (_, ServerMessage::Acknowledged { id }) => return Some(Answer::Acknowledged(id)),
            (_, ServerMessage::Refused { id, .. }) => return Some(Answer::Refused(id)),
            (Some(page), ServerMessage::Snapshot { sequence, view, .. }) => {
                page.sequence = sequence;
                page.view = Some(view);
            }
            (Some(page), ServerMessage::Resumed { sequence, .. }) => {
                assert_eq!(sequence, page.sequence, "it resumes at the page's sequence number");
            }
            (Some(page), ServerMessage::Changed { sequence, changes }) => {
                assert_eq!(sequence, page.sequence + 1, "changes are in order and complete");
                page.sequence = sequence;
                if let Some(view) = &mut page.view {
                    changes.into_iter().for_each(|change| view.apply(change));
                }
            }
            _ => {}
        }
        None
    }

    fn check(&self) {
        for role in PEOPLE {
            let user = self.user(role);
            let view = self.visit.view(user).expect("a seat");
            if let Some(page) = self.pages[at(role)].as_ref().filter(|page| page.connected && page.view.is_some()) {
                assert_eq!(page.view.as_ref(), Some(&view), "snapshot plus changes equals the view");
            }
            let is_in = matches!(view.you.presence, Presence::Here { .. } | Presence::Away { .. });
            // Companions can read messages only after joining.
            let may_read = matches!(role, Role::Patient | Role::Provider) || is_in || !view.messages.is_empty();
            let readable: &[ChatMessage] = if may_read { &self.written } else { &[] };
            assert_eq!(view.messages, readable, "messages are displayed once and in order");
            assert!(is_in || !self.visit.is_admitted(user), "only participants who joined are admitted");
            let over = matches!(view.stage, Stage::Ended { .. });
            assert!(!over || !self.visit.is_admitted(user), "no participant is admitted after the end");
            assert_eq!(
                self.visit.published(user),
                Some(self.wanted[at(role)]),
                "media follows the participant's choice"
            );
        }
        assert!(self.visit.next_deadline().is_none_or(|deadline| deadline > self.now), "no deadline is in the past");
    }

    fn user(&self, role: Role) -> UserId {
        self.appointment.participants.iter().find(|(other, _)| *other == role).expect("a person").1.id
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Acknowledged(CommandId),
    Refused(CommandId),
}

fn at(role: Role) -> usize {
    PEOPLE.into_iter().position(|other| other == role).expect("one of the three")
}

/// Rules with the terms that the corpus accepts.
fn rules() -> VisitRules {
    VisitRules { terms: Some(TermsId::new([1; 16])), ..VisitRules::default() }
}
