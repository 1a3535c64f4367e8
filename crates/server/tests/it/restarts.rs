//! Stopping and starting the program during visits.

use bedside::config::{Config, VisitsConfig};
use bedside_visit::TermsId;
use bedside_visit::signalling::{Command, Refusal, ServerMessage};
use bedside_visit::view::{Presence, Stage, View};

use crate::support::{Ending, Page, Server, When};

fn connected(view: &View) -> bool {
    matches!(view.stage, Stage::Connected { .. })
}

#[tokio::test]
async fn a_visit_goes_on_after_a_restart_with_what_was_muted_muted() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.client(), server.sign_in(&server.provider).await);
    ada.join_by_link(&server.link(visit.id).await).await;
    let mut patient = Page::open(&server, &ada, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    patient.command(Command::Enter).await.expect("in");
    provider.command(Command::Start).await.expect("started");
    patient.command(Command::SetMedia { microphone: false, camera: true }).await.expect("muted");
    provider.until("the mute", |view| connected(view) && !view.others[0].microphone).await;
    let meeting = provider.view.visit;

    let stopping = tokio::spawn(server.restart());
    assert_eq!((patient.ending().await, provider.ending().await), (Ending::Code(1012), Ending::Code(1012)));
    let server = stopping.await.expect("restarted");

    let mut provider = Page::open(&server, &grace, visit.id).await;
    assert_eq!(provider.view.visit, meeting, "the visit is the same");
    assert!(matches!(provider.view.stage, Stage::Reconnecting { .. }), "{:?}", provider.view.stage);
    assert!(matches!(provider.view.others[0].presence, Presence::Away { .. }), "the patient's seat is held");
    let patient = Page::open(&server, &ada, visit.id).await;
    assert!(connected(&patient.view), "no click and no sign-in: {:?}", patient.view.stage);
    assert!(!patient.view.you.microphone && patient.view.you.camera);
    provider.until("connected", connected).await;
    let log = server.audit().await;
    for action in ["visit.started", "visit.connected", "visit.media_changed"] {
        assert_eq!(log.iter().filter(|row| row.action == action).count(), 1, "{action}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_to_an_absent_patient_and_an_end_outlive_a_restart() {
    let server = Server::start().await;
    let (one, two) = (server.book(When::Now).await, server.book(When::Now).await);
    let grace = server.sign_in(&server.provider).await;
    let mut calling = Page::open(&server, &grace, one.id).await;
    calling.command(Command::Start).await.expect("started");
    let mut missed = Page::open(&server, &grace, two.id).await;
    missed.command(Command::MarkMissed).await.expect("missed");

    let server = server.restart().await;
    let calling = Page::open(&server, &grace, one.id).await;
    assert!(matches!(calling.view.stage, Stage::Calling { .. }), "{:?}", calling.view.stage);
    let missed = Page::open(&server, &grace, two.id).await;
    assert!(matches!(missed.view.stage, Stage::Ended { .. }), "{:?}", missed.view.stage);
    let server = server.restart().await;
    server.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_and_what_was_not_started_is_forgotten() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let mut patient = Page::open(&server, &ada, visit.id).await;
    patient.command(Command::SetMedia { microphone: false, camera: false }).await.expect("accepted before entering");
    patient.command(Command::Enter).await.expect("in");
    let entered = patient.view.visit;
    let server = server.restart().await;
    let patient = Page::open(&server, &ada, visit.id).await;
    assert_eq!(patient.view.visit, entered);
    assert!(matches!(patient.view.stage, Stage::Waiting { .. }), "{:?}", patient.view.stage);
    assert!(!patient.view.you.microphone && !patient.view.you.camera);
    server.stop().await;
}

/// SIGTERM: active visits go on, but no new ones begin.
#[tokio::test]
async fn a_visit_under_way_is_let_end() {
    let server = Server::start().await;
    let (now, next) = (server.book(When::Now).await, server.book(When::Now).await);
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut patient = Page::open(&server, &ada, now.id).await;
    patient.command(Command::Enter).await.expect("in");
    let mut provider = Page::open(&server, &grace, now.id).await;
    provider.command(Command::Start).await.expect("started");
    let mut desk = Page::open(&server, &grace, next.id).await;
    let health = server.client();
    assert_eq!(health.get("/healthz").await.status, 200);

    let ended = server.drain();
    for page in [&mut patient, &mut provider, &mut desk] {
        assert!(matches!(page.other().await, ServerMessage::Stopping { .. }));
    }
    for path in ["/readyz", "/healthz"] {
        assert_eq!(health.get(path).await.status, 503, "a load balancer sends no new requests");
    }
    assert_eq!(health.get("/livez").await.status, 200, "an orchestrator does not kill it");
    assert_eq!(desk.command(Command::Start).await, Err(Refusal::Stopping));
    patient.command(Command::SetMedia { microphone: false, camera: true }).await.expect("the visit goes on");
    provider.command(Command::End).await.expect("the visit can be ended");
    for page in [&mut patient, &mut provider, &mut desk] {
        assert_eq!(page.ending().await, Ending::Code(1012));
    }
    ended.await;
}

#[tokio::test]
async fn a_visit_that_lasts_is_asked_to_come_back() {
    let server = Server::start_with(|config| config.server.drain_seconds = 0).await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    provider.command(Command::Start).await.expect("started");
    let ended = server.drain();
    assert_eq!(provider.ending().await, Ending::Code(1012));
    ended.await;
}

#[tokio::test]
async fn what_was_written_and_agreed_to_outlives_a_restart() {
    let agreed = |config: &mut Config| config.visits.consent_text = Some("I agree.".to_owned());
    let server = Server::start_with(agreed).await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let mut patient = Page::open(&server, &ada, visit.id).await;
    patient.command(Command::Enter).await.expect("in");
    let say = Command::Say { text: "I am early".to_owned().try_into().expect("a text") };
    patient.command_with_id("say-1", say.clone()).await.expect("said");
    let terms = VisitsConfig { consent_text: Some("I agree.".to_owned()), ..VisitsConfig::default() }
        .terms()
        .expect("terms")
        .id;
    let other = TermsId::new([0; 16]);
    assert_eq!(patient.command(Command::SetConsent { given: true, terms: other }).await, Err(Refusal::NotNow));
    patient.command(Command::SetConsent { given: true, terms }).await.expect("agreed");
    let server = server.restart().await;
    let mut patient = Page::open(&server, &ada, visit.id).await;
    assert_eq!(patient.view.messages.len(), 1);
    assert!(patient.view.you.consent.is_some());
    patient.command_with_id("say-1", say).await.expect("acknowledged without a second message");
    patient.command(Command::Leave).await.expect("left");
    assert_eq!(patient.view.messages.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_with_open_pages_is_quick_and_clean() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut pages = vec![Page::open(&server, &ada, visit.id).await, Page::open(&server, &grace, visit.id).await];
    let stop = tokio::spawn(server.stop());
    for page in &mut pages {
        assert_eq!(page.ending().await, Ending::Code(1012));
    }
    stop.await.expect("stopped");
}
