//! The signalling WebSocket: authorization, messages and close codes.

use bedside_visit::signalling::{
    ClientMessage, Command, MAX_CLIENT_MESSAGE, MediaFailure, Refusal, Sdp, ServerMessage, Watched,
};
use bedside_visit::view::Stage;
use bedside_visit::{AppointmentId, DeviceCheck, Layer};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::bad_input::foreign_origins;
use crate::support::{Client, Ending, Page, Refused, Server, When, raw};

async fn open(server: &Server, client: &Client, id: AppointmentId, origin: Option<&str>) -> Result<Page, Refused> {
    Page::try_open(server, client, &format!("/api/appointments/{id}/signalling"), origin).await
}

async fn provider_page() -> (Server, Page) {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let page = Page::open(&server, &grace, visit.id).await;
    (server, page)
}

fn detail(message: ServerMessage) -> String {
    let ServerMessage::Malformed { detail } = message else { panic!("malformed, not {message:?}") };
    detail
}

#[tokio::test]
async fn pages_of_other_sites_open_nothing() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let port = server.address.port();
    for origin in foreign_origins(port) {
        let refused = open(&server, &grace, visit.id, origin.as_deref()).await.err();
        let Some(Refused::Status(403, body)) = refused else { panic!("{origin:?}: {refused:?}") };
        assert!(body.contains("/problems/cross-origin"), "{origin:?}: {body}");
    }
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 101)] {
        let opening = format!(
            "GET /api/appointments/{}/signalling HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {}\r\nCookie: {}\r\n\
             Sec-Fetch-Site: {site}\r\n\r\n",
            visit.id,
            server.origin,
            grace.cookie_header()
        );
        let answer = raw(&server, opening).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{site}: {answer}");
    }
    open(&server, &grace, visit.id, Some(&format!("http://127.0.0.1:{port}")))
        .await
        .expect("127.0.0.1 counts as localhost");
}

#[tokio::test]
async fn unauthorized_websockets_get_a_close_code() {
    let server = Server::start().await;
    let (now, later, earlier) =
        (server.book(When::Now).await, server.book(When::Later).await, server.book(When::Earlier).await);
    let ada = server.sign_in(&server.patient).await;
    let mary = server.sign_in(&server.other_patient).await;
    let missing = "0192d3a0-7c1e-7000-8000-000000000001".parse().expect("an id");
    for (who, client, id, code) in [
        ("anonymous", &server.client(), now.id, 4401),
        ("a stranger", &mary, now.id, 4403),
        ("a stranger", &mary, missing, 4403),
        ("anonymous", &server.client(), missing, 4401),
        ("early", &ada, later.id, 4403),
        ("late", &ada, earlier.id, 4403),
    ] {
        let refused = open(&server, client, id, Some(&server.origin)).await.err();
        assert_eq!(refused, Some(Refused::Ended(Ending::Code(code))), "{who} {id}");
    }
    let path = "/api/appointments/nonsense/signalling";
    let refused = Page::try_open(&server, &ada, path, Some(&server.origin)).await.err();
    assert_eq!(refused, Some(Refused::Ended(Ending::Code(4403))));
}

#[tokio::test]
async fn a_provider_may_start_early_and_the_patient_waits() {
    let server = Server::start().await;
    let visit = server.book(When::Later).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    page.command(Command::Start).await.expect("providers can start at any time");
}

#[tokio::test]
async fn pings_are_answered() {
    let (_server, mut page) = provider_page().await;
    page.send(&ClientMessage::Ping).await;
    assert_eq!(page.other().await, ServerMessage::Pong);
}

#[tokio::test]
async fn malformed_messages_are_reported_and_the_connection_stays_open() {
    let (_server, mut page) = provider_page().await;
    let bad = [
        "",
        "x",
        "{",
        "null",
        "[]",
        "\u{0}",
        "{\"type\":\"nothing\"}",
        "{\"type\":\"ping\",\"type\":\"ping\"}",
        "{\"type\":\"command\"}",
        "{\"type\":\"command\",\"id\":\"\",\"command\":{\"name\":\"start\"}}",
        "{\"type\":\"command\",\"id\":\"a b\",\"command\":{\"name\":\"start\"}}",
        "{\"type\":\"offer\",\"peer\":-1,\"sdp\":\"\"}",
        "{\"type\":\"offer\",\"peer\":4294967296,\"sdp\":\"\"}",
        "{\"type\":\"watch\"}",
        "{\"type\":\"watch\",\"pictures\":[{\"user\":\"x\",\"most\":\"f\"}]}",
        "{\"type\":\"watch\",\"pictures\":[{\"user\":\"0192d3a0-7c1e-7000-8000-000000000001\",\"most\":\"x\"}]}",
        "{\"type\":\"watch\",\"pictures\":[{\"user\":\"0192d3a0-7c1e-7000-8000-000000000001\",\"most\":\"f\",\"as\":\"x\"}]}",
    ];
    for text in bad {
        page.send_text(text).await;
        let detail = detail(page.other().await);
        assert!(!detail.is_empty(), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    page.send_text(&deep).await;
    detail(page.other().await);
    let long_id = json!({"type": "command", "id": "x".repeat(65), "command": {"name": "start"}});
    page.send_text(&long_id.to_string()).await;
    detail(page.other().await);
    assert_eq!(page.view.stage, Stage::Idle, "none of the messages had an effect");
    page.command(Command::Start).await.expect("the connection is still open");
}

/// Otherwise its page would wait for an answer, and its user would not learn that it was not done.
#[tokio::test]
async fn a_command_that_cannot_be_read_is_refused_under_its_id() {
    let (_server, mut page) = provider_page().await;
    let long = json!({"name": "say", "text": "x".repeat(2_001)}).to_string();
    let commands = [
        r#"{"name":"become_admin"}"#,
        r#""start""#,
        r#"{"name":"set_media","microphone":"yes","camera":true}"#,
        r#"{"name":"set_media","microphone":true,"camera":true,"user":"x"}"#,
        r#"{"name":"say","text":" \n "}"#,
        r#"{"name":"say","text":7}"#,
        &long,
        r#"{"name":"start"},"as":"provider""#,
    ];
    for (number, command) in commands.iter().enumerate() {
        let id = format!("bad-{number}");
        page.send_text(&format!(r#"{{"type":"command","id":"{id}","command":{command}}}"#)).await;
        assert_eq!(refused(&mut page).await, (id, Refusal::Malformed), "{command}");
    }
    assert_eq!(page.view.stage, Stage::Idle, "none of the messages had an effect");
    page.command(Command::Start).await.expect("the connection is still open");
    let table = "Aspirin\t100 mg\r\nRamipril\t5 mg";
    let say = json!({"type": "command", "id": "table", "command": {"name": "say", "text": table}});
    page.send_text(&say.to_string()).await;
    page.until("the message", |view| view.messages.len() == 1).await;
    assert_eq!(page.view.messages[0].text.reveal(), "Aspirin\t100 mg\nRamipril\t5 mg");
}

async fn refused(page: &mut Page) -> (String, Refusal) {
    loop {
        if let ServerMessage::Refused { id, refusal } = page.next().await.expect("an answer") {
            return (id.as_str().to_owned(), refusal);
        }
    }
}

/// A snapshot contains all messages of a visit, and must fit into a WebSocket message for a new page to open.
#[tokio::test]
async fn however_much_is_written_a_fresh_page_opens_and_others_can_write() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (_, guest) = server.companion(visit.id, "Gabi", "guest").await;
    let mut writer = Page::open(&server, &guest, visit.id).await;
    writer.command(Command::Enter).await.expect("in");
    let text = || bedside_visit::ChatText::try_from("😀".repeat(2_000)).expect("a text");
    let mut written = 0;
    let full = loop {
        match writer.command(Command::Say { text: text() }).await {
            Ok(()) => written += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(full, Refusal::Full);
    assert!((10..100).contains(&written), "{written} messages of 8,000 bytes");
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    assert_eq!(page.view.messages.len(), written);
    page.command(Command::Start).await.expect("started");
    page.command(Command::Say { text: text() }).await.expect("the provider has a separate share");
}

#[tokio::test]
async fn unexpected_fields_grant_nothing() {
    let (server, mut page) = provider_page().await;
    let check = r#"{"browser":"works","camera":"works","microphone":"works","heard":true,"x":1}"#;
    for text in [
        format!(r#"{{"type":"command","id":"a","command":{{"name":"report_check","check":{check}}}}}"#),
        r#"{"type":"command","id":"a","command":{"name":"start"},"user":"x"}"#.to_owned(),
    ] {
        page.send_text(&text).await;
        assert_eq!(refused(&mut page).await, ("a".to_owned(), Refusal::Malformed));
    }
    page.send_text(r#"{"type":"offer","peer":1,"sdp":"v=0","admitted":true}"#).await;
    detail(page.other().await);
    // Commands without fields ignore other fields beside their name.
    page.send_text(r#"{"type":"command","id":"b","command":{"name":"decline","role":"patient"}}"#).await;
    assert_eq!(refused(&mut page).await.1, Refusal::WrongRole, "the client cannot choose its role");
    drop(server);
}

#[tokio::test]
async fn a_binary_message_ends_it() {
    let (_server, mut page) = provider_page().await;
    page.send_raw(Message::binary(vec![0, 1, 2])).await;
    assert_eq!(page.ending().await, Ending::Code(4409));
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_it_and_one_that_just_fits_does_not() {
    let (server, mut page) = provider_page().await;
    let fitting = "x".repeat(MAX_CLIENT_MESSAGE);
    page.send_text(&fitting).await;
    detail(page.other().await);
    page.send_text(&"x".repeat(MAX_CLIENT_MESSAGE + 1)).await;
    assert!(matches!(page.ending().await, Ending::Dropped | Ending::Code(1009)));
    drop(server);
}

#[tokio::test]
async fn a_flood_ends_it_and_the_page_may_come_back() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let mut other = Page::open(&server, &ada, visit.id).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    page.command(Command::Start).await.expect("started");
    for _ in 0..400 {
        page.send(&ClientMessage::Ping).await;
    }
    assert_eq!(page.ending().await, Ending::Code(4409));
    other.command(Command::Enter).await.expect("other pages are not affected");
    let page = Page::open(&server, &grace, visit.id).await;
    assert!(matches!(page.view.stage, Stage::Connected { .. }), "{:?}", page.view.stage);
}

#[tokio::test]
async fn the_same_command_again_is_acknowledged_again_and_done_once() {
    let (server, mut page) = provider_page().await;
    page.command_with_id("one", Command::Start).await.expect("started");
    page.until("calling", |view| matches!(view.stage, Stage::Calling { .. })).await;
    page.command_with_id("two", Command::Cancel).await.expect("cancelled");
    page.until("idle", |view| view.stage == Stage::Idle).await;
    page.command_with_id("one", Command::Start).await.expect("acknowledged");
    page.command_with_id("two", Command::Cancel).await.expect("acknowledged, although there is nothing to cancel");
    assert_eq!(page.view.stage, Stage::Idle);
    assert_eq!(page.command_with_id("three", Command::Cancel).await, Err(Refusal::NotNow));
    let log = server.audit().await;
    for action in ["visit.started", "visit.call_cancelled"] {
        assert_eq!(log.iter().filter(|row| row.action == action).count(), 1, "{action}");
    }
}

#[tokio::test]
async fn an_acknowledged_command_is_not_done_again_after_a_reconnect() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    page.command_with_id("start", Command::Start).await.expect("started");
    page.command_with_id("cancel", Command::Cancel).await.expect("cancelled");
    drop(page);
    let mut page = Page::open(&server, &grace, visit.id).await;
    page.command_with_id("start", Command::Start).await.expect("acknowledged");
    assert_eq!(page.view.stage, Stage::Idle, "the repeated command has no effect");
}

#[tokio::test]
async fn an_invalid_offer_is_refused_and_the_connection_stays_open() {
    let (_server, mut page) = provider_page().await;
    for (peer, sdp) in [(1, ""), (2, "v=0"), (3, "\u{0}\r\n"), (4, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")]
    {
        page.send(&ClientMessage::Offer { peer, sdp: Sdp(sdp.to_owned()) }).await;
        assert_eq!(page.other().await, ServerMessage::MediaFailed { peer, reason: MediaFailure::BadOffer }, "{sdp:?}");
    }
    page.command(Command::ReportCheck { check: DeviceCheck::default() }).await.expect("the connection is still open");
}

#[tokio::test]
async fn how_large_others_are_shown_may_be_said_of_anybody_and_is_not_answered() {
    let (_server, mut page) = provider_page().await;
    let stranger = "0192d3a0-7c1e-7000-8000-000000000001".parse().expect("an id");
    let watched = |user, most| Watched { user, most };
    let patient = page.view.others[0].user;
    for pictures in [
        vec![],
        vec![watched(patient, Some(Layer::Quarter)), watched(stranger, None)],
        vec![watched(patient, None); 1_000],
    ] {
        page.send(&ClientMessage::Watch { pictures }).await;
    }
    page.send(&ClientMessage::Ping).await;
    assert_eq!(page.other().await, ServerMessage::Pong);
}

#[tokio::test]
async fn an_offer_after_the_cancellation_is_not_allowed() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    server.cancel(visit.id).await;
    page.send(&ClientMessage::Offer { peer: 7, sdp: Sdp("v=0".to_owned()) }).await;
    let expected = ServerMessage::MediaFailed { peer: 7, reason: MediaFailure::NotAllowed };
    assert_eq!(page.other().await, expected);
}
