//! Signalling: what two pages send, when, and what the visit makes of it.
//!
//! Input: text, a step a line. `p` is the patient's page, `d` the doctor's.
//!
//! ```text
//! p+  p-        the page connects (another takes the seat over), the connection drops
//! p^  pv        media is up, media is lost
//! p{"type":…}   the page sends this
//! ~60           that many seconds pass
//! !             the program restarts
//! ```

use std::time::Duration;

use bedside_visit::permission::{Principal, Scope, action_of, decide};
use bedside_visit::signalling::{ClientMessage, Command, MAX_CLIENT_MESSAGE, ServerMessage};
use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, CommandId, ConnectionId, Context, Input, Output, Participants,
    Person, Role, Timestamp, UserId, Visit, VisitId, VisitRules,
};
use uuid::Uuid;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// One input.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn run(input: &[u8]) {
    let mut clinic = Clinic::open();
    for line in input.split(|byte| *byte == b'\n').take(200) {
        clinic.step(line);
        clinic.check();
    }
}

/// A page as a browser has it: the view it was sent, kept up to date by what it was sent since.
struct Page {
    connection: ConnectionId,
    sequence: u64,
    view: Option<View>,
}

/// What the server's shell does around the machine, without a server.
struct Clinic {
    appointment: Appointment,
    visit: Visit,
    now: Timestamp,
    drawn: u64,
    pages: [Option<Page>; 2],
    /// What each asked last to be let out.
    wanted: [(bool, bool); 2],
}

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
            participants: Participants { patient: person(1, "Ada"), provider: person(2, "Grace") },
        };
        let visit = Visit::new(
            VisitId::new(Uuid::from_u128(100)),
            appointment.id,
            &appointment.participants,
            appointment.status,
            VisitRules::default(),
        );
        Self { appointment, visit, now: START, drawn: 0, pages: [None, None], wanted: [(true, true); 2] }
    }

    fn step(&mut self, line: &[u8]) {
        let (role, what) = match line {
            [b'p', what @ ..] => (Role::Patient, what),
            [b'd', what @ ..] => (Role::Provider, what),
            [b'~', seconds @ ..] => return self.wait(seconds),
            [b'!', ..] => return self.restart(),
            _ => return,
        };
        let user = self.user(role);
        match what {
            b"+" => {
                self.drawn += 1;
                let connection = ConnectionId(self.drawn);
                self.pages[at(role)] = Some(Page { connection, sequence: 0, view: None });
                self.handle(Input::Connected { user, connection });
            }
            b"-" => {
                if let Some(page) = self.pages[at(role)].take() {
                    self.handle(Input::Disconnected { connection: page.connection });
                }
            }
            b"^" => drop(self.handle(Input::MediaUp { user })),
            b"v" => drop(self.handle(Input::MediaLost { user })),
            message => self.receive(role, message),
        }
    }

    /// As the socket does it: size, text, parse, permission, machine.
    fn receive(&mut self, role: Role, message: &[u8]) {
        let Some(connection) = self.pages[at(role)].as_ref().map(|page| page.connection) else { return };
        if message.len() > MAX_CLIENT_MESSAGE {
            return;
        }
        let Ok(text) = std::str::from_utf8(message) else { return };
        let Ok(parsed) = serde_json::from_str::<ClientMessage>(text) else { return };
        let written = serde_json::to_string(&parsed).expect("a message can be written");
        assert_eq!(serde_json::from_str::<ClientMessage>(&written).ok().as_ref(), Some(&parsed), "and read again");
        if let ClientMessage::Command { id, command } = parsed {
            let principal = Principal { user: self.user(role), scope: Scope::Account };
            let rules = VisitRules::default();
            if decide(&principal, action_of(&command), &self.appointment, &rules, self.now).is_ok() {
                self.command(role, connection, id, command);
            }
        }
    }

    fn command(&mut self, role: Role, connection: ConnectionId, id: CommandId, command: Command) {
        let other = self.visit.published(self.user(role.other()));
        let before = self.visit.published(self.user(role));
        let answers = self.handle(Input::Command { connection, id: id.clone(), command });
        let acknowledged = answers.iter().filter(|answer| **answer == Answer::Acknowledged(id.clone())).count();
        let refused = answers.iter().filter(|answer| **answer == Answer::Refused(id.clone())).count();
        assert_eq!((acknowledged + refused, answers.len()), (1, 1), "a command is answered once, and nothing else is");
        assert_eq!(other, self.visit.published(self.user(role.other())), "nobody mutes or unmutes another");
        // Done the first time or repeated: what is published is what this command says, or what was.
        let after = self.visit.published(self.user(role)).expect("a person of the visit");
        match command {
            Command::SetMedia { microphone, camera } if after == (microphone, camera) => self.wanted[at(role)] = after,
            _ => assert_eq!(before, Some(after), "only their own word changes what is let out"),
        }
    }

    fn wait(&mut self, seconds: &[u8]) {
        let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<u16>().ok()).unwrap_or(1);
        let until = self.now + Duration::from_secs(u64::from(seconds));
        // As the shell does: come back at each deadline.
        while let Some(deadline) = self.visit.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline;
            self.handle(Input::Timeout);
        }
        self.now = until;
        self.handle(Input::Timeout);
    }

    fn restart(&mut self) {
        let record = self.visit.record();
        let participants = &self.appointment.participants;
        let status = self.appointment.status;
        self.visit = Visit::restore(&record, participants, status, VisitRules::default(), self.now);
        self.pages = [None, None];
    }

    /// Gives the answers to commands.
    fn handle(&mut self, input: Input) -> Vec<Answer> {
        self.drawn += 1;
        let fresh = VisitId::new(Uuid::from_u128(1000 + u128::from(self.drawn)));
        self.visit.handle(Context { now: self.now, fresh }, input);
        let mut answers = Vec::new();
        while let Some(output) = self.visit.poll_output() {
            match output {
                Output::Send { connection, message } => answers.extend(self.deliver(connection, message)),
                Output::SetStatus(status) => self.appointment.status = status,
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
            (Some(page), ServerMessage::Changed { sequence, changes }) => {
                assert_eq!(sequence, page.sequence + 1, "changes come in order, and none is missing");
                page.sequence = sequence;
                let view = page.view.as_mut().expect("the snapshot comes first");
                changes.into_iter().for_each(|change| view.apply(change));
            }
            _ => {}
        }
        None
    }

    fn check(&self) {
        for role in [Role::Patient, Role::Provider] {
            let view = self.visit.view(role);
            if let Some(page) = &self.pages[at(role)] {
                assert_eq!(page.view.as_ref(), Some(&view), "a snapshot and the changes after it are the state");
            }
            let user = self.user(role);
            let is_in = matches!(view.you.presence, Presence::Here { .. } | Presence::Away { .. });
            assert!(is_in || !self.visit.is_admitted(user), "nobody is admitted who is not in");
            let over = matches!(view.stage, Stage::Ended { .. });
            assert!(!over || !self.visit.is_admitted(user), "nobody is admitted after the end");
            assert_eq!(self.visit.published(user), Some(self.wanted[at(role)]), "nothing is let out unasked");
        }
        assert!(self.visit.next_deadline().is_none_or(|deadline| deadline > self.now), "no deadline is in the past");
    }

    fn user(&self, role: Role) -> UserId {
        self.appointment.participants.get(role).id
    }
}

#[derive(Debug, PartialEq)]
enum Answer {
    Acknowledged(CommandId),
    Refused(CommandId),
}

const fn at(role: Role) -> usize {
    match role {
        Role::Patient => 0,
        Role::Provider => 1,
    }
}
