//! Visits, as the two people of one live through them.

use std::time::Duration;

use bedside_visit::signalling::{Command, Refusal, ServerMessage};
use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{Appointment, AppointmentStatus, Check, DeviceCheck, EndReason};

use crate::support::{Client, Ending, Page, Refused, Server, When};

/// A clinic with an appointment that is due, and a browser for each of its people.
struct Room {
    server: Server,
    visit: Appointment,
    ada: Client,
    grace: Client,
}

impl Room {
    async fn new() -> Self {
        let server = Server::start().await;
        let visit = server.book(When::Now).await;
        let (ada, grace) = (server.client(), server.sign_in(&server.provider).await);
        ada.join_by_link(&server.link(visit.id).await).await;
        Self { server, visit, ada, grace }
    }

    async fn patient(&self) -> Page {
        Page::open(&self.server, &self.ada, self.visit.id).await
    }

    async fn provider(&self) -> Page {
        Page::open(&self.server, &self.grace, self.visit.id).await
    }

    /// Both in and connected.
    async fn connected() -> (Self, Page, Page) {
        let room = Self::new().await;
        let (mut patient, mut provider) = (room.patient().await, room.provider().await);
        patient.command(Command::Enter).await.expect("in");
        provider.command(Command::Start).await.expect("started");
        patient.until("connected", connected).await;
        provider.until("connected", connected).await;
        (room, patient, provider)
    }

    async fn status(&self) -> AppointmentStatus {
        self.server.status(self.visit.id).await
    }

    /// What happened in the visit, as the audit log has it: who (patient, provider or time) and what.
    async fn story(&self) -> Vec<String> {
        let rows = self.server.audit().await.into_iter().filter(|row| row.action.starts_with("visit."));
        rows.map(|row| {
            assert_eq!(row.appointment, Some(self.visit.id));
            assert!(row.visit.is_some());
            let who = match row.actor {
                None => "time",
                Some(actor) if actor == self.server.patient.id() => "patient",
                Some(actor) if actor == self.server.provider.id() => "provider",
                Some(other) => panic!("who is {other}?"),
            };
            format!("{who} {}", row.action.trim_start_matches("visit."))
        })
        .collect()
    }
}

fn connected(view: &View) -> bool {
    matches!(view.stage, Stage::Connected { .. })
}

const MUTED: Command = Command::SetMedia { microphone: false, camera: true };

#[tokio::test]
async fn a_patient_who_waits_is_answered_when_the_provider_starts() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    assert_eq!((&patient.view.stage, &provider.view.stage), (&Stage::Preparing, &Stage::Idle));
    assert_eq!(room.status().await, AppointmentStatus::Booked, "an open page is no arrival");
    patient.command(Command::Enter).await.expect("the door is open");
    patient.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    assert_eq!(room.status().await, AppointmentStatus::Arrived);
    provider.until("who waits", |view| matches!(view.other.presence, Presence::Here { .. })).await;

    provider.command(Command::Start).await.expect("theirs to start");
    provider.until("connected", connected).await;
    patient.until("connected", connected).await;
    let expected = ["patient entered", "provider entered", "provider started", "time connected"];
    assert_eq!(room.story().await, expected);
}

#[tokio::test]
async fn a_provider_who_is_first_waits_and_the_patient_is_answered_on_arrival() {
    let room = Room::new().await;
    let mut provider = room.provider().await;
    provider.command(Command::Start).await.expect("an absent patient is no error");
    provider.until("calling", |view| matches!(view.stage, Stage::Calling { until: Some(_), .. })).await;
    let mut patient = room.patient().await;
    assert!(matches!(patient.view.stage, Stage::Called { .. }), "{:?}", patient.view.stage);
    patient.command(Command::Enter).await.expect("in");
    patient.until("connected", connected).await;
    provider.until("connected", connected).await;
}

#[tokio::test]
async fn a_start_and_an_arrival_at_the_same_moment_connect_once() {
    for _ in 0..5 {
        let room = Room::new().await;
        let (mut patient, mut provider) = (room.patient().await, room.provider().await);
        let (entered, started) = tokio::join!(patient.command(Command::Enter), provider.command(Command::Start));
        assert_eq!((entered, started), (Ok(()), Ok(())));
        patient.until("connected", connected).await;
        provider.until("connected", connected).await;
        let story = room.story().await;
        assert_eq!(story.iter().filter(|line| *line == "time connected").count(), 1, "{story:?}");
    }
}

#[tokio::test]
async fn a_call_can_be_taken_back() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    provider.command(Command::Start).await.expect("started");
    patient.until("called", |view| matches!(view.stage, Stage::Called { .. })).await;
    provider.command(Command::Cancel).await.expect("while the patient is not in");
    provider.until("idle", |view| view.stage == Stage::Idle).await;
    patient.until("not called", |view| view.stage == Stage::Preparing).await;
    assert_eq!(provider.command(Command::Cancel).await, Err(Refusal::NotNow));
    assert_eq!(room.story().await, ["provider entered", "provider started", "provider call_cancelled"]);
}

#[tokio::test]
async fn an_absent_patient_is_called_for_the_ring_time_then_the_provider_chooses() {
    let server = Server::start_with(|config| config.visits.ring_seconds = 1).await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    provider.command(Command::Start).await.expect("started");
    provider.until("calling", |view| matches!(view.stage, Stage::Calling { until: Some(_), .. })).await;
    provider.until("unanswered", |view| matches!(view.stage, Stage::Unanswered { .. })).await;
    provider.command(Command::KeepWaiting).await.expect("one choice");
    provider.until("calling on", |view| matches!(view.stage, Stage::Calling { until: None, .. })).await;
    provider.command(Command::MarkMissed).await.expect("another");
    let missed = |view: &View| matches!(view.stage, Stage::Ended { reason: EndReason::Missed, .. });
    provider.until("missed", missed).await;
    assert_eq!(server.status(visit.id).await, AppointmentStatus::NoShow);
    let missed = server.audit().await.into_iter().filter(|row| row.action == "visit.missed").count();
    assert_eq!(missed, 1);
}

#[tokio::test]
async fn a_missed_patient_who_comes_after_all_has_a_way_in() {
    let room = Room::new().await;
    let mut provider = room.provider().await;
    provider.command(Command::MarkMissed).await.expect("without any call");
    let mut patient = room.patient().await;
    assert!(matches!(patient.view.stage, Stage::Ended { reason: EndReason::Missed, .. }));
    let old = patient.view.visit;
    patient.command(Command::Rejoin).await.expect("a new waiting room");
    patient.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    assert_ne!(patient.view.visit, old);
    assert_eq!(room.status().await, AppointmentStatus::Arrived);
    provider.until("the new visit", |view| view.visit != old && view.stage == Stage::Idle).await;
    provider.command(Command::Start).await.expect("started");
    provider.until("connected", connected).await;
}

#[tokio::test]
async fn a_patient_can_say_not_now() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    assert_eq!(patient.command(Command::Decline).await, Err(Refusal::NotNow), "nobody calls");
    provider.command(Command::Start).await.expect("started");
    patient.command(Command::Decline).await.expect("called");
    provider.until("declined", |view| matches!(view.stage, Stage::Declined { .. })).await;
    provider.command(Command::KeepWaiting).await.expect("asked again");
    patient.until("called again", |view| matches!(view.stage, Stage::Called { .. })).await;
    patient.command(Command::Enter).await.expect("now they come");
    provider.until("connected", connected).await;
    assert_eq!(patient.command(Command::Decline).await, Err(Refusal::NotNow), "who is in leaves");
}

#[tokio::test]
async fn whoever_leaves_can_come_back() {
    let (room, mut patient, mut provider) = Room::connected().await;
    patient.command(Command::Leave).await.expect("left");
    patient.until("left", |view| matches!(view.stage, Stage::Left { .. })).await;
    provider.until("alone", |view| matches!(view.stage, Stage::Alone { .. })).await;
    patient.command(Command::Enter).await.expect("no error");
    assert!(matches!(patient.view.stage, Stage::Left { .. }), "a page does not bring them back by itself");
    patient.command(Command::Rejoin).await.expect("but their click does");
    patient.until("connected", connected).await;
    provider.until("connected", connected).await;

    provider.command(Command::Leave).await.expect("left");
    patient.until("alone", |view| matches!(view.stage, Stage::Alone { .. })).await;
    provider.command(Command::Start).await.expect("the same wish as rejoining");
    patient.until("connected", connected).await;
    let expected = [
        "patient entered",
        "provider entered",
        "provider started",
        "time connected",
        "patient left",
        "patient entered",
        "provider left",
        "provider entered",
    ];
    assert_eq!(room.story().await, expected);
}

#[tokio::test]
async fn the_provider_ends_it_for_all_and_can_start_anew() {
    let (room, mut patient, mut provider) = Room::connected().await;
    let first = provider.view.visit;
    provider.command(Command::End).await.expect("theirs to end");
    let ended = |view: &View| matches!(view.stage, Stage::Ended { reason: EndReason::Ended, .. });
    provider.until("ended", ended).await;
    patient.until("ended", ended).await;
    assert_eq!(room.status().await, AppointmentStatus::Fulfilled);
    provider.command(Command::End).await.expect("ended is ended");

    patient.command(Command::Enter).await.expect("no error");
    assert!(ended(&patient.view), "a page does not begin a visit by itself");
    provider.command(Command::Start).await.expect("Start new meeting");
    provider.until("calling", |view| view.visit != first && matches!(view.stage, Stage::Calling { .. })).await;
    patient.until("called", |view| view.visit != first && matches!(view.stage, Stage::Called { .. })).await;
    patient.command(Command::Enter).await.expect("in");
    patient.until("connected", connected).await;
    let expected = [
        "patient entered",
        "provider entered",
        "provider started",
        "time connected",
        "provider ended",
        "provider entered",
        "provider started",
        "patient entered",
        "time connected",
    ];
    assert_eq!(room.story().await, expected);
}

#[tokio::test]
async fn a_second_tab_takes_the_seat_over() {
    let (room, mut first, mut provider) = Room::connected().await;
    first.command(MUTED).await.expect("muted");
    let second = room.patient().await;
    assert_eq!(first.other().await, ServerMessage::Moved);
    assert_eq!(first.ending().await, Ending::Code(4000));
    assert!(connected(&second.view), "{:?}", second.view.stage);
    assert!(!second.view.you.microphone, "a new page widens nothing");
    provider.until("nothing else", |view| connected(view) && !view.other.microphone).await;
    assert_eq!(room.story().await.iter().filter(|line| *line == "patient seat_moved").count(), 1);
}

#[tokio::test]
async fn a_dropped_page_keeps_its_seat_and_its_mute() {
    let (room, mut patient, mut provider) = Room::connected().await;
    patient.command(MUTED).await.expect("muted");
    drop(patient);
    provider.until("reconnecting", |view| matches!(view.stage, Stage::Reconnecting { .. })).await;
    let patient = room.patient().await;
    assert!(connected(&patient.view), "no click: {:?}", patient.view.stage);
    assert!(!patient.view.you.microphone && patient.view.you.camera);
    provider.until("connected", connected).await;
    assert_eq!(room.story().await.last().map(String::as_str), Some("patient media_changed"), "a drop is no event");
}

#[tokio::test]
async fn a_seat_is_held_for_ten_minutes() {
    let (room, patient, mut provider) = Room::connected().await;
    patient.close().await;
    provider.until("reconnecting", |view| matches!(view.stage, Stage::Reconnecting { .. })).await;
    room.server.clock.advance(Duration::from_secs(11 * 60));
    provider.command(MUTED).await.expect("anything");
    provider.until("alone", |view| matches!(view.stage, Stage::Alone { .. })).await;
    assert!(room.story().await.contains(&"time seat_expired".to_owned()));
    let mut patient = room.patient().await;
    assert!(matches!(patient.view.stage, Stage::Left { .. }));
    patient.command(Command::Rejoin).await.expect("the door stays open");
    provider.until("connected", connected).await;
}

#[tokio::test]
async fn a_visit_that_everyone_forgot_ends() {
    let (room, patient, provider) = Room::connected().await;
    patient.close().await;
    provider.close().await;
    room.server.clock.advance(Duration::from_secs(11 * 60));
    let mut provider = room.provider().await;
    room.server.clock.advance(Duration::from_secs(11 * 60));
    provider.command(MUTED).await.expect("anything");
    provider.until("over", |view| matches!(view.stage, Stage::Ended { reason: EndReason::Abandoned, .. })).await;
    assert_eq!(room.status().await, AppointmentStatus::Fulfilled, "they did meet");
}

#[tokio::test]
async fn the_provider_sees_how_far_the_patient_has_come_and_not_the_other_way() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    let check = DeviceCheck { browser: Check::Works, camera: Check::Asking, microphone: Check::Blocked, heard: false };
    patient.command(Command::ReportCheck { check }).await.expect("reported");
    provider.until("the check", |view| view.other.check == Some(check)).await;
    provider.command(Command::ReportCheck { check: DeviceCheck { heard: true, ..check } }).await.expect("reported");
    provider.until("their own", |view| view.you.check.is_some_and(|own| own.heard)).await;
    assert_eq!(patient.view.other.check, None);
}

#[tokio::test]
async fn an_appointment_called_off_in_mid_visit_lets_nobody_in_again() {
    let (room, mut patient, mut provider) = Room::connected().await;
    room.server.cancel(room.visit.id).await;
    patient.command(Command::Leave).await.expect("whoever is inside may leave");
    assert_eq!(patient.command(Command::Rejoin).await, Err(Refusal::Cancelled));
    assert_eq!(provider.command(Command::Start).await, Err(Refusal::Cancelled));
    let path = format!("/api/appointments/{}/signalling", room.visit.id);
    let again = Page::try_open(&room.server, &room.ada, &path, Some(&room.server.origin)).await;
    assert_eq!(again.err(), Some(Refused::Ended(Ending::Code(4403))));
    provider.command(Command::End).await.expect("and the provider may end it");
}

#[tokio::test]
async fn when_the_door_closes_those_inside_finish_and_nobody_comes_in() {
    let (room, mut patient, mut provider) = Room::connected().await;
    let closed = Duration::from_secs(5 * 3600);
    room.server.clock.advance(closed);
    // Nine idle hours are too long for a sign-in; the provider signs in again and is too late.
    let path = format!("/api/appointments/{}/signalling", room.visit.id);
    room.grace.sign_in(&room.server.provider).await;
    let late = Page::try_open(&room.server, &room.grace, &path, Some(&room.server.origin)).await;
    assert_eq!(late.err(), Some(Refused::Ended(Ending::Code(4403))));
    patient.send_text(r#"{"type":"command","id":"x","command":{"name":"leave"}}"#).await;
    assert_eq!(patient.ending().await, Ending::Code(4401), "a link's session ends with the door");
    provider.send_text(r#"{"type":"command","id":"x","command":{"name":"end"}}"#).await;
    assert_eq!(provider.ending().await, Ending::Code(4401));
}
