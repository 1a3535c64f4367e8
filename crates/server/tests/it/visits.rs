//! Visits from the perspective of the patient and the provider.

use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{AppointmentStatus, Check, DeviceCheck, EndReason};

use crate::room::{Room, connected};
use crate::support::{Page, Server, When};

#[tokio::test]
async fn a_patient_who_waits_is_answered_when_the_provider_starts() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    assert_eq!((&patient.view.stage, &provider.view.stage), (&Stage::Preparing, &Stage::Idle));
    assert_eq!(room.status().await, AppointmentStatus::Booked, "opening a page is not an arrival");
    patient.command(Command::Enter).await.expect("the waiting room is open");
    patient.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    assert_eq!(room.status().await, AppointmentStatus::Arrived);
    provider.until("the waiting patient", |view| matches!(view.others[0].presence, Presence::Here { .. })).await;

    provider.command(Command::Start).await.expect("the provider may start");
    provider.until("connected", connected).await;
    patient.until("connected", connected).await;
    let expected = ["patient entered", "provider entered", "provider started", "time connected"];
    assert_eq!(room.story().await, expected);
}

#[tokio::test]
async fn a_provider_who_is_first_waits_and_the_patient_is_answered_on_arrival() {
    let room = Room::new().await;
    let mut provider = room.provider().await;
    provider.command(Command::Start).await.expect("starting without the patient is allowed");
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
    provider.command(Command::Cancel).await.expect("cancelled before the patient entered");
    provider.until("idle", |view| view.stage == Stage::Idle).await;
    patient.until("the call to stop", |view| view.stage == Stage::Preparing).await;
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
    provider.until("the call to go on", |view| matches!(view.stage, Stage::Calling { until: None, .. })).await;
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
    provider.command(Command::MarkMissed).await.expect("marked as missed without a call");
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
    assert_eq!(patient.command(Command::Decline).await, Err(Refusal::NotNow), "the patient is not being called");
    provider.command(Command::Start).await.expect("started");
    patient.command(Command::Decline).await.expect("called");
    provider.until("declined", |view| matches!(view.stage, Stage::Declined { .. })).await;
    provider.command(Command::KeepWaiting).await.expect("the patient is called again");
    patient.until("called again", |view| matches!(view.stage, Stage::Called { .. })).await;
    patient.command(Command::Enter).await.expect("the patient enters");
    provider.until("connected", connected).await;
    assert_eq!(
        patient.command(Command::Decline).await,
        Err(Refusal::NotNow),
        "a participant in the visit leaves instead"
    );
}

#[tokio::test]
async fn a_participant_who_leaves_can_return() {
    let (room, mut patient, mut provider) = Room::connected().await;
    patient.command(Command::Leave).await.expect("left");
    patient.until("left", |view| matches!(view.stage, Stage::Left { .. })).await;
    provider.until("alone", |view| matches!(view.stage, Stage::Alone { .. })).await;
    patient.command(Command::Enter).await.expect("accepted without effect");
    assert!(matches!(patient.view.stage, Stage::Left { .. }), "a page does not rejoin automatically");
    patient.command(Command::Rejoin).await.expect("rejoined with a click");
    patient.until("connected", connected).await;
    provider.until("connected", connected).await;

    provider.command(Command::Leave).await.expect("left");
    patient.until("alone", |view| matches!(view.stage, Stage::Alone { .. })).await;
    provider.command(Command::Start).await.expect("starting also rejoins");
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
    provider.command(Command::End).await.expect("the provider may end");
    let ended = |view: &View| matches!(view.stage, Stage::Ended { reason: EndReason::Ended, .. });
    provider.until("ended", ended).await;
    patient.until("ended", ended).await;
    assert_eq!(room.status().await, AppointmentStatus::Fulfilled);
    provider.command(Command::End).await.expect("ending twice is accepted");

    patient.command(Command::Enter).await.expect("accepted without effect");
    assert!(ended(&patient.view), "a page does not start a visit automatically");
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
async fn the_provider_sees_how_far_the_patient_has_come_and_not_the_other_way() {
    let room = Room::new().await;
    let (mut patient, mut provider) = (room.patient().await, room.provider().await);
    let check = DeviceCheck {
        browser: Check::Works,
        camera: Check::Asking,
        microphone: Check::Blocked,
        heard: false,
        seen: false,
    };
    patient.command(Command::ReportCheck { check }).await.expect("reported");
    provider.until("the patient's device check", |view| view.others[0].check == Some(check)).await;
    provider.command(Command::ReportCheck { check: DeviceCheck { heard: true, ..check } }).await.expect("reported");
    provider.until("the patient's own device check", |view| view.you.check.is_some_and(|own| own.heard)).await;
    assert_eq!(patient.view.others[0].check, None);
}
