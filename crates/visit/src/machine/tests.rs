//! Tests of the machine by input and output, with time as an argument.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::signalling::Refusal;
use crate::view::{Presence, Stage, View};
use crate::{Appointment, Companion, Participants, Person, TermsId, VisitRules};

const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TERMS: TermsId = TermsId::new([1; 16]);
const PATIENT: ConnectionId = ConnectionId(1);
const PROVIDER: ConnectionId = ConnectionId(2);

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn appointment() -> Appointment {
    Appointment {
        id: AppointmentId::new(Uuid::from_u128(50)),
        start: T0,
        duration: Duration::from_secs(1800),
        kind: "Follow-up".to_owned(),
        reason: None,
        status: AppointmentStatus::Booked,
        participants: Participants::two(person(1, "Ada Patient"), person(2, "Dr. Grace")),
        backend: CallBackend::Embedded,
        booked_by: None,
    }
}

fn person(n: u128, name: &str) -> Person {
    Person { id: user(n), name: name.into(), specialty: None, birth_date: None, avatar_url: None }
}

/// A visit with a settable clock, and pages that keep a copy of their view.
struct Scene {
    appointment: Appointment,
    visit: Visit,
    now: Timestamp,
    commands: u32,
    fresh: u128,
    pages: Vec<(ConnectionId, u64, View)>,
    /// The state of pages whose connection dropped.
    gone: Vec<(ConnectionId, u64, View)>,
    log: Vec<Output>,
    /// The session of pages that connect next.
    session: u64,
}

impl Scene {
    fn new() -> Self {
        Self::with(appointment())
    }

    fn with(appointment: Appointment) -> Self {
        let rules = VisitRules { cometchat: true, terms: Some(TERMS), ..VisitRules::default() };
        let visit = Visit::new(VisitId::new(Uuid::from_u128(100)), &appointment, rules);
        Self {
            appointment,
            visit,
            now: T0,
            commands: 0,
            fresh: 200,
            pages: vec![],
            gone: vec![],
            log: vec![],
            session: 1,
        }
    }

    fn input(&mut self, input: Input) -> &mut Self {
        self.fresh += 1;
        let context = Context { now: self.now, fresh: VisitId::new(Uuid::from_u128(self.fresh)) };
        self.visit.handle(context, input);
        while let Some(output) = self.visit.poll_output() {
            self.take(&output);
            self.log.push(output);
        }
        self
    }

    /// Processes a message as a page does.
    fn take(&mut self, output: &Output) {
        if let Output::SetBackend(backend) = output {
            self.appointment.backend = *backend;
        }
        let Output::Send { connection, message } = output else { return };
        match message {
            ServerMessage::Snapshot { sequence, view, .. } => {
                self.pages.retain(|(c, _, _)| c != connection);
                self.pages.push((*connection, *sequence, view.clone()));
            }
            ServerMessage::Resumed { sequence, .. } => {
                let seat = self.visit.seats.iter().find(|seat| seat.connection() == Some(*connection));
                let whose = seat.expect("a seat").user;
                let was = |(_, last, view): &(ConnectionId, u64, View)| last == sequence && view.you.user == whose;
                let page = self.gone.iter().rposition(was).expect("a page whose connection dropped");
                let (_, last, view) = self.gone[page].clone();
                self.pages.retain(|(c, _, _)| c != connection);
                self.pages.push((*connection, last, view));
            }
            ServerMessage::Changed { sequence, changes } => {
                let (_, last, view) =
                    self.pages.iter_mut().find(|(c, _, _)| c == connection).expect("a snapshot first");
                assert_eq!(*sequence, *last + 1, "changes come in order");
                *last = *sequence;
                for change in changes {
                    view.apply(change.clone());
                }
            }
            ServerMessage::Acknowledged { .. }
            | ServerMessage::Refused { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::MediaFailed { .. }
            | ServerMessage::Layers { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Pong
            | ServerMessage::Malformed { .. }
            | ServerMessage::Moved
            | ServerMessage::Admissions { .. }
            | ServerMessage::Stopping { .. } => {}
        }
    }

    /// Connects a new page of the patient or the provider.
    fn connect(&mut self, connection: ConnectionId) -> &mut Self {
        let n = if connection == PATIENT { 1 } else { 2 };
        self.arrive(n, &format!("page-{n}-{}", connection.0), None, connection)
    }

    fn arrive(&mut self, n: u128, page: &str, after: Option<u64>, connection: ConnectionId) -> &mut Self {
        let role = self.visit.seats.iter().find(|seat| seat.user == user(n)).map_or(Role::Guest, |seat| seat.role);
        let page = PageId::try_from(page.to_owned()).expect("plain");
        let arrival = Arrival { user: user(n), name: "Name".into(), role, page, after, session: self.session };
        self.input(Input::Connected { arrival, connection })
    }

    /// Drops a page's connection without a goodbye and returns the last sequence number it received.
    fn drop_connection(&mut self, connection: ConnectionId) -> u64 {
        let at = self.pages.iter().position(|(c, _, _)| *c == connection).expect("connected");
        let page = self.pages.remove(at);
        let heard = page.1;
        self.gone.push(page);
        self.input(Input::Disconnected { connection, goodbye: false });
        heard
    }

    fn send(&mut self, connection: ConnectionId, command: Command) -> Result<(), Refusal> {
        self.commands += 1;
        let id = CommandId::try_from(format!("c{}", self.commands)).expect("a valid ID");
        let mark = self.log.len();
        self.input(Input::Command { connection, id, command });
        self.log[mark..]
            .iter()
            .find_map(|output| {
                let Output::Send { message, .. } = output else { return None };
                if let ServerMessage::Refused { refusal, .. } = message {
                    return Some(Err(*refusal));
                }
                matches!(message, ServerMessage::Acknowledged { .. }).then_some(Ok(()))
            })
            .expect("an answer to the command")
    }

    /// Crashes the server and starts it again a moment later.
    fn restart(&mut self) -> &mut Self {
        self.now = self.now + Duration::from_millis(1);
        let booked = Appointment { status: self.visit.status, ..self.appointment.clone() };
        let (record, messages) = (self.visit.record(), self.visit.messages.clone());
        self.visit = Visit::restore(&record, messages, &booked, self.visit.rules, self.now);
        self.pages.clear();
        self.gone.clear();
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now + Duration::from_secs(seconds);
        self.input(Input::Timeout)
    }

    fn page(&self, connection: ConnectionId) -> &View {
        &self.pages.iter().find(|(c, _, _)| *c == connection).expect("connected").2
    }

    fn stage(&self, connection: ConnectionId) -> &Stage {
        &self.page(connection).stage
    }

    fn both_waiting() -> Self {
        let mut scene = Self::new();
        scene.connect(PATIENT).connect(PROVIDER);
        scene.send(PATIENT, Command::Enter).expect("enter");
        scene.send(PROVIDER, Command::Enter).expect("enter");
        scene
    }

    fn in_call() -> Self {
        let mut scene = Self::both_waiting();
        scene.send(PROVIDER, Command::Start).expect("start");
        scene
    }

    fn audits(&self) -> Vec<AuditAction> {
        self.log
            .iter()
            .filter_map(|o| if let Output::Audit { action, .. } = o { Some(*action) } else { None })
            .collect()
    }

    fn statuses(&self) -> Vec<AppointmentStatus> {
        self.log.iter().filter_map(|o| if let Output::SetStatus(s) = o { Some(*s) } else { None }).collect()
    }
}

#[test]
fn a_waiting_patient_is_connected_automatically() {
    let mut scene = Scene::both_waiting();
    assert_eq!(scene.stage(PATIENT), &Stage::Waiting { since: T0 });
    assert_eq!(scene.stage(PROVIDER), &Stage::Idle);
    assert_eq!(scene.page(PROVIDER).others[0].presence, Presence::Here { since: T0 });

    scene.now = T0 + Duration::from_secs(60);
    let started = scene.now;
    scene.send(PROVIDER, Command::Start).expect("start");
    for page in [PATIENT, PROVIDER] {
        assert_eq!(scene.stage(page), &Stage::Connected { since: started });
    }
    for person in [user(1), user(2)] {
        assert!(scene.log.contains(&Output::Admit { user: person, admitted: true }));
    }
    assert!(scene.audits().ends_with(&[AuditAction::VisitStarted, AuditAction::VisitConnected]));
}

#[test]
fn no_participant_is_admitted_before_the_start() {
    let scene = Scene::both_waiting();
    assert!(!scene.log.iter().any(|o| matches!(o, Output::Admit { admitted: true, .. })));
    assert!(!scene.visit.is_admitted(user(1)) && !scene.visit.is_admitted(user(2)));
}

#[test]
fn the_provider_may_start_first() {
    let mut scene = Scene::new();
    scene.connect(PROVIDER);
    scene.send(PROVIDER, Command::Start).expect("start");
    let until = Some(T0 + Duration::from_secs(45));
    assert_eq!(scene.stage(PROVIDER), &Stage::Calling { since: T0, until });
    assert_eq!(scene.visit.next_deadline(), until);

    scene.wait(45);
    assert_eq!(scene.stage(PROVIDER), &Stage::Unanswered { since: T0 });
    scene.send(PROVIDER, Command::KeepWaiting).expect("keep waiting");
    assert_eq!(scene.stage(PROVIDER), &Stage::Calling { since: T0, until: None });

    scene.connect(PATIENT);
    assert_eq!(scene.stage(PATIENT), &Stage::Called { since: T0 });
    scene.send(PATIENT, Command::Enter).expect("enter");
    assert!(matches!(scene.stage(PATIENT), Stage::Connected { .. }));
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
    assert_eq!(scene.statuses(), [AppointmentStatus::Arrived]);
}

#[test]
fn a_late_patient_is_connected_even_after_the_ring_time_out() {
    let mut scene = Scene::new();
    scene.connect(PROVIDER);
    scene.send(PROVIDER, Command::Start).expect("start");
    scene.wait(100).connect(PATIENT);
    scene.send(PATIENT, Command::Enter).expect("enter");
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
}

#[test]
fn calling_can_be_cancelled_declined_and_marked_as_missed() {
    let mut scene = Scene::new();
    scene.connect(PROVIDER).connect(PATIENT);
    scene.send(PROVIDER, Command::Start).expect("start");
    scene.send(PROVIDER, Command::Cancel).expect("cancel");
    assert_eq!(scene.stage(PROVIDER), &Stage::Idle);
    assert_eq!(scene.stage(PATIENT), &Stage::Preparing);

    scene.send(PROVIDER, Command::Start).expect("start again");
    scene.send(PATIENT, Command::Decline).expect("decline");
    assert_eq!(scene.stage(PROVIDER), &Stage::Declined { at: T0 });
    assert_eq!(scene.stage(PATIENT), &Stage::Preparing);
    scene.send(PATIENT, Command::Enter).expect("an automatic enter is accepted");
    assert_eq!(scene.stage(PATIENT), &Stage::Preparing, "it does not undo the user's choice");

    scene.send(PROVIDER, Command::MarkMissed).expect("missed");
    assert_eq!(scene.stage(PROVIDER), &Stage::Ended { at: T0, reason: EndReason::Missed });
    assert_eq!(scene.statuses(), [AppointmentStatus::NoShow]);
}

#[test]
fn an_appointment_that_took_place_stays_fulfilled_when_a_further_meeting_is_missed() {
    let mut scene = Scene::in_call();
    scene.send(PROVIDER, Command::End).expect("end");
    assert_eq!(scene.statuses().last(), Some(&AppointmentStatus::Fulfilled));
    scene.send(PROVIDER, Command::Start).expect("a new meeting");
    scene.send(PROVIDER, Command::MarkMissed).expect("missed");
    assert_eq!(scene.statuses().last(), Some(&AppointmentStatus::Fulfilled));
}

#[test]
fn ending_ends_for_both_and_a_new_meeting_is_another_visit() {
    let mut scene = Scene::in_call();
    let first = scene.visit.id();
    scene.send(PROVIDER, Command::End).expect("end");
    for page in [PATIENT, PROVIDER] {
        assert_eq!(scene.stage(page), &Stage::Ended { at: T0, reason: EndReason::Ended });
    }
    for person in [user(1), user(2)] {
        assert!(scene.log.contains(&Output::DropMedia { user: person }));
        assert!(scene.log.contains(&Output::Admit { user: person, admitted: false }));
    }
    assert_eq!(scene.statuses(), [AppointmentStatus::Arrived, AppointmentStatus::Fulfilled]);

    scene.send(PATIENT, Command::Enter).expect("taken");
    assert!(matches!(scene.stage(PATIENT), Stage::Ended { .. }), "a reload does not reopen a visit");

    scene.send(PROVIDER, Command::Start).expect("start new meeting");
    assert_ne!(scene.visit.id(), first);
    assert_eq!(scene.page(PATIENT).visit, scene.visit.id());
    assert_eq!(scene.stage(PATIENT), &Stage::Called { since: T0 }, "the patient is not connected until they join");
    scene.send(PATIENT, Command::Rejoin).expect("join");
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
}

#[test]
fn leaving_is_not_ending() {
    let mut scene = Scene::in_call();
    scene.send(PATIENT, Command::Leave).expect("leave");
    assert_eq!(scene.stage(PATIENT), &Stage::Left { at: T0 });
    assert_eq!(scene.stage(PROVIDER), &Stage::Alone { since: T0 });
    scene.send(PATIENT, Command::Enter).expect("taken");
    assert_eq!(scene.stage(PATIENT), &Stage::Left { at: T0 });
    scene.send(PATIENT, Command::Rejoin).expect("rejoin");
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));

    scene.send(PROVIDER, Command::Leave).expect("leave");
    assert_eq!(scene.stage(PATIENT), &Stage::Alone { since: T0 });
    scene.send(PATIENT, Command::Leave).expect("leave");
    scene.wait(600);
    assert_eq!(scene.stage(PATIENT), &Stage::Ended { at: scene.now, reason: EndReason::Abandoned });
}

#[test]
fn a_dropped_connection_keeps_the_seat() {
    let mut scene = Scene::in_call();
    scene.send(PATIENT, Command::SetMedia { microphone: false, camera: true }).expect("mute");
    scene.input(Input::MediaUp { user: user(1) });
    scene.now = T0 + Duration::from_secs(5);
    let dropped = scene.now;
    scene.input(Input::Disconnected { connection: PATIENT, goodbye: false });
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }), "a participant whose media flows is present");
    scene.input(Input::MediaLost { user: user(1) });
    assert_eq!(scene.stage(PROVIDER), &Stage::Reconnecting { since: dropped });
    assert_eq!(scene.page(PROVIDER).others[0].presence, Presence::Away { since: dropped });

    scene.wait(300).connect(PATIENT);
    scene.input(Input::MediaUp { user: user(1) });
    assert!(matches!(scene.stage(PATIENT), Stage::Connected { .. }), "reconnected automatically");
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
    assert!(!scene.page(PATIENT).you.microphone, "a reconnect never unmutes");

    scene.input(Input::Disconnected { connection: PATIENT, goodbye: false }).wait(601);
    assert_eq!(scene.stage(PROVIDER), &Stage::Alone { since: scene.now });
    assert!(scene.audits().contains(&AuditAction::VisitSeatExpired));
}

#[test]
fn a_page_that_says_goodbye_takes_its_media_along() {
    let mut scene = Scene::in_call();
    scene.input(Input::MediaUp { user: user(1) });
    scene.input(Input::Disconnected { connection: PATIENT, goodbye: true });
    assert_eq!(
        scene.stage(PROVIDER),
        &Stage::Reconnecting { since: T0 },
        "media loss shows as reconnecting, not as left"
    );
    assert!(scene.log.contains(&Output::DropMedia { user: user(1) }));
    scene.connect(PATIENT);
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
}

#[test]
fn lost_media_shows_as_reconnecting() {
    let mut scene = Scene::in_call();
    scene.input(Input::MediaLost { user: user(1) });
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }), "media that was never up is not lost");
    scene.input(Input::MediaUp { user: user(1) });
    assert!(scene.page(PROVIDER).others[0].media);
    scene.input(Input::MediaLost { user: user(1) });
    assert_eq!(scene.stage(PROVIDER), &Stage::Reconnecting { since: T0 });
    scene.input(Input::MediaUp { user: user(1) });
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
}

#[test]
fn a_second_page_takes_the_seat_over() {
    let mut scene = Scene::in_call();
    let second = ConnectionId(9);
    scene.arrive(1, "another", None, second);
    assert!(scene.log.contains(&Output::Send { connection: PATIENT, message: ServerMessage::Moved }));
    assert!(scene.log.contains(&Output::Close { connection: PATIENT, reason: Closing::Moved }));
    assert!(scene.log.contains(&Output::DropMedia { user: user(1) }));
    assert!(matches!(scene.stage(second), Stage::Connected { .. }));
    let before = scene.log.len();
    scene.input(Input::Disconnected { connection: PATIENT, goodbye: false });
    assert_eq!(scene.log.len(), before, "closing the old page does not affect the seat");
}

#[test]
fn a_page_that_comes_back_hears_what_it_missed() {
    let mut scene = Scene::in_call();
    scene.input(Input::MediaUp { user: user(1) });
    let heard = scene.drop_connection(PATIENT);
    scene.send(PROVIDER, Command::SetMedia { microphone: false, camera: true }).expect("mute");
    scene.send(PROVIDER, Command::Say { text: "Hello?".to_owned().try_into().expect("a text") }).expect("said");
    let mark = scene.log.len();
    scene.arrive(1, "page-1-1", Some(heard), ConnectionId(3));
    let to_it = |o: &Output| {
        let Output::Send { connection: ConnectionId(3), message } = o else { return None };
        Some(message.clone())
    };
    let first = scene.log[mark..].iter().find_map(to_it);
    assert_eq!(first, Some(ServerMessage::Resumed { sequence: heard, latest: heard + 2, now: T0 }));
    assert_eq!(scene.page(ConnectionId(3)), &scene.visit.view(user(1)).expect("a seat"));
    assert_eq!(scene.page(ConnectionId(3)).messages.len(), 1);
    assert!(!scene.log.contains(&Output::DropMedia { user: user(1) }), "the media connection stays up");
    assert!(!scene.audits().contains(&AuditAction::VisitSeatMoved));
}

#[test]
fn a_page_may_come_back_before_its_end_is_noticed() {
    let mut scene = Scene::in_call();
    let heard = scene.pages.iter().find(|(c, _, _)| *c == PATIENT).expect("connected").1;
    scene.gone.push(scene.pages.iter().find(|(c, _, _)| *c == PATIENT).expect("connected").clone());
    scene.arrive(1, "page-1-1", Some(heard), ConnectionId(3));
    assert!(scene.log.contains(&Output::Close { connection: PATIENT, reason: Closing::Superseded }));
    assert!(!scene.log.contains(&Output::DropMedia { user: user(1) }));
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }), "the reconnect is invisible to others");
    scene.input(Input::Disconnected { connection: PATIENT, goodbye: false });
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }), "closing the old connection has no effect");
}

#[test]
fn a_page_that_missed_too_much_gets_a_snapshot() {
    let mut scene = Scene::in_call();
    let heard = scene.drop_connection(PATIENT);
    for n in 0..65 {
        scene.send(PROVIDER, Command::SetMedia { microphone: n % 2 == 0, camera: false }).expect("taken");
    }
    let mark = scene.log.len();
    scene.arrive(1, "page-1-1", Some(heard), ConnectionId(3));
    let resumed = |o: &Output| matches!(o, Output::Send { message: ServerMessage::Resumed { .. }, .. });
    assert!(!scene.log[mark..].iter().any(resumed));
    assert_eq!(scene.page(ConnectionId(3)), &scene.visit.view(user(1)).expect("a seat"));
    // Sequence numbers that the server never sent are rejected.
    for strange in [0, u64::MAX, heard + 1_000] {
        scene.drop_connection(ConnectionId(3));
        let mark = scene.log.len();
        scene.arrive(1, "page-1-1", Some(strange), ConnectionId(3));
        assert!(!scene.log[mark..].iter().any(resumed));
    }
}

#[test]
fn a_visit_has_eight_seats() {
    let mut scene = Scene::in_call();
    for n in 3..=8 {
        let connection = ConnectionId(u64::try_from(n).expect("small"));
        scene.arrive(n, "p", None, connection);
        assert!(matches!(scene.stage(connection), Stage::Called { .. }));
        scene.send(connection, Command::Enter).expect("enter");
        assert!(matches!(scene.stage(connection), Stage::Connected { .. }));
        assert!(scene.visit.is_admitted(user(n)));
    }
    assert_eq!(scene.page(PATIENT).others.len(), 7);
    scene.arrive(9, "p", None, ConnectionId(9));
    assert!(scene.log.contains(&Output::Close { connection: ConnectionId(9), reason: Closing::Full }));
    for command in [Command::Start, Command::End, Command::Cancel, Command::Decline] {
        assert_eq!(scene.send(ConnectionId(3), command), Err(Refusal::WrongRole));
    }
    scene.send(PROVIDER, Command::End).expect("end");
    for n in 1..=8 {
        assert!(!scene.visit.is_admitted(user(n)));
    }
}

#[test]
fn an_observer_is_neither_seen_nor_heard() {
    let mut appointment = appointment();
    let watching = Companion { role: Role::Observer, person: person(3, "Student") };
    appointment.participants.companions.push(watching);
    let mut scene = Scene::with(appointment);
    scene.arrive(3, "p", None, ConnectionId(3));
    assert_eq!(scene.visit.published(user(3)), Some((false, false)));
    let wish = Command::SetMedia { microphone: true, camera: false };
    assert_eq!(scene.send(ConnectionId(3), wish), Err(Refusal::WrongRole));
    assert_eq!(scene.visit.published(user(3)), Some((false, false)));
    assert_eq!(scene.visit.publishers().collect::<Vec<_>>(), [user(1), user(2)], "no media connection is kept");
}

#[test]
fn companions_read_what_is_written_once_they_have_come_in() {
    let mut scene = Scene::in_call();
    scene.send(PROVIDER, Command::Say { text: "Hello".to_owned().try_into().expect("a text") }).expect("said");
    scene.arrive(3, "p", None, ConnectionId(3));
    assert!(scene.page(ConnectionId(3)).messages.is_empty(), "messages are hidden until they join");
    scene.send(ConnectionId(3), Command::Enter).expect("enter");
    assert_eq!(scene.page(ConnectionId(3)).messages.len(), 1);
    scene.send(ConnectionId(3), Command::Leave).expect("leave");
    assert_eq!(scene.page(ConnectionId(3)), &scene.visit.view(user(3)).expect("a seat"));
}

#[test]
fn a_removed_participant_has_left_and_holds_no_seat() {
    let mut scene = Scene::in_call();
    scene.arrive(3, "p", None, ConnectionId(3));
    scene.send(ConnectionId(3), Command::Enter).expect("enter");
    scene.input(Input::Disconnected { connection: ConnectionId(3), goodbye: true });
    assert!(matches!(scene.page(PATIENT).others[1].presence, Presence::Away { .. }));
    scene.input(Input::Removed { user: user(3) });
    for page in [PATIENT, PROVIDER] {
        assert!(matches!(scene.page(page).others[1].presence, Presence::Left { .. }));
        assert!(matches!(scene.stage(page), Stage::Connected { .. }), "patient and provider stay connected");
    }
    assert!(!scene.visit.is_admitted(user(3)));
    assert_eq!(scene.log.iter().filter(|output| **output == Output::DropMedia { user: user(3) }).count(), 2);
}

/// The provider started and left before the patient came; an interpreter stayed.
#[test]
fn a_waiting_patient_is_not_visible_to_others() {
    let mut scene = Scene::both_waiting();
    scene.send(PATIENT, Command::Leave).expect("leave");
    scene.arrive(3, "p", None, ConnectionId(3));
    scene.send(ConnectionId(3), Command::Enter).expect("enter");
    scene.send(PROVIDER, Command::Start).expect("start");
    assert!(scene.visit.is_admitted(user(3)));
    scene.send(PROVIDER, Command::Leave).expect("leave");
    scene.send(PATIENT, Command::Rejoin).expect("rejoin");
    assert!(matches!(scene.stage(PATIENT), Stage::Waiting { .. }));
    assert!(!scene.visit.is_admitted(user(1)));
    scene.send(PROVIDER, Command::Start).expect("back");
    assert!(scene.visit.is_admitted(user(1)));
}

#[test]
fn a_waiting_patient_is_notified_when_the_join_window_closes() {
    let mut scene = Scene::both_waiting();
    let closes = appointment().closes(&VisitRules::default());
    assert_eq!(scene.visit.next_deadline(), Some(closes));
    scene.now = closes;
    scene.input(Input::Timeout);
    for page in [PATIENT, PROVIDER] {
        assert_eq!(scene.stage(page), &Stage::Ended { at: closes, reason: EndReason::Closed });
    }
    assert_eq!(scene.statuses(), [AppointmentStatus::Arrived]);
}

#[test]
fn a_cancelled_appointment_ends_its_visit_for_everyone_who_looks_at_it() {
    let mut started = Scene::both_waiting();
    started.send(PATIENT, Command::Leave).expect("leave");
    started.send(PROVIDER, Command::Start).expect("start");
    for mut scene in [Scene::both_waiting(), started] {
        scene.input(Input::Cancelled);
        for page in [PATIENT, PROVIDER] {
            assert_eq!(scene.stage(page), &Stage::Ended { at: scene.now, reason: EndReason::Cancelled });
        }
        assert_eq!(scene.send(PROVIDER, Command::Start), Err(Refusal::Cancelled));
        assert_eq!(scene.send(PATIENT, Command::Rejoin), Err(Refusal::Cancelled));
        assert!(scene.visit.next_deadline().is_none());
        let before = scene.log.len();
        scene.input(Input::Cancelled);
        assert_eq!(scene.log.len(), before, "once");
    }
    // No participant had joined yet, and the provider's start button still disappears.
    let mut scene = Scene::new();
    scene.connect(PROVIDER);
    scene.input(Input::Cancelled);
    assert_eq!(scene.stage(PROVIDER), &Stage::Ended { at: scene.now, reason: EndReason::Cancelled });
}

/// The server was not running when the appointment was cancelled.
#[test]
fn a_visit_that_was_cancelled_meanwhile_is_not_continued() {
    let mut scene = Scene::both_waiting();
    scene.send(PATIENT, Command::Leave).expect("leave");
    scene.send(PROVIDER, Command::Start).expect("start");
    let mut cancelled = appointment();
    cancelled.status = AppointmentStatus::Cancelled;
    let record = scene.visit.record();
    let mut visit = Visit::restore(&record, vec![], &cancelled, VisitRules::default(), scene.now);
    assert!(visit.next_deadline().is_some_and(|at| at <= scene.now), "at once");
    visit.handle(Context { now: scene.now, fresh: VisitId::new(Uuid::from_u128(99)) }, Input::Timeout);
    let ended = VisitPhase::Ended { started: Some(scene.now), at: scene.now, reason: EndReason::Cancelled };
    assert_eq!(visit.record().phase, ended);
}

#[test]
fn nothing_new_begins_while_the_program_stops() {
    let mut scene = Scene::both_waiting();
    let until = T0 + Duration::from_secs(60);
    scene.input(Input::Stopping { until });
    for page in [PATIENT, PROVIDER] {
        assert!(scene.log.contains(&Output::Send { connection: page, message: ServerMessage::Stopping { until } }));
    }
    assert_eq!(scene.send(PROVIDER, Command::Start), Err(Refusal::Stopping));
    assert!(!scene.visit.is_under_way());

    let mut scene = Scene::in_call();
    scene.input(Input::Stopping { until });
    assert!(scene.visit.is_under_way());
    scene.send(PATIENT, Command::Leave).expect("leave");
    scene.send(PATIENT, Command::Rejoin).expect("the patient can rejoin a visit under way");
    scene.send(PROVIDER, Command::Start).expect("the provider can rejoin as well");
    scene.send(PROVIDER, Command::End).expect("end");
    assert_eq!(scene.send(PATIENT, Command::Rejoin), Err(Refusal::Stopping));
    assert_eq!(scene.send(PROVIDER, Command::Start), Err(Refusal::Stopping));
}

#[test]
fn commands_are_done_once() {
    let mut scene = Scene::both_waiting();
    let id = CommandId::try_from("same".to_owned()).expect("plain");
    for _ in 0..3 {
        scene.input(Input::Command { connection: PROVIDER, id: id.clone(), command: Command::Start });
    }
    let acknowledged = Output::Send { connection: PROVIDER, message: ServerMessage::Acknowledged { id } };
    assert_eq!(scene.log.iter().filter(|o| **o == acknowledged).count(), 3);
    assert_eq!(scene.audits().iter().filter(|a| **a == AuditAction::VisitStarted).count(), 1);
}

#[test]
fn each_role_keeps_to_its_own() {
    let mut scene = Scene::both_waiting();
    for command in [Command::Start, Command::Cancel, Command::KeepWaiting, Command::MarkMissed, Command::End] {
        assert_eq!(scene.send(PATIENT, command), Err(Refusal::WrongRole));
    }
    assert_eq!(scene.send(PROVIDER, Command::Decline), Err(Refusal::WrongRole));
    assert_eq!(scene.send(PROVIDER, Command::End), Err(Refusal::NotNow), "not started");
    let mut scene = Scene::in_call();
    for command in [Command::Cancel, Command::KeepWaiting, Command::MarkMissed] {
        assert_eq!(scene.send(PROVIDER, command), Err(Refusal::NotNow));
    }
}

#[test]
fn what_is_written_down_comes_before_what_is_said() {
    let scene = Scene::in_call();
    let saved = scene.log.iter().rposition(|o| matches!(o, Output::Save(_))).expect("saved");
    let told =
        scene.log.iter().rposition(|o| matches!(o, Output::Send { message: ServerMessage::Acknowledged { .. }, .. }));
    assert!(saved < told.expect("acknowledged"));
}

#[test]
fn terms_are_agreed_to_as_they_are_and_taken_back() {
    let mut scene = Scene::in_call();
    let consents = |scene: &Scene| {
        let consent = |output: &Output| {
            let Output::SaveConsent(record) = output else { return None };
            Some((record.given, record.terms))
        };
        scene.log.iter().filter_map(consent).collect::<Vec<_>>()
    };
    let other = TermsId::new([2; 16]);
    assert_eq!(scene.send(PATIENT, Command::SetConsent { given: true, terms: other }), Err(Refusal::NotNow));
    scene
        .send(PATIENT, Command::SetConsent { given: false, terms: TERMS })
        .expect("withdrawing without consent is accepted");
    assert_eq!(consents(&scene), []);
    for given in [true, true, false] {
        scene.send(PATIENT, Command::SetConsent { given, terms: TERMS }).expect("done");
        assert_eq!(scene.page(PROVIDER).others[0].consent.is_some(), given);
    }
    assert_eq!(consents(&scene), [(true, TERMS), (false, TERMS)], "once each");
    scene.send(PATIENT, Command::SetConsent { given: true, terms: TERMS }).expect("agreed");
    // The server restarts with new terms: participants who accepted the old ones are asked again, and may withdraw the
    // old consent.
    scene.visit.rules.terms = Some(other);
    scene.restart();
    scene.connect(PROVIDER);
    scene.connect(PATIENT);
    assert_eq!(scene.page(PROVIDER).others[0].consent, None);
    scene.send(PATIENT, Command::SetConsent { given: true, terms: other }).expect("agreed");
    assert!(scene.page(PROVIDER).others[0].consent.is_some());
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut scene = Scene::in_call();
    scene.send(PATIENT, Command::SetMedia { microphone: true, camera: false }).expect("camera off");
    scene.send(PATIENT, Command::SetConsent { given: true, terms: TERMS }).expect("agreed");
    scene
        .send(PATIENT, Command::Say { text: "Can you hear me?".to_owned().try_into().expect("a text") })
        .expect("said");
    let record = scene.visit.record();
    scene.restart();
    assert_eq!(scene.visit.record(), record);
    scene.connect(PROVIDER);
    assert_eq!(scene.stage(PROVIDER), &Stage::Reconnecting { since: scene.now });
    scene.connect(PATIENT);
    assert!(matches!(scene.stage(PROVIDER), Stage::Connected { .. }));
    let patient = &scene.page(PROVIDER).others[0];
    assert!(!patient.camera);
    assert_eq!(patient.consent, Some(T0));
    assert_eq!(scene.page(PROVIDER).messages.len(), 1);
}

#[test]
fn a_restart_keeps_calling_and_remembers_who_declined() {
    let mut scene = Scene::new();
    scene.connect(PROVIDER).connect(PATIENT);
    scene.send(PROVIDER, Command::Start).expect("start");
    let until = Some(T0 + Duration::from_secs(45));
    scene.restart();
    scene.connect(PROVIDER);
    assert_eq!(scene.stage(PROVIDER), &Stage::Calling { since: T0, until });
    scene.connect(PATIENT);
    scene.send(PATIENT, Command::Decline).expect("decline");
    scene.restart();
    scene.connect(PROVIDER);
    assert!(matches!(scene.stage(PROVIDER), Stage::Declined { .. }));
    scene.send(PROVIDER, Command::KeepWaiting).expect("keep waiting");
    scene.wait(46).restart();
    scene.connect(PROVIDER);
    assert_eq!(scene.stage(PROVIDER), &Stage::Calling { since: T0, until: None });
}

#[test]
fn a_command_is_not_done_again_after_a_restart() {
    let mut scene = Scene::in_call();
    let id = CommandId::try_from("say-1".to_owned()).expect("plain");
    let say = Command::Say { text: "once".to_owned().try_into().expect("a text") };
    scene.input(Input::Command { connection: PATIENT, id: id.clone(), command: say.clone() });
    scene.restart();
    scene.connect(PATIENT);
    scene.input(Input::Command { connection: PATIENT, id: id.clone(), command: say });
    assert_eq!(scene.page(PATIENT).messages.len(), 1);
    let acknowledged = Output::Send { connection: PATIENT, message: ServerMessage::Acknowledged { id } };
    assert_eq!(scene.log.iter().filter(|o| **o == acknowledged).count(), 2);
}

#[test]
fn the_provider_sees_that_a_person_came_on_another_device() {
    let mut scene = Scene::both_waiting();
    let changed = |scene: &Scene| scene.page(PROVIDER).others[0].device_changed;
    let heard = scene.drop_connection(PATIENT);
    scene.arrive(1, "page-1-1", Some(heard), PATIENT);
    assert_eq!(changed(&scene), None, "the same page reconnects");
    scene.arrive(1, "another-tab", None, ConnectionId(11));
    assert_eq!(changed(&scene), None, "another page of the same browser");
    scene.wait(5);
    scene.session = 2;
    scene.arrive(1, "another-device", None, ConnectionId(12));
    let at = T0 + Duration::from_secs(5);
    assert_eq!(changed(&scene), Some(at));
    assert_eq!(scene.audits().iter().filter(|action| **action == AuditAction::VisitDeviceChanged).count(), 1);
    assert_eq!(scene.page(ConnectionId(12)).you.device_changed, Some(at), "it is shown to the participant as well");
}

#[test]
fn a_stranger_gets_no_seat() {
    let mut scene = Scene::both_waiting();
    let before = scene.visit.record();
    for role in [Role::Patient, Role::Provider] {
        let page = PageId::try_from("p".to_owned()).expect("plain");
        let arrival = Arrival { user: user(3), name: "Mallory".into(), role, page, after: None, session: 1 };
        let connection = ConnectionId(77);
        scene.input(Input::Connected { arrival, connection });
        assert_eq!(scene.log.last(), Some(&Output::Close { connection, reason: Closing::Denied }));
        let mark = scene.log.len();
        let id = CommandId::try_from("x".to_owned()).expect("plain");
        scene.input(Input::Command { connection, id, command: Command::End });
        assert_eq!(scene.log.len(), mark);
    }
    assert_eq!(scene.visit.record(), before);
}

mod backends;
mod diagram;
mod properties;
