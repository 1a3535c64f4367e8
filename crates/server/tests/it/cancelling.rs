//! Cancelling an appointment: who is notified, and when it is refused.

use bedside_visit::permission::ClinicRole;
use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::{Stage, View};
use bedside_visit::{AppointmentId, AppointmentStatus, EndReason};

use crate::support::{Client, Ending, Page, Refused, Reply, Server, When};

async fn desk(server: &Server) -> Client {
    let account = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
    server.sign_in(&account).await
}

fn cancelled(view: &View) -> bool {
    matches!(view.stage, Stage::Ended { reason: EndReason::Cancelled, .. })
}

async fn by_form(client: &Client, id: AppointmentId) -> Reply {
    client.post(&format!("/booking/{id}/cancel"), &[]).await
}

async fn by_api(client: &Client, id: AppointmentId) -> Reply {
    client.post_json(&format!("/api/appointments/{id}/cancel"), &serde_json::json!({})).await
}

/// However it is cancelled, including on the command line.
#[tokio::test]
async fn everyone_who_looks_at_a_visit_is_told_that_it_was_cancelled() {
    let server = Server::start().await;
    let (desk, grace) = (desk(&server).await, server.sign_in(&server.provider).await);
    for way in ["form", "api", "operator"] {
        let visit = server.book(When::Now).await;
        let (_, guest) = server.companion(visit.id, "George", "guest").await;
        let patient = server.client();
        patient.join_by_link(&server.link(visit.id).await).await;
        let mut pages = [
            Page::open(&server, &patient, visit.id).await,
            Page::open(&server, &guest, visit.id).await,
            Page::open(&server, &grace, visit.id).await,
        ];
        for page in &mut pages[..2] {
            page.command(Command::Enter).await.expect("in the waiting room");
        }
        assert!(desk.get("/desk").await.body.contains("Waiting"));
        match way {
            "form" => assert_eq!(by_form(&desk, visit.id).await.status, 303),
            "api" => assert_eq!(by_api(&desk, visit.id).await.status, 200),
            _ => server.cancel(visit.id).await,
        }
        let row = desk.get("/desk").await.body;
        assert!(!row.contains("Waiting") && row.contains("Cancelled"), "{way}: {row}");
        assert!(!grace.get("/").await.body.contains("Waiting"), "{way}");
        for page in &mut pages {
            page.until("cancelled", cancelled).await;
        }
        assert_eq!(pages[2].command(Command::Start).await, Err(Refusal::Cancelled));
        assert_eq!(pages[0].command(Command::Rejoin).await, Err(Refusal::Cancelled));
        assert_eq!(server.status(visit.id).await, AppointmentStatus::Cancelled);
        // A page whose connection dropped asks the API, and learns it from the appointment.
        let path = format!("/api/appointments/{}/signalling", visit.id);
        let refused = Page::try_open(&server, &patient, &path, Some(&server.origin)).await;
        assert!(matches!(refused, Err(Refused::Ended(Ending::Code(4403)))));
        let told = patient.get(&format!("/api/appointments/{}", visit.id)).await.json();
        assert_eq!(told["data"]["status"], "cancelled");
    }
}

#[tokio::test]
async fn what_took_place_or_was_cancelled_is_not_cancelled_again() {
    let server = Server::start().await;
    let desk = desk(&server).await;
    for (status, words) in [
        (AppointmentStatus::Fulfilled, "took place"),
        (AppointmentStatus::NoShow, "marked as missed"),
        (AppointmentStatus::Cancelled, "already cancelled"),
    ] {
        let visit = server.book(When::Now).await;
        let mut transaction = server.store.begin().await.expect("begin");
        transaction.update_appointment_status(visit.id, status).await.expect("written down");
        transaction.commit().await.expect("commit");
        let before = server.audit().await.len();
        let refused = by_api(&desk, visit.id).await;
        assert_eq!((refused.status, refused.problem().as_str()), (409, "conflict"));
        assert!(refused.body.contains(words), "{}", refused.body);
        let again = by_form(&desk, visit.id).await;
        // A second press leads to the desired state.
        let expected = if status == AppointmentStatus::Cancelled { 303 } else { 409 };
        assert_eq!(again.status, expected, "{}", again.body);
        assert!(server.operator().cancel_appointment(visit.id).await.is_err());
        assert!(!desk.get(&format!("/booking/{}", visit.id)).await.body.contains("/cancel\""));
        let written = server.audit().await.into_iter().skip(before);
        assert_eq!(written.filter(|row| row.action == "appointment.cancelled").count(), 0);
        assert_eq!(server.status(visit.id).await, status);
    }
}

#[tokio::test]
async fn a_visit_in_which_two_people_talk_is_not_cancelled() {
    let server = Server::start().await;
    let (desk, visit) = (desk(&server).await, server.book(When::Now).await);
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut patient = Page::open(&server, &ada, visit.id).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    provider.command(Command::Start).await.expect("started");
    patient.command(Command::Enter).await.expect("in");
    patient.until("connected", |view| matches!(view.stage, Stage::Connected { .. })).await;
    let refused = by_form(&desk, visit.id).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("The provider can end it"), "{}", refused.body);
    provider.command(Command::End).await.expect("the provider can end the visit");
}
