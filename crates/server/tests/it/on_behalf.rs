//! Actions of integrators on behalf of users: the audit log names the key and the user, and authorization is not
//! widened.

use bedside::{AuditFormat, NewKey, export_audit};
use bedside_visit::UserId;
use bedside_visit::permission::{ClinicRole, Grants};
use bedside_visit::signalling::Command;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Page, Reply, Server, When};

const ALL: &str = "appointments:read appointments:write people:write";

async fn ask(server: &Server, key: &NewKey, person: &str) -> Reply {
    let fields = [("grant_type", "client_credentials"), ("on_behalf_of", person)];
    server.ask_token(key.client_id, key.client_secret.reveal(), &fields).await
}

/// Returns a client for an integrator that acts on behalf of a user.
async fn acting(server: &Server, key: &NewKey, person: UserId) -> Client {
    let reply = ask(server, key, &person.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    server.client().with_token(reply.json()["access_token"].as_str().expect("a token"))
}

#[tokio::test]
async fn the_log_says_with_which_key_and_on_whose_behalf() {
    let server = Server::start().await;
    let first = server.add_program("Portal", ALL).await;
    let write = Grants { write: true, ..Grants::default() };
    let second = server.operator().new_key(first.user, write).await.expect("another key");
    let visit = server.book_by(Some(first.user), &server.patient.person, &server.provider.person, When::Now).await;
    let before = server.audit().await.len();
    let ada = server.patient.id();
    let link = format!("/api/appointments/{}/invites", visit.id);
    assert_eq!(acting(&server, &first, ada).await.post_json(&link, &json!({})).await.status, 200);
    assert_eq!(server.program(&second).await.post_json(&link, &json!({})).await.status, 200);
    let cancel = format!("/api/appointments/{}/cancel", visit.id);
    assert_eq!(acting(&server, &second, ada).await.post_json(&cancel, &json!({})).await.status, 200);
    server.sign_in(&server.provider).await;

    let log = server.audit().await.into_iter().skip(before).filter(|row| row.action != "appointment.viewed");
    let log: Vec<_> = log.map(|row| (row.action, row.actor, row.client, row.on_behalf_of)).collect();
    let line = |action: &str, key: &NewKey, person| (action.to_owned(), Some(key.user), Some(key.client_id), person);
    let expected = [
        line("token.issued", &first, Some(ada)),
        line("invite.created", &first, Some(ada)),
        line("token.issued", &second, None),
        line("invite.created", &second, None),
        line("token.issued", &second, Some(ada)),
        line("appointment.cancelled", &second, Some(ada)),
        ("session.signed_in".to_owned(), Some(server.provider.id()), None, None),
    ];
    assert_eq!(log, expected);

    let mut out = Vec::new();
    export_audit(&*server.store, AuditFormat::Fhir, 0, &mut out).await.expect("exported");
    let events = String::from_utf8(out).expect("text");
    let mut events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let called_off = events.find(|event| event["subtype"][0]["code"] == "appointment.cancelled").expect("an event");
    let agents = called_off["agent"].as_array().expect("agents");
    let who = |at: usize| agents[at]["who"]["identifier"]["value"].as_str().map(str::to_owned);
    assert_eq!((who(0), who(1), agents.len()), (Some(first.user.to_string()), Some(ada.to_string()), 2));
    assert_eq!(agents[0]["altId"], second.client_id.to_string());
    assert_eq!((&agents[0]["requestor"], &agents[1]["requestor"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn acting_on_behalf_of_a_user_does_not_extend_an_integrators_rights() {
    let server = Server::start().await;
    let key = server.add_program("Portal", ALL).await;
    let theirs = server.book(When::Now).await;
    let program = acting(&server, &key, server.provider.id()).await;
    let path = format!("/api/appointments/{}", theirs.id);
    assert_eq!(program.get(&path).await.status, 404, "it belongs to the provider, not to the integrator");
    assert_eq!(program.get("/account").await.status, 303, "an access token is no browser session");
    let denied = server.audit().await.pop().expect("a line");
    assert_eq!((denied.action.as_str(), denied.on_behalf_of), ("access.denied", Some(server.provider.id())));
    let unknown = ask(&server, &key, &Uuid::now_v7().to_string()).await;
    assert_eq!(unknown.status, 200, "the response does not reveal whether the user exists");
    for invalid in ["", "Ada"] {
        let reply = ask(&server, &key, invalid).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_request")), "{invalid}");
    }
}

#[tokio::test]
async fn each_line_of_a_links_session_names_who_made_the_link() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let dorothy = server.add_clerk("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await;
    let clerk = server.sign_in(&dorothy).await;
    let made = clerk.post_json(&format!("/api/appointments/{}/invites", visit.id), &json!({})).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let link = made.json()["data"]["url"].as_str().expect("a link").to_owned();

    let before = server.audit().await.len();
    let patient = server.client();
    patient.join_by_link(&link).await;
    let mut page = Page::open(&server, &patient, visit.id).await;
    page.command(Command::Enter).await.expect("in");
    let lines: Vec<_> = server.audit().await.into_iter().skip(before).collect();
    let ada = Some(server.patient.id());
    let opened = &lines[0];
    assert_eq!((opened.action.as_str(), opened.detail.as_deref()), ("appointment.viewed", Some("link")));
    assert_eq!((opened.actor, opened.subject), (None, ada), "the page of a link shows a name and a time");
    let of_session: Vec<_> = lines.iter().skip(1).collect();
    assert!(of_session.iter().any(|row| row.action == "invite.used"), "{of_session:?}");
    assert!(of_session.iter().any(|row| row.action.starts_with("visit.")), "{of_session:?}");
    for row in of_session {
        assert_eq!((row.actor, row.link_made_by), (ada, Some(dorothy.id())), "{row:?}");
    }

    // The same link on the staff member's own device is another device, which the provider sees and the log records.
    let grace = server.sign_in(&server.provider).await;
    let mut provider = Page::open(&server, &grace, visit.id).await;
    assert_eq!(provider.view.others[0].device_changed, None);
    let again = server.link(visit.id).await;
    let elsewhere = server.client();
    elsewhere.join_by_link(&again).await;
    let _page = Page::open(&server, &elsewhere, visit.id).await;
    provider.until("the other device", |view| view.others[0].device_changed.is_some()).await;
    let changed = server.audit().await.into_iter().find(|row| row.action == "visit.device_changed").expect("a line");
    assert_eq!((changed.actor, changed.link_made_by), (ada, None), "the operator made this link");
}
