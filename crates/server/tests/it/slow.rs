//! Timeouts that operators cannot shorten. The tests wait for them in real time, all at once, for half a minute.

use bedside_visit::signalling::{Command, Refusal};
use bedside_visit::view::{Presence, Stage};

use crate::support::{Ending, PATIENCE, Page, Server, When, raw_until_closed, soon};

#[tokio::test]
async fn idle_and_slow_clients_time_out() {
    let server = Server::start().await;
    tokio::join!(
        body_that_does_not_come(&server),
        head_that_does_not_come(&server),
        connection_on_which_nothing_is_asked(&server),
        page_that_falls_silent(&server),
        page_whose_session_was_revoked(&server),
        command_that_cannot_be_saved(),
    );
    assert_eq!(server.client().get("/healthz").await.status, 200);
}

/// Takes 20 seconds.
async fn body_that_does_not_come(server: &Server) {
    let id = server.book(When::Now).await.id;
    let grace = server.sign_in(&server.provider).await;
    let api = format!("/api/appointments/{id}/invites");
    let one = |path: String, media_type: &str, answered: &'static str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nCookie: {}\r\nContent-Type: {media_type}\r\n\
             Content-Length: 100\r\nConnection: close\r\n\r\nx",
            server.origin,
            grace.cookie_header()
        );
        async move {
            let answer = raw_until_closed(server, head).await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
            assert!(answer.contains(&format!("content-type: {answered}")), "{path}: {answer}");
            assert!(answer.contains("The request took too long"), "{path}: {answer}");
            assert!(answer.contains("x-content-type-options: nosniff"), "{path}: {answer}");
        }
    };
    tokio::join!(
        one("/sign-in".to_owned(), "application/x-www-form-urlencoded", "text/html; charset=utf-8"),
        one(api, "application/json", "application/problem+json"),
    );
}

/// Takes 10 seconds.
async fn head_that_does_not_come(server: &Server) {
    let answer = raw_until_closed(server, "GET / HTTP/1.1\r\nHost: local").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// Takes 10 seconds, both before the first request and after one.
async fn connection_on_which_nothing_is_asked(server: &Server) {
    let silent = raw_until_closed(server, "");
    let idle = raw_until_closed(server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let both = async { tokio::join!(silent, idle) };
    let (silent, idle) = soon("both to be closed", both).await;
    assert!(silent.is_empty(), "{silent}");
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
}

/// Takes 15 seconds: browsers send a ping every 5 seconds.
async fn page_that_falls_silent(server: &Server) {
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let silent = Page::open(server, &ada, visit.id).await;
    let mut provider = Page::open(server, &grace, visit.id).await;
    assert!(matches!(provider.view.others[0].presence, Presence::Preparing { .. }));
    let gone = async {
        while provider.view.others[0].presence != Presence::Absent {
            provider.send_text(r#"{"type":"ping"}"#).await;
            provider.next().await.expect("the other page stays connected");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    soon("the silent page to be disconnected", gone).await;
    assert_eq!(provider.view.stage, Stage::Idle);
    drop(silent);
}

/// Takes 30 seconds: the session of an open page is verified again, whatever the page does.
async fn page_whose_session_was_revoked(server: &Server) {
    let visit = server.book(When::Now).await;
    let james = server.add_person("Dr. Elizabeth Blackwell", Some("elizabeth@example.org")).await;
    let visit = server.book_for(&visit.participants.patient, &james.person, When::Now).await;
    let client = server.sign_in(&james).await;
    let mut page = Page::open(server, &client, visit.id).await;
    server.disable(james.id()).await;
    let ended = async {
        loop {
            page.send_text(r#"{"type":"ping"}"#).await;
            if let Err(ending) = page.next().await {
                return ending;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    let ending = tokio::time::timeout(2 * PATIENCE, ended).await.expect("within half a minute");
    assert_eq!(ending, Ending::Code(4401));
}

/// Takes 5 seconds: another connection locks the database.
async fn command_that_cannot_be_saved() {
    let server = Server::start().await;
    let visit = server.book(When::Now).await;
    let grace = server.sign_in(&server.provider).await;
    let mut page = Page::open(&server, &grace, visit.id).await;
    let before = server.audit().await;
    let hog = server.store.begin().await.expect("a write lock on the database");
    assert_eq!(page.command(Command::Start).await, Err(Refusal::NotSaved));
    assert_eq!(page.view.stage, Stage::Idle, "a command that was not saved has no effect");
    drop(hog);
    assert_eq!(server.audit().await, before);
    page.command(Command::Start).await.expect("the command succeeds when repeated");
    page.until("calling", |view| matches!(view.stage, Stage::Calling { .. })).await;
}
