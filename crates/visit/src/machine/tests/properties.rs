//! Random interleavings of commands, connections and time, against what must always hold.

use proptest::prelude::*;

use super::*;
use crate::{Check, DeviceCheck};

#[derive(Debug, Clone)]
enum Step {
    Connect(bool),
    Disconnect(bool),
    Send(bool, Command),
    Media(bool, bool),
    Wait(u64),
    Restart,
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
            check: DeviceCheck { browser: Check::Works, camera: Check::Asking, microphone: Check::Blocked, heard }
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Connect),
        2 => any::<bool>().prop_map(Step::Disconnect),
        8 => (any::<bool>(), command()).prop_map(|(who, command)| Step::Send(who, command)),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(who, up)| Step::Media(who, up)),
        2 => prop_oneof![Just(1_u64), Just(44), Just(46), Just(601)].prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

/// The pages of a run, each under a connection of its own.
struct Run {
    scene: Scene,
    next: u64,
    open: [Option<ConnectionId>; 2],
    wanted: [(bool, bool); 2],
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Connect(who) => {
                self.next += 1;
                let connection = ConnectionId(self.next);
                self.scene.input(Input::Connected { user: user(1 + u128::from(who)), connection });
                self.open[usize::from(who)] = Some(connection);
            }
            Step::Disconnect(who) => {
                if let Some(connection) = self.open[usize::from(who)].take() {
                    self.scene.input(Input::Disconnected { connection });
                    self.scene.pages.retain(|(c, _, _)| *c != connection);
                }
            }
            Step::Send(who, command) => {
                if let Some(connection) = self.open[usize::from(who)] {
                    let done = self.scene.send(connection, command);
                    if let (Ok(()), Command::SetMedia { microphone, camera }) = (done, command) {
                        self.wanted[usize::from(who)] = (microphone, camera);
                    }
                }
            }
            Step::Media(who, true) => {
                self.scene.input(Input::MediaUp { user: user(1 + u128::from(who)) });
            }
            Step::Media(who, false) => {
                self.scene.input(Input::MediaLost { user: user(1 + u128::from(who)) });
            }
            Step::Wait(seconds) => {
                self.scene.wait(seconds);
            }
            Step::Restart => {
                let participants = Participants { patient: person(1, "Ada"), provider: person(2, "Grace") };
                let record = self.scene.visit.record();
                let status = self.scene.visit.status;
                self.scene.visit =
                    Visit::restore(&record, &participants, status, VisitRules::default(), self.scene.now);
                self.scene.pages.clear();
                self.open = [None, None];
            }
        }
    }

    fn check(&self) {
        let visit = &self.scene.visit;
        for (at, role) in ROLES.into_iter().enumerate() {
            let seat = visit.seat(role);
            // A snapshot plus the changes after it equals the state.
            if let Some(connection) = self.open[at] {
                let page = self.scene.pages.iter().find(|(c, _, _)| *c == connection).expect("a page");
                assert_eq!(page.2, visit.view(role));
                assert_eq!(seat.connection(), Some(connection), "one seat, the newest page");
            } else {
                assert_eq!(seat.connection(), None);
            }
            // Media flows for those who came in and only while the visit is started.
            let started = matches!(visit.phase, VisitPhase::Started { .. });
            assert_eq!(visit.is_admitted(seat.user), started && seat.entered().is_some());
            // Nothing is published that its owner did not last ask for.
            assert_eq!((seat.microphone, seat.camera), self.wanted[at]);
        }
        // Connected on one page means in the visit on both.
        if matches!(visit.view(Role::Patient).stage, Stage::Connected { .. }) {
            assert!(visit.seat(Role::Provider).entered().is_some() && visit.seat(Role::Patient).entered().is_some());
        }
        // What is durable is what was last given to be saved.
        assert_eq!(visit.saved, visit.record());
        // A deadline in the past would spin.
        assert!(visit.next_deadline().is_none_or(|at| at > self.scene.now));
        self.everyone_has_a_way_out();
    }

    /// From any state, some command changes what each connected person sees, or time does.
    fn everyone_has_a_way_out(&self) {
        for (at, role) in ROLES.into_iter().enumerate() {
            let Some(connection) = self.open[at] else { continue };
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
            let stage = self.scene.visit.view(role).stage;
            let moves = all.into_iter().any(|command| {
                let mut copy = self.scene.visit.clone();
                let id = CommandId::try_from("way-out".to_owned()).expect("plain");
                let context = Context { now: self.scene.now, fresh: VisitId::new(Uuid::from_u128(9)) };
                copy.handle(context, Input::Command { connection, id, command });
                copy.view(role).stage != stage
            });
            assert!(moves, "{role} is stuck in {stage:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(steps in proptest::collection::vec(step(), 1..60)) {
        let mut run = Run {
            scene: Scene::new(),
            next: 0,
            open: [None, None],
            wanted: [(true, true); 2],
        };
        for step in steps {
            run.step(step);
            run.check();
        }
    }
}
