//! Checks invariants under random interleavings of commands, connections and time.

use proptest::prelude::*;

use super::*;
use crate::view::diff;
use crate::{Capture, Check, DeviceCheck};

/// Patient, provider, a guest and an observer.
const PEOPLE: [(u128, Role); 4] = [(1, Role::Patient), (2, Role::Provider), (3, Role::Guest), (4, Role::Observer)];

#[derive(Debug, Clone)]
enum Step {
    /// A participant opens the visit on one of their two devices.
    Open(usize, bool),
    /// A page reconnects, before or after the server noticed that its old connection was gone.
    Resume(usize, bool),
    Disconnect(usize),
    Send(usize, Command),
    /// A page sends its last command again.
    Repeat(usize),
    Media(usize, bool),
    Wait(u64),
    Restart,
    Stopping,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => Just(Command::Enter),
        2 => Just(Command::Rejoin),
        2 => Just(Command::Leave),
        1 => Just(Command::Decline),
        4 => Just(Command::Start),
        1 => Just(Command::Cancel),
        1 => Just(Command::KeepWaiting),
        1 => Just(Command::MarkMissed),
        1 => Just(Command::End),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(microphone, camera)| Command::SetMedia { microphone, camera }),
        1 => any::<bool>().prop_map(|heard| Command::ReportCheck {
            check: DeviceCheck { browser: Check::Works, camera: Check::Asking, microphone: Check::Blocked, heard, seen: heard }
        }),
        1 => Just(Command::ReportCapture { capture: Capture::Interrupted }),
        1 => any::<bool>().prop_map(|carries| Command::ReportMedia { carries }),
        1 => any::<bool>().prop_map(|there| Command::MoveCall {
            backend: if there { CallBackend::CometChat } else { CallBackend::Embedded },
        }),
        1 => any::<bool>().prop_map(|given| Command::SetConsent { given, terms: TERMS }),
        1 => Just(Command::Say { text: "Hello".to_owned().try_into().expect("a text") }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || prop_oneof![4 => Just(0_usize), 4 => Just(1), 1 => Just(2), 1 => Just(3)];
    prop_oneof![
        40 => (who(), any::<bool>()).prop_map(|(who, device)| Step::Open(who, device)),
        40 => (who(), any::<bool>()).prop_map(|(who, noticed)| Step::Resume(who, noticed)),
        30 => who().prop_map(Step::Disconnect),
        120 => (who(), command()).prop_map(|(who, command)| Step::Send(who, command)),
        10 => who().prop_map(Step::Repeat),
        30 => (who(), any::<bool>()).prop_map(|(who, up)| Step::Media(who, up)),
        30 => prop_oneof![Just(1_u64), Just(44), Just(46), Just(601), Just(20_000)].prop_map(Step::Wait),
        10 => Just(Step::Restart),
        1 => Just(Step::Stopping),
    ]
}

/// The state of a page as its user sees it.
#[derive(Clone)]
struct Open {
    name: String,
    connection: ConnectionId,
    connected: bool,
    last: Option<(CommandId, Command)>,
}

struct Run {
    scene: Scene,
    next: u64,
    open: [Option<Open>; 4],
    wanted: [(bool, bool); 4],
    said: usize,
}

impl Run {
    fn new() -> Self {
        let wanted = PEOPLE.map(|(_, role)| (role.publishes(), role.publishes()));
        Self { scene: Scene::with(appointment_of_four()), next: 10, open: [const { None }; 4], wanted, said: 0 }
    }

    fn arrive(&mut self, who: usize, name: &str, after: Option<u64>) {
        self.next += 1;
        let connection = ConnectionId(self.next);
        let last = self.open[who].take().filter(|open| open.name == name).and_then(|open| open.last);
        self.scene.arrive(PEOPLE[who].0, name, after, connection);
        self.open[who] = Some(Open { name: name.to_owned(), connection, connected: true, last });
    }

    fn disconnect(&mut self, who: usize) {
        if let Some(open) = self.open[who].as_mut().filter(|open| open.connected) {
            open.connected = false;
            self.scene.drop_connection(open.connection);
        }
    }

    fn resume(&mut self, who: usize, noticed: bool) {
        let Some(open) = self.open[who].clone() else { return };
        if noticed {
            self.disconnect(who);
        }
        let scene = &mut self.scene;
        if let Some(at) = scene.pages.iter().position(|(c, _, _)| *c == open.connection) {
            let page = scene.pages.remove(at);
            scene.gone.push(page);
        }
        let heard = scene.gone.iter().rfind(|(c, _, _)| *c == open.connection).map(|(_, heard, _)| *heard);
        self.arrive(who, &open.name, heard);
    }

    fn send(&mut self, who: usize, command: Command) {
        let Some(open) = self.open[who].clone().filter(|open| open.connected) else { return };
        let seats_before: Vec<_> = PEOPLE.iter().map(|(n, _)| self.scene.visit.published(user(*n))).collect();
        let visit = self.scene.visit.id();
        let done = self.scene.send(open.connection, command.clone());
        let id = CommandId::try_from(format!("c{}", self.scene.commands)).expect("plain");
        self.open[who] = Some(Open { last: Some((id, command.clone())), ..open });
        if self.scene.visit.id() != visit {
            self.said = 0;
        }
        match (done, command) {
            (Ok(()), Command::SetMedia { microphone, camera }) => self.wanted[who] = (microphone, camera),
            (Ok(()), Command::Say { .. }) => self.said += 1,
            _ => {
                let after: Vec<_> = PEOPLE.iter().map(|(n, _)| self.scene.visit.published(user(*n))).collect();
                assert_eq!(seats_before, after, "no other command touches what anyone publishes");
            }
        }
    }

    /// The page did not receive the answer, and sends the command again.
    fn repeat(&mut self, who: usize) {
        let Some(open) = self.open[who].clone().filter(|open| open.connected) else { return };
        let Some((id, command)) = open.last else { return };
        let was_done = self.scene.visit.seats.iter().any(|seat| seat.user == user(PEOPLE[who].0) && seat.has_done(&id));
        let before = self.scene.visit.record();
        let said = self.scene.visit.messages.len();
        self.scene.input(Input::Command { connection: open.connection, id, command: command.clone() });
        if was_done {
            assert_eq!(self.scene.visit.record(), before, "{command:?} is not applied twice");
            assert_eq!(self.scene.visit.messages.len(), said);
        } else {
            // It was refused before; now it may be accepted.
            self.said = self.scene.visit.messages.len();
            self.wanted = PEOPLE.map(|(n, _)| self.scene.visit.published(user(n)).expect("a seat"));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open(who, device) => {
                let before = self.open[who].clone();
                let name = format!("device-{who}-{device}-{}", self.next);
                self.arrive(who, &name, None);
                if let Some(before) = before {
                    self.scene.pages.retain(|(c, _, _)| *c != before.connection);
                }
            }
            Step::Resume(who, noticed) => self.resume(who, noticed),
            Step::Disconnect(who) => self.disconnect(who),
            Step::Send(who, command) => self.send(who, command),
            Step::Repeat(who) => self.repeat(who),
            Step::Media(who, up) => {
                let user = user(PEOPLE[who].0);
                self.scene.input(if up { Input::MediaUp { user } } else { Input::MediaLost { user } });
            }
            Step::Wait(seconds) => {
                self.scene.wait(seconds);
            }
            Step::Restart => {
                self.scene.restart();
                self.open.iter_mut().flatten().for_each(|open| open.connected = false);
            }
            Step::Stopping => {
                let until = self.scene.now + Duration::from_secs(60);
                self.scene.input(Input::Stopping { until });
            }
        }
    }

    fn check(&self) {
        let visit = &self.scene.visit;
        let started = matches!(visit.phase, VisitPhase::Started { .. });
        for (at, (n, _)) in PEOPLE.into_iter().enumerate() {
            let seat = visit.seats.iter().find(|seat| seat.user == user(n)).expect("a seat");
            match self.open[at].as_ref().filter(|open| open.connected) {
                Some(open) => {
                    let page = self.scene.pages.iter().find(|(c, _, _)| *c == open.connection).expect("a page");
                    assert_eq!(Some(&page.2), visit.view(user(n)).as_ref(), "snapshot plus changes equals the view");
                    assert_eq!(seat.connection(), Some(open.connection), "one seat, the newest page");
                }
                None => assert_eq!(seat.connection(), None),
            }
            let forwarded = started && seat.entered().is_some() && visit.backend() == CallBackend::Embedded;
            let forwarded = forwarded && (n != 1 || visit.connected.is_some());
            assert_eq!(visit.is_admitted(user(n)), forwarded, "forwarded: in, started, met, and by us");
            assert_eq!((seat.microphone, seat.camera), self.wanted[at], "media follows the owner's last choice");
        }
        if let Some(Stage::Connected { .. }) = visit.view(user(1)).map(|view| view.stage) {
            assert!(visit.seats[super::super::PROVIDER].entered().is_some());
        }
        assert_eq!(visit.seats.len(), PEOPLE.len(), "one seat a person");
        assert_eq!(visit.messages.len(), self.said, "no message is lost or duplicated");
        assert_eq!(visit.saved, visit.record(), "the durable state matches the last save");
        assert!(
            visit.next_deadline().is_none_or(|at| at > self.scene.now),
            "a deadline in the past would cause a busy loop"
        );
        self.everyone_has_a_way_out();
    }

    /// Checks that from any state, some command changes what each connected participant sees. Except while the server
    /// is shutting down or after the join window closed, when only the page's automatic enter remains.
    fn everyone_has_a_way_out(&self) {
        let visit = &self.scene.visit;
        let over = matches!(visit.phase, VisitPhase::Ended { .. });
        if visit.stopping.is_some() || (over && self.scene.now >= visit.closes) {
            return;
        }
        for (at, (n, role)) in PEOPLE.into_iter().enumerate() {
            let Some(open) = self.open[at].as_ref().filter(|open| open.connected) else { continue };
            let all = [
                Command::Enter,
                Command::Rejoin,
                Command::Leave,
                Command::Decline,
                Command::Start,
                Command::Cancel,
                Command::KeepWaiting,
                Command::MarkMissed,
                Command::End,
            ];
            let before = self.scene.visit.view(user(n)).expect("a seat");
            let moves = all.into_iter().any(|command| {
                let mut copy = self.scene.visit.clone();
                let id = CommandId::try_from("way-out".to_owned()).expect("plain");
                let context = Context { now: self.scene.now, fresh: VisitId::new(Uuid::from_u128(9)) };
                copy.handle(context, Input::Command { connection: open.connection, id, command });
                !diff(&before, &copy.view(user(n)).expect("a seat")).is_empty()
            });
            assert!(moves, "{role} is stuck in {:?}", before.stage);
        }
    }
}

fn appointment_of_four() -> Appointment {
    let mut appointment = appointment();
    let companion = |(n, role)| Companion { role, person: person(n, "Companion") };
    appointment.participants.companions = PEOPLE[2..].iter().copied().map(companion).collect();
    appointment
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            run.check();
        }
    }
}

/// Texts of up to 2,000 characters, including those that take the most bytes in memory or as JSON.
fn longest_text() -> impl Strategy<Value = crate::ChatText> {
    let character = prop_oneof![Just('😀'), Just('"'), Just('\\'), Just('\t'), Just('x'), Just('\u{10ffff}')];
    (character, 200_usize..=2_000).prop_map(|(character, count)| {
        let text = format!("x{}x", String::from(character).repeat(count.min(1_998)));
        text.try_into().expect("a text")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// Checks that whatever participants write until their quotas are used up, a page's snapshot fits into one message,
    /// and everyone had their share.
    #[test]
    fn the_largest_legal_visit_fits_into_a_snapshot(
        (texts, first) in (prop::collection::vec(longest_text(), 4), 0_usize..7),
    ) {
        let mut appointment = appointment_of_four();
        for n in 5..9 {
            let companion = Companion { person: person(n, &"N".repeat(200)), role: Role::Guest };
            appointment.participants.companions.push(companion);
        }
        let mut scene = Scene::with(appointment);
        let writers: Vec<u128> = vec![1, 2, 3, 5, 6, 7, 8];
        for n in &writers {
            let connection = ConnectionId(*n as u64 + 100);
            scene.arrive(*n, &format!("page-{n}"), None, connection);
            scene.send(connection, Command::Rejoin).expect("in");
        }
        let mut order = writers.clone();
        order.rotate_left(first);
        let mut written = vec![0_usize; 9];
        for n in order {
            let connection = ConnectionId(n as u64 + 100);
            let mut texts = texts.iter().cycle();
            while scene.send(connection, Command::Say { text: texts.next().expect("a text").clone() }).is_ok() {
                written[n as usize] += 1;
            }
            scene.drop_connection(connection);
        }
        prop_assert!(written[1] >= 14 && written[2] >= 14, "patient and provider have their own quota: {written:?}");
        let Output::Send { message, .. } = ({
            scene.arrive(2, "another-page", None, ConnectionId(500));
            scene.log.iter().rfind(|output| matches!(output, Output::Send { connection: ConnectionId(500), message: ServerMessage::Snapshot { .. } }))
        }).expect("a snapshot") else { panic!("a snapshot") };
        let bytes = serde_json::to_string(message).expect("JSON").len();
        prop_assert!(bytes <= crate::signalling::MAX_SERVER_MESSAGE, "{bytes} bytes");
    }
}
