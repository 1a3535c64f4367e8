//! HTML pages: the right one for each role, readable without scripts, with a link onward.

use bedside_visit::signalling::Command;
use bedside_visit::view::Stage;
use reqwest::Method;

use crate::support::{Client, Page, Reply, Server, When};

fn assert_problem_page(reply: &Reply, status: u16, title: &str, way_out: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert!(reply.is_page(), "{reply:?}");
    assert!(reply.body.contains(&format!("<h1>{title}</h1>")), "{title}: {}", reply.body);
    assert!(reply.body.contains(&format!("href=\"{way_out}\"")), "{way_out}: {}", reply.body);
}

#[tokio::test]
async fn the_appointment_page_is_the_one_of_ones_role() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let ada = server.sign_in(&server.patient).await;
    let grace = server.sign_in(&server.provider).await;
    for (client, account, element, other) in [
        (&ada, &server.patient, "patient-video-call", "provider-video-call"),
        (&grace, &server.provider, "provider-video-call", "patient-video-call"),
    ] {
        let role = element.split('-').next().expect("a role");
        for path in [format!("/appointment/{id}"), format!("/video-call/{role}?appointmentId={id}")] {
            let page = client.get(&path).await;
            assert_eq!(page.status, 200, "{path}");
            let tag = format!(
                "<{element} appointment-id=\"{id}\" current-user-id=\"{}\" current-user-name=\"{}\"",
                account.id(),
                account.name()
            );
            assert!(page.body.contains(&tag), "{path}: {}", page.body);
            assert!(!page.body.contains(other), "{path}");
            assert!(page.body.contains("<noscript>"), "{path} says that JavaScript is needed");
        }
    }
}

#[tokio::test]
async fn the_page_of_the_other_role_is_refused_with_a_way_to_ones_own() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let ada = server.sign_in(&server.patient).await;
    let grace = server.sign_in(&server.provider).await;
    let own = format!("/appointment/{id}");
    let reply = ada.get(&format!("/video-call/provider?appointmentId={id}")).await;
    assert_problem_page(&reply, 403, "This page is for the provider of this visit", &own);
    let reply = grace.get(&format!("/video-call/patient?appointmentId={id}")).await;
    assert_problem_page(&reply, 403, "This page is for the patient of this visit", &own);
    assert_eq!(
        (ada.get(&own).await.status, grace.get(&own).await.status),
        (200, 200),
        "the link leads to the own page"
    );
}

#[tokio::test]
async fn a_call_page_without_an_appointment_says_so() {
    let server = Server::start().await;
    let signed_in = server.sign_in(&server.patient).await;
    for client in [&server.client(), &signed_in] {
        for path in ["/video-call/patient", "/video-call/provider", "/video-call/patient?appointmentId="] {
            assert_problem_page(&client.get(path).await, 400, "No appointment ID provided", "/");
        }
    }
}

#[tokio::test]
async fn foreign_appointments_are_not_found() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let missing = "0192d3a0-7c1e-7000-8000-000000000001";
    for account in [&server.other_patient, &server.other_provider] {
        let client = server.sign_in(account).await;
        for path in ["/appointment/{}", "/video-call/patient?appointmentId={}", "/video-call/provider?appointmentId={}"]
        {
            let foreign = client.get(&path.replace("{}", &id.to_string())).await;
            let absent = client.get(&path.replace("{}", missing)).await;
            let malformed = client.get(&path.replace("{}", "nonsense")).await;
            assert_problem_page(&foreign, 404, "Not found", "/");
            assert_eq!((foreign.status, &foreign.body), (absent.status, &absent.body), "{path}");
            assert_eq!((foreign.status, &foreign.body), (malformed.status, &malformed.body), "{path}");
        }
    }
}

#[tokio::test]
async fn early_late_and_cancelled_have_a_page_of_their_own() {
    let server = Server::start().await;
    let (later, earlier, off) =
        (server.book(When::Later).await, server.book(When::Earlier).await, server.book(When::Now).await);
    server.cancel(off.id).await;
    let ada = server.sign_in(&server.patient).await;
    let grace = server.sign_in(&server.provider).await;
    let page = |id| format!("/appointment/{id}");

    let early = ada.get(&page(later.id)).await;
    assert_problem_page(&early, 403, "It is a little early", "/");
    assert!(early.body.contains("It opens on <time datetime="), "{}", early.body);
    assert_eq!(grace.get(&page(later.id)).await.status, 200, "providers can open the visit at any time");
    for client in [&ada, &grace] {
        let late = client.get(&page(earlier.id)).await;
        assert_problem_page(&late, 403, "The time for this visit has passed", "/");
        let cancelled = client.get(&page(off.id)).await;
        assert_problem_page(&cancelled, 403, "This appointment was cancelled", "/");
    }
}

#[tokio::test]
async fn the_day_lists_only_ones_own_appointments() {
    let server = Server::start().await;
    server.clock.set_to_noon();
    let (now, later) = (server.book(When::Now).await, server.book(When::Later).await);
    let foreign = server.book_for(&server.other_patient.person, &server.other_provider.person, When::Now).await;
    server.cancel(later.id).await;
    let grace = server.sign_in(&server.provider).await;
    let day = grace.get("/").await;
    assert_eq!(day.status, 200);
    for wanted in [
        now.id.to_string(),
        later.id.to_string(),
        format!("href=\"/appointment/{}\"", now.id),
        "Ada Lovelace".to_owned(),
        "Blood pressure check".to_owned(),
        ">Cancelled<".to_owned(),
    ] {
        assert!(day.body.contains(&wanted), "{wanted}: {}", day.body);
    }
    assert!(!day.body.contains(&format!("href=\"/appointment/{}\"", later.id)), "there is no link to it");
    assert!(!day.body.contains(&foreign.id.to_string()));
    let james = server.sign_in(&server.other_provider).await;
    assert!(!james.get("/").await.body.contains(&now.id.to_string()));
}

#[tokio::test]
async fn the_day_shows_who_waits() {
    let server = Server::start().await;
    server.clock.set_to_noon();
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    assert!(grace.get("/").await.body.contains("data-waiting=\"0\""));
    let mut patient = Page::open(&server, &ada, visit.id).await;
    assert!(grace.get("/").await.body.contains(">Joining<"));
    patient.command(Command::Enter).await.expect("in");
    patient.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
    let day = grace.get("/").await;
    assert!(
        day.body.contains("data-waiting=\"1\"") && day.body.contains("badge--waiting\"><span>Waiting"),
        "{}",
        day.body
    );
    assert!(!ada.get("/").await.body.contains("badge--waiting"), "only providers see who is waiting");
}

#[tokio::test]
async fn an_empty_day_says_so() {
    let server = Server::start().await;
    let client = server.sign_in(&server.other_provider).await;
    assert!(client.get("/").await.body.contains("Nothing is booked for you today."));
}

/// Names can have any script and direction, and are never interpreted as markup.
#[tokio::test]
async fn names_of_all_kinds_are_shown_as_they_are() {
    let server = Server::start().await;
    server.clock.set_to_noon();
    let long = "Wolfeschlegelsteinhausenbergerdorff ".repeat(6).trim_end().chars().take(200).collect::<String>();
    let names =
        ["محمد بن موسى الخوارزمي", "עדה לאבלייס", "李 小龍 🩺", "<b>Bobby</b> \"Tables\" & 'Co'", long.as_str()];
    for name in names {
        let person = server.add_person(name, None).await.person;
        let visit = server.book_for(&person, &server.provider.person, When::Now).await;
        let client = server.client();
        let link = server.link(visit.id).await;
        let escaped = escape(name);
        let opened = client.get(&link.replace(&server.origin, "")).await;
        assert!(opened.body.contains(&format!("<bdi>{escaped}</bdi>")), "{name}: {}", opened.body);
        client.join_by_link(&link).await;
        let page = client.get(&format!("/appointment/{}", visit.id)).await;
        assert!(page.body.contains(&format!("current-user-name=\"{escaped}\"")), "{name}: {}", page.body);
    }
    let day = server.sign_in(&server.provider).await.get("/").await;
    for name in names {
        assert!(day.body.contains(&format!("<bdi>{}</bdi>", escape(name))), "{name}: {}", day.body);
    }
}

/// Escapes text like the templates.
fn escape(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}

#[tokio::test]
async fn an_address_that_nothing_answers_is_a_page_for_people_and_a_problem_for_programs() {
    let server = Server::start().await;
    let client = server.client();
    let as_person = |path: &'static str| client.request(Method::GET, path).header("accept", "text/html,*/*;q=0.8");
    for path in ["/nowhere", "/appointment", "/appointment/", "/video-call", "/v", "/assets"] {
        assert_problem_page(&as_person(path).send().await, 404, "Not found", "/");
        let plain = client.get(path).await;
        assert_eq!((plain.status, plain.problem().as_str()), (404, "not-found"), "{path}");
    }
    let api = as_person("/api/nowhere").send().await;
    assert_eq!((api.status, api.problem().as_str()), (404, "not-found"));
}

#[tokio::test]
async fn the_last_page_leads_back_for_those_who_have_a_link() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client: Client = server.client();
    let page = client.get("/ended").await;
    assert!(page.status == 200 && !page.body.contains("Go back to the visit"), "{}", page.body);
    client.join_by_link(&server.link(visit.id).await).await;
    let page = client.get("/ended").await;
    let back = format!("/video-call/patient?appointmentId={}", visit.id);
    assert!(page.body.contains(&format!("href=\"{back}\"")), "{}", page.body);
    assert_eq!(client.get(&back).await.status, 200);
    assert_eq!(client.get("/").await.location(), Some(back.as_str()), "their only visit is their home page");
}

/// Every state has a link that leads elsewhere.
#[tokio::test]
async fn a_link_patient_whose_visit_was_called_off_is_not_led_in_circles() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let client = server.client();
    client.join_by_link(&server.link(visit.id).await).await;
    server.cancel(visit.id).await;
    let refused = client.get(&format!("/video-call/patient?appointmentId={}", visit.id)).await;
    assert!(refused.body.contains("This appointment was cancelled"), "{}", refused.body);
    let way_out = refused.body.split("button--primary\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut path = way_out.expect("a link").to_owned();
    for _ in 0..3 {
        let reply = client.get(&path).await;
        match reply.location() {
            Some(next) => path = next.to_owned(),
            None => {
                assert_eq!(reply.status, 200, "the link leads to {path}: {}", reply.body);
                return;
            }
        }
    }
    panic!("the links lead to no page");
}

/// The page contains the API's data, and names cannot break out of it.
#[tokio::test]
async fn a_call_page_carries_the_appointment_safely() {
    let server = Server::start().await;
    let name = "</script><script>alert(1)</script>";
    let patient = server.add_person(name, None).await.person;
    let visit = server.book_for(&patient, &server.provider.person, When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let page = grace.get(&format!("/appointment/{}", visit.id)).await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let (_, rest) = page.body.split_once(r#"<script type="application/json">"#).expect("a data block");
    let (data, _) = rest.split_once("</script>").expect("an end");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    let api = grace.get(&format!("/api/appointments/{}", visit.id)).await.json();
    assert_eq!(data, api["data"]);
    assert_eq!(data["patient"]["name"], name);
}
