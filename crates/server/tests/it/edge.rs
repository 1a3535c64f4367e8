//! The edge: client addresses, rate limits and connection limits.

use bedside::config::Network;
use bedside_visit::signalling::Command;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use crate::support::mail::MailServer;
use crate::support::provider::Provider;
use crate::support::{Page, Refused, Server, When, raw, soon};

/// Covers every rate-limited route, behind a reverse proxy.
#[tokio::test]
async fn over_a_proxy_each_client_has_a_limit_of_its_own_on_every_route() {
    let (mail, provider) = (MailServer::start().await, Provider::start().await);
    let (mail_config, oidc) = (mail.config(), provider.config());
    let server = Server::start_with(|config| {
        config.server.trusted_proxies = vec![Network::try_from("127.0.0.1".to_owned()).expect("an address")];
        config.mail = Some(mail_config);
        config.oidc = Some(oidc);
    })
    .await;
    let client = server.client();
    let ask = async |what: &str, n: usize, from: &str| {
        let request = match what {
            "provider" => client.request(Method::GET, "/sign-in/provider"),
            "passkey" => client.request(Method::POST, "/sign-in/passkey/options").json(&json!({})),
            "reset" => {
                let email = format!("user{n}@example.org");
                client.request(Method::POST, "/sign-in/forgotten").form(&[("email", &email)])
            }
            "token" => client.request(Method::POST, "/api/token").form(&[
                ("grant_type", "client_credentials"),
                ("client_id", &Uuid::now_v7().to_string()),
                ("client_secret", "wrong"),
            ]),
            other => panic!("{other}"),
        };
        request.header("x-forwarded-for", from).send().await.status
    };
    for what in ["provider", "passkey", "reset", "token"] {
        for n in 0..61 {
            let status = ask(what, n, &format!("198.51.100.{n}")).await;
            assert_ne!(status, 429, "{what}: request of client {n} is limited");
        }
        let of_one = futures_util::future::join_all((100..190).map(|n| ask(what, n, "203.0.113.7"))).await;
        assert!(of_one.contains(&429), "{what}: one client");
    }
}

async fn behind_a_proxy() -> Server {
    let proxy = Network::try_from("127.0.0.1".to_owned()).expect("an address");
    Server::start_with(|config| config.server.trusted_proxies = vec![proxy]).await
}

/// Returns how many of 90 sign-in attempts, each with its own `X-Forwarded-For`, were checked, and how many were
/// refused.
async fn tries(server: &Server, forwarded_for: impl Fn(usize) -> String) -> (usize, usize) {
    let client = server.client();
    // Too long to be hashed, so the check is quick.
    let password = "x".repeat(1025);
    let answers = futures_util::future::join_all((0..90).map(|n| {
        let email = format!("user{n}@example.org");
        let request = client.request(Method::POST, "/sign-in").header("x-forwarded-for", &forwarded_for(n));
        let request = request.form(&[("email", &email), ("password", &password)]);
        async move { request.send().await.status }
    }))
    .await;
    let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(200) + count(429), 90, "{answers:?}");
    (count(200), count(429))
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_tries_of_its_own() {
    let server = behind_a_proxy().await;
    let (_, slowed) = tries(&server, |n| format!("203.0.113.{n}, 198.51.100.7")).await;
    assert!(slowed >= 1, "addresses that a client puts before its own do not help");
    let (allowed, _) = tries(&server, |n| format!("2001:db8:0:{n:x}::1")).await;
    assert!(allowed >= 1, "other clients are not slowed down");
    let (allowed, slowed) = tries(&server, |n| format!("2001:db8:1:1::{n:x}")).await;
    assert!(slowed >= 1, "one network has {allowed} tries");
}

#[tokio::test]
async fn a_forwarded_address_from_an_untrusted_client_is_ignored() {
    let server = Server::start().await;
    let (allowed, slowed) = tries(&server, |n| format!("198.51.100.{n}")).await;
    assert!(allowed >= 60 && slowed >= 1, "60 a minute for the client's own address: {allowed} were allowed");
}

async fn connect(server: &Server, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("a loopback address");
    socket.connect(server.address).await.expect("the server listens")
}

/// Returns whether a connection is served.
async fn is_served(stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut head = [0; 12];
    soon("an answer, or the end of the connection", stream.read_exact(&mut head))
        .await
        .is_ok_and(|_| head == *b"HTTP/1.1 200")
}

/// Begins a request whose body is still missing.
async fn begin_request(server: &Server, stream: &mut TcpStream) {
    let head = format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        server.origin
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut head = [0; 12];
    soon("the body is asked for", stream.read_exact(&mut head)).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 100");
}

#[tokio::test]
async fn one_network_does_not_take_all_connections() {
    let server = Server::start_with(|config| {
        config.server.limits.connections = 4;
        config.server.limits.connections_per_network = 2;
    })
    .await;
    let (here, there, elsewhere) = ([127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]);
    let (mut one, mut two) = (connect(&server, here).await, connect(&server, here).await);
    begin_request(&server, &mut one).await;
    begin_request(&server, &mut two).await;
    assert!(!is_served(&mut connect(&server, here).await).await, "both of the network's connections are in use");
    let (mut three, mut four) = (connect(&server, there).await, connect(&server, there).await);
    begin_request(&server, &mut three).await;
    begin_request(&server, &mut four).await;
    assert!(!is_served(&mut connect(&server, elsewhere).await).await, "all connections are in use");
    drop(one);
    let again = async { while !is_served(&mut connect(&server, elsewhere).await).await {} };
    soon("the released connection", again).await;
}

#[tokio::test]
async fn idle_connections_keep_no_client_out() {
    let server = Server::start_with(|config| {
        config.server.limits.connections = 8;
        config.server.limits.connections_per_network = 4;
    })
    .await;
    let visit = server.book(When::Now).await;
    let ada = server.sign_in(&server.patient).await;
    let mut page = Page::open(&server, &ada, visit.id).await;
    // Eight networks hold connections without a request, or with half a request.
    let mut held = Vec::new();
    for network in 10..18 {
        for is_half in [false, true] {
            let mut stream = connect(&server, [127, 0, 0, network]).await;
            if is_half {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
            }
            held.push(stream);
        }
    }
    for network in 20..40 {
        assert!(is_served(&mut connect(&server, [127, 0, 0, network]).await).await, "network {network}");
    }
    page.command(Command::Enter).await.expect("its WebSocket is still open");
}

#[tokio::test]
async fn behind_a_proxy_connections_are_not_counted_as_one_networks() {
    let proxy = Network::try_from("127.0.0.0/8".to_owned()).expect("a network");
    let server = Server::start_with(|config| {
        config.server.trusted_proxies = vec![proxy];
        config.server.limits.connections_per_network = 1;
    })
    .await;
    let (mut one, mut two) = (connect(&server, [127, 0, 0, 1]).await, connect(&server, [127, 0, 0, 1]).await);
    assert!(is_served(&mut one).await && is_served(&mut two).await);
}

#[tokio::test]
async fn one_network_does_not_take_all_websockets() {
    let server = Server::start_with(|config| config.server.limits.websockets_per_network = 2).await;
    let visit = server.book(When::Now).await;
    let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
    let (one, _two) = (Page::open(&server, &ada, visit.id).await, Page::open(&server, &grace, visit.id).await);
    let path = format!("/api/appointments/{}/signalling", visit.id);
    let refused = Page::try_open(&server, &grace, &path, Some(&server.origin)).await.err();
    let Some(Refused::Status(503, body)) = refused else { panic!("{refused:?}") };
    assert!(body.contains("/problems/busy"), "{body}");
    one.close().await;
    let again = async { while Page::try_open(&server, &ada, &path, Some(&server.origin)).await.is_err() {} };
    soon("the released place", again).await;
}

#[tokio::test]
async fn the_size_of_request_heads_is_limited() {
    let server = Server::start().await;
    let with = |bytes: usize| {
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(bytes))
    };
    assert!(raw(&server, with(30_000)).await.starts_with("HTTP/1.1 200"));
    let answer = raw(&server, with(40_000)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let server = Server::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let answer = raw(&server, preface).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
}
