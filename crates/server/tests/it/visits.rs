//! Visits, as the people of one live through them.

use bedside_visit::signalling::Command;
use bedside_visit::view::Stage;

use crate::support::{Page, Server, When};

#[tokio::test]
async fn a_patient_who_waits_is_answered_when_the_provider_starts() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.client(), server.sign_in(&server.provider).await);
    ada.join_by_link(&server.link(visit.id).await).await;
    let mut patient = Page::open(&server, &ada, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;

    patient.command(Command::Enter).await.expect("the door is open");
    patient.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    provider.command(Command::Start).await.expect("theirs to start");
    patient.until("connected", |view| matches!(view.stage, Stage::Connected { .. })).await;
    provider.until("connected", |view| matches!(view.stage, Stage::Connected { .. })).await;
    server.stop().await;
}
