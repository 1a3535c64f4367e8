//! With which key a program acted, and on whose behalf: in the audit log, and good for nothing else.

use bedside::{AuditFormat, NewKey, export_audit};
use bedside_visit::UserId;
use bedside_visit::permission::Grants;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Reply, Server, When};

const ALL: &str = "appointments:read appointments:write people:write";

async fn ask(server: &Server, key: &NewKey, person: &str) -> Reply {
    let fields = [("grant_type", "client_credentials"), ("on_behalf_of", person)];
    server.ask_token(key.client_id, key.client_secret.reveal(), &fields).await
}

/// A program's hands, on somebody's behalf.
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
async fn on_somebodys_behalf_a_program_may_no_more_than_by_itself() {
    let server = Server::start().await;
    let key = server.add_program("Portal", ALL).await;
    let theirs = server.book(When::Now).await;
    let program = acting(&server, &key, server.provider.id()).await;
    let path = format!("/api/appointments/{}", theirs.id);
    assert_eq!(program.get(&path).await.status, 404, "the provider's, and not the program's");
    assert_eq!(program.get("/account").await.status, 303, "no sign-in");
    let denied = server.audit().await.pop().expect("a line");
    assert_eq!((denied.action.as_str(), denied.on_behalf_of), ("access.denied", Some(server.provider.id())));
    let unknown = ask(&server, &key, &Uuid::now_v7().to_string()).await;
    assert_eq!(unknown.status, 200, "whether there is such a person is not told");
    for nobody in ["", "Ada"] {
        let reply = ask(&server, &key, nobody).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_request")), "{nobody}");
    }
}
