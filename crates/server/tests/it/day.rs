//! The list of a day: its date, waiting patients, and the mark of the current time.

use std::time::Duration;

use bedside::operator::AppointmentToAdd;
use bedside_visit::permission::ClinicRole;
use bedside_visit::signalling::Command;
use bedside_visit::view::Stage;
use bedside_visit::{AppointmentId, Clock as _};

use crate::support::{Client, Page, Server};

const REASON: &str = "A rash since Monday.\nTook ibuprofen twice.";

/// Creates a clinic with a long day: a visit every ten minutes, every third of which has begun.
async fn long_day() -> (Server, Vec<AppointmentId>) {
    let server = Server::start().await;
    server.clock.set_to_noon();
    let now = server.clock.now();
    let mut ids = Vec::new();
    for number in 0..30_u64 {
        let new = AppointmentToAdd {
            patient: server.patient.id().to_string(),
            provider: server.provider.id().to_string(),
            start: now - Duration::from_secs(10 * 600) + Duration::from_secs(number * 600),
            minutes: 120,
            kind: "Follow-up".to_owned(),
            reason: Some(REASON.to_owned()),
            backend: None,
        };
        ids.push(server.operator().add_appointment(new).await.expect("booked").0);
    }
    (server, ids)
}

async fn dorothy(server: &Server) -> Client {
    let account = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
    server.sign_in(&account).await
}

/// Returns the part of a page before the first row of the day's list.
fn above_the_list(page: &str) -> &str {
    page.split("<li class=\"appointment").next().expect("a page")
}

#[tokio::test]
async fn who_waits_stands_above_a_long_day_and_now_is_marked_in_it() {
    let (server, ids) = long_day().await;
    let (desk, grace) = (dorothy(&server).await, server.sign_in(&server.provider).await);
    for client in [&desk, &grace] {
        let day = client.get(if std::ptr::eq(client, &raw const desk) { "/desk" } else { "/" }).await.body;
        assert!(!day.contains("Waiting now"), "{day}");
        // Eleven have begun, and the mark is before the twelfth.
        let (before, after) = day.split_once("id=\"now\"").expect("the mark of the current time");
        assert_eq!(before.matches("<li class=\"appointment").count(), 11, "{day}");
        assert!(after.contains(&ids[11].to_string()) && before.contains("href=\"#now\""), "{day}");
    }
    let ada = server.sign_in(&server.patient).await;
    let waits = ids[9];
    let mut page = Page::open(&server, &ada, waits).await;
    page.command(Command::Enter).await.expect("in");
    page.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    for (client, path, link) in [(&desk, "/desk", "booking"), (&grace, "/", "appointment")] {
        let day = client.get(path).await.body;
        let above = above_the_list(&day);
        assert!(above.contains("Waiting now") && above.contains(&format!("href=\"/{link}/{waits}\"")), "{above}");
        assert_eq!(above.matches("<bdi>Ada Lovelace</bdi>").count(), 1, "{above}");
        assert!(day.contains(&format!("id=\"a-{waits}\"")), "the list also contains the visit");
    }
}

#[tokio::test]
async fn a_day_is_picked_by_a_form_and_only_today_has_a_now() {
    let (server, _) = long_day().await;
    let desk = dorothy(&server).await;
    let today = desk.get("/desk").await.body;
    let field = "<input id=\"day\" name=\"day\" type=\"date\" value=\"";
    let date = today.split(field).nth(1).and_then(|rest| rest.split('"').next()).expect("a date field");
    assert!(today.contains("<form class=\"days__pick\" method=\"get\" action=\"/desk\">"), "{today}");
    assert_eq!(desk.get(&format!("/desk?day={date}")).await.body.matches("aria-current=\"date\"").count(), 1);
    // The field was emptied.
    assert!(desk.get("/desk?day=").await.body.contains(&format!("{field}{date}\"")));
    assert_eq!(desk.get("/desk?day=tomorrow").await.status, 400);
    let other = desk.get("/desk?day=2031-01-07").await.body;
    for shown in [&format!("{field}2031-01-07\""), "/desk?day=2031-01-06", "/desk?day=2031-01-08", "href=\"/desk\""] {
        assert!(other.contains(shown), "{shown}: {other}");
    }
    assert!(
        other.contains("<time datetime=\"2031-01-07\" data-local=\"date\">Tuesday, 7 January 2031</time>"),
        "{other}"
    );
    assert!(!other.contains("id=\"now\"") && !other.contains("aria-current"), "{other}");
    assert!(desk.get("/book?day=").await.body.contains(&format!("value=\"{date}\"")));
}

/// The style sheet displays them as lines with `.lines`.
#[tokio::test]
async fn the_lines_of_a_reason_stay_lines() {
    let (server, ids) = long_day().await;
    let grace = server.sign_in(&server.provider).await;
    for path in ["/".to_owned(), format!("/booking/{}", ids[20])] {
        let page = grace.get(&path).await.body;
        let before = page.split(REASON).next().filter(|before| before.len() < page.len());
        let tag = before.and_then(|before| before.rsplit('<').next()).unwrap_or_else(|| panic!("{path}: {page}"));
        assert!(tag.split('"').any(|class| class.split(' ').any(|word| word == "lines")), "{path}: {tag}");
    }
}
