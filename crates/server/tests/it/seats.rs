//! Seats: one for each participant, held through disconnects until the visit's time is over.

use std::time::Duration;

use bedside_visit::signalling::{ClientMessage, Command, Refusal, ServerMessage};
use bedside_visit::view::{Presence, Stage, View};
use bedside_visit::{AppointmentStatus, EndReason};
use reqwest::Method;

use crate::room::{Room, connected};
use crate::support::{Ending, Page, Refused};

const MUTED: Command = Command::SetMedia { microphone: false, camera: true };

#[tokio::test]
async fn a_second_tab_takes_the_seat_over() {
    let (room, mut first, mut provider) = Room::connected().await;
    first.command(MUTED).await.expect("muted");
    let second = room.patient().await;
    assert_eq!(first.other().await, ServerMessage::Moved);
    assert_eq!(first.ending().await, Ending::Code(4000));
    assert!(connected(&second.view), "{:?}", second.view.stage);
    assert!(!second.view.you.microphone, "a new page does not unmute");
    provider.until("the mute to stay", |view| connected(view) && !view.others[0].microphone).await;
    assert_eq!(room.story().await.iter().filter(|line| *line == "patient seat_moved").count(), 1);
}

/// A patient opened many tabs: exactly one has the seat.
#[tokio::test]
async fn of_many_tabs_one_has_the_seat() {
    let room = Room::new().await;
    let mut provider = room.provider().await;
    provider.command(Command::Start).await.expect("started");
    let mut tabs = futures_util::future::join_all((0..8).map(|_| room.patient())).await;
    let mut alive = Vec::new();
    for (at, tab) in tabs.iter_mut().enumerate() {
        tab.send(&ClientMessage::Ping).await;
        let ending = loop {
            match tab.next().await {
                Ok(ServerMessage::Pong) => break None,
                Ok(_) => {}
                Err(ending) => break Some(ending),
            }
        };
        match ending {
            None => alive.push(at),
            Some(ending) => assert_eq!(ending, Ending::Code(4000)),
        }
    }
    let [one] = alive.as_slice() else { panic!("{alive:?}") };
    tabs[*one].command(Command::Enter).await.expect("in");
    provider.until("connected", connected).await;
    let story = room.story().await;
    assert_eq!(story.iter().filter(|line| *line == "patient seat_moved").count(), 7);
    assert_eq!(story.iter().filter(|line| *line == "patient entered").count(), 1);
}

#[tokio::test]
async fn a_dropped_page_keeps_its_seat_and_its_mute() {
    let (room, mut patient, mut provider) = Room::connected().await;
    patient.command(MUTED).await.expect("muted");
    drop(patient);
    provider.until("reconnecting", |view| matches!(view.stage, Stage::Reconnecting { .. })).await;
    let patient = room.patient().await;
    assert!(connected(&patient.view), "no click is needed: {:?}", patient.view.stage);
    assert!(!patient.view.you.microphone && patient.view.you.camera);
    provider.until("connected", connected).await;
    assert_eq!(
        room.story().await.last().map(String::as_str),
        Some("patient media_changed"),
        "a disconnect is not logged"
    );
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
    patient.command(Command::Rejoin).await.expect("rejoining is still possible");
    provider.until("connected", connected).await;
}

/// Users who sign out may return, and their seat is held; the seat of removed users is not.
#[tokio::test]
async fn a_removed_participant_has_left_the_visit() {
    let (room, mut patient, mut provider) = Room::connected().await;
    let (ines, client) = room.server.companion(room.visit.id, "Ines", "interpreter").await;
    let mut interpreter = Page::open(&room.server, &client, room.visit.id).await;
    interpreter.command(Command::Enter).await.expect("in");
    interpreter.until("connected", connected).await;
    let presence = |view: &View| view.others.iter().find(|other| other.user == ines).map(|other| other.presence);
    provider.until("Ines", |view| matches!(presence(view), Some(Presence::Here { .. }))).await;

    let links = format!("/api/appointments/{}/invites/{ines}", room.visit.id);
    assert_eq!(room.grace.request(Method::DELETE, &links).send().await.status, 200);
    assert_eq!(interpreter.ending().await, Ending::Code(4401));
    for page in [&mut patient, &mut provider] {
        page.until("gone", |view| matches!(presence(view), Some(Presence::Left { .. })) && connected(view)).await;
    }
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
    assert_eq!(room.status().await, AppointmentStatus::Fulfilled, "the patient and the provider met");
}

#[tokio::test]
async fn a_cancelled_appointment_cannot_be_rejoined() {
    let room = Room::new().await;
    let mut patient = room.patient().await;
    patient.command(Command::Enter).await.expect("in the waiting room");
    room.server.cancel(room.visit.id).await;
    assert_eq!(patient.command(Command::Rejoin).await, Err(Refusal::Cancelled));
    let path = format!("/api/appointments/{}/signalling", room.visit.id);
    for client in [&room.ada, &room.grace] {
        let again = Page::try_open(&room.server, client, &path, Some(&room.server.origin)).await;
        assert_eq!(again.err(), Some(Refused::Ended(Ending::Code(4403))));
    }
    assert_eq!(room.status().await, AppointmentStatus::Cancelled, "the status remains cancelled");
}

#[tokio::test]
async fn after_the_join_window_participants_finish_and_no_new_ones_join() {
    let (room, mut patient, mut provider) = Room::connected().await;
    let closed = Duration::from_secs(5 * 3600);
    room.server.clock.advance(closed);
    // Nine idle hours exceed the lifetime of a session; the provider signs in again, too late to join.
    let path = format!("/api/appointments/{}/signalling", room.visit.id);
    room.grace.sign_in(&room.server.provider).await;
    let late = Page::try_open(&room.server, &room.grace, &path, Some(&room.server.origin)).await;
    assert_eq!(late.err(), Some(Refused::Ended(Ending::Code(4403))));
    patient.send_text(r#"{"type":"command","id":"x","command":{"name":"leave"}}"#).await;
    assert_eq!(patient.ending().await, Ending::Code(4401), "a link's session ends with the visit's time");
    provider.send_text(r#"{"type":"command","id":"x","command":{"name":"end"}}"#).await;
    assert_eq!(provider.ending().await, Ending::Code(4401));
}
