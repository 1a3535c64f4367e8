//! Invalid input: it is refused clearly, never causes a server error, and does not affect other users.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, Server, When, raw};

async fn assert_alive(server: &Server) {
    assert_eq!(server.client().get("/healthz").await.status, 200);
}

/// Origins that differ from that of a server on localhost's `port`, however similar they look.
pub(crate) fn foreign_origins(port: u16) -> Vec<Option<String>> {
    let mut origins = vec![None];
    origins.extend(
        [
            "null".to_owned(),
            String::new(),
            "https://evil.example".to_owned(),
            format!("https://localhost:{port}"),
            format!("ws://localhost:{port}"),
            "http://localhost".to_owned(),
            format!("http://localhost:{}", port ^ 1),
            format!("http://localhost:0{port}"),
            format!("http://sub.localhost:{port}"),
            format!("http://localhost.:{port}"),
            format!("http://localhost:{port}.evil.example"),
            format!("http://localhost:{port}@evil.example"),
            format!("http://evil@localhost:{port}"),
            format!("http://evil.example/http://localhost:{port}"),
            format!("http://evil.example#http://localhost:{port}"),
            format!("http://localhost:{port}/"),
            format!("HTTP://LOCALHOST:{port}"),
            format!("http://localhost:{port} http://evil.example"),
            format!("http://localhost:{port}, http://evil.example"),
            format!("http://[::1]:{port}"),
        ]
        .map(Some),
    );
    origins
}

/// Returns every route that changes state.
async fn unsafe_routes(server: &Server) -> Vec<String> {
    let visit = server.book(When::Now).await;
    let link = server.link(visit.id).await.replace(&server.origin, "");
    vec![
        "/sign-in".to_owned(),
        "/sign-out".to_owned(),
        link,
        "/demo/x".to_owned(),
        "/sign-in/forgotten".to_owned(),
        "/sign-in/passkey/options".to_owned(),
        "/sign-in/passkey".to_owned(),
        "/reset".to_owned(),
        "/account/passkeys/options".to_owned(),
        "/account/passkeys".to_owned(),
        "/account/passkeys/remove".to_owned(),
        "/account/provider".to_owned(),
        "/account/provider/remove".to_owned(),
        format!("/api/appointments/{}/invites", visit.id),
    ]
}

#[tokio::test]
async fn what_another_site_sends_is_refused_everywhere() {
    let server = Server::start().await;
    let grace = server.sign_in(&server.provider).await;
    let before = server.audit().await.len();
    let routes = unsafe_routes(&server).await;
    let made = server.audit().await.len();
    for path in &routes {
        let for_scripts = path.starts_with("/api/") || path.contains("passkey") && !path.ends_with("/remove");
        for origin in &foreign_origins(server.address.port()) {
            let request = grace.request(Method::POST, path).origin(origin.as_deref());
            let reply = if for_scripts {
                request.json(&json!({})).send().await
            } else {
                request.form(&[("email", "ada@example.org"), ("password", PASSWORD)]).send().await
            };
            assert_eq!(reply.status, 403, "{path} {origin:?}: {}", reply.body);
            if for_scripts {
                assert_eq!(reply.problem(), "cross-origin");
            } else {
                assert!(
                    reply.is_page() && reply.body.contains("This request came from another site"),
                    "{path}: {}",
                    reply.body
                );
                assert!(reply.body.contains("href=\"/\""), "the page has a link home: {}", reply.body);
            }
            assert!(reply.headers.get("set-cookie").is_none(), "{path} {origin:?}");
        }
    }
    // The browser's `Sec-Fetch-Site` counts in addition to the origin.
    for path in &routes {
        for site in ["cross-site", "same-site", "none", "SAME-ORIGIN", ""] {
            let blanked = grace.request(Method::POST, path).origin(None).header("sec-fetch-site", site).send().await;
            assert_eq!(blanked.status, 403, "{path} {site:?}");
        }
        for site in ["cross-site", "same-site", "other"] {
            let odd = grace.request(Method::POST, path).header("sec-fetch-site", site).send().await;
            assert_eq!(odd.status, 403, "{path} {site:?}");
        }
        let twice = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {0}\r\nOrigin: {0}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            server.origin
        );
        assert!(raw(&server, twice).await.starts_with("HTTP/1.1 403"), "{path}");
    }
    assert_eq!(server.audit().await.len(), made, "no request had an effect");
    assert!(made > before);
    assert_eq!(grace.get("/").await.status, 200, "still signed in");
    // For browsers that blank the `Origin` of a form, `Sec-Fetch-Site: same-origin` is sufficient.
    let own =
        grace.request(Method::POST, "/sign-out").origin(None).header("sec-fetch-site", "same-origin").send().await;
    assert_eq!(own.status, 303);
}

/// A reverse proxy that adds `Referrer-Policy: no-referrer` makes browsers send `Origin: null` with forms.
#[tokio::test]
async fn a_form_whose_origin_was_blanked_is_taken_from_our_own_page_alone() {
    let server = Server::start().await;
    let form = [("email", server.provider.email.as_str()), ("password", PASSWORD)];
    for (site, status) in [
        (Some("same-origin"), 303),
        (Some("cross-site"), 403),
        (Some("same-site"), 403),
        (Some("none"), 403),
        (None, 403),
    ] {
        let client = server.client();
        let mut request = client.request(Method::POST, "/sign-in").origin(Some("null")).form(&form);
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let reply = request.send().await;
        assert_eq!(reply.status, status, "{site:?}: {}", reply.body);
    }
}

#[tokio::test]
async fn other_methods_are_refused_by_name() {
    let server = Server::start().await;
    let grace = server.sign_in(&server.provider).await;
    let id = server.book(When::Now).await.id.to_string();
    let routes = [
        ("/", "GET,HEAD"),
        ("/sign-in", "GET,HEAD,POST"),
        ("/sign-out", "POST"),
        ("/v/x", "GET,HEAD,POST"),
        ("/appointment/{id}", "GET,HEAD"),
        ("/video-call/patient", "GET,HEAD"),
        ("/ended", "GET,HEAD"),
        ("/api", "GET,HEAD"),
        ("/api/appointments/{id}", "GET,HEAD"),
        ("/api/appointments/{id}/invites", "POST"),
        ("/api/appointments/{id}/signalling", "GET,HEAD"),
        ("/api/openapi.json", "GET,HEAD"),
        ("/assets/x", "GET,HEAD"),
        ("/livez", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
        ("/healthz", "GET,HEAD"),
    ];
    for (route, allowed) in routes {
        let path = route.replace("{id}", &id);
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let reply = grace.request(method.clone(), &path).send().await;
            assert_eq!(reply.status, 405, "{method} {path}: {}", reply.body);
            let allow: Vec<&str> =
                reply.header("allow").expect("an `Allow` header").split(',').map(str::trim).collect();
            assert_eq!(allow.join(","), allowed, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn invalid_forms_get_an_error_page() {
    let server = Server::start().await;
    let form = "application/x-www-form-urlencoded";
    let client = server.client();
    let cases: [(&'static str, Vec<u8>, u16); 9] = [
        (form, b"".to_vec(), 400),
        (form, b"email=a".to_vec(), 400),
        (form, b"password=a".to_vec(), 400),
        (form, b"email=a&email=b&password=c".to_vec(), 400),
        (form, b"email=%ff%fe&password=%00".to_vec(), 400),
        (form, vec![b'a'; 70_000], 413),
        ("application/json", br#"{"email":"ada@example.org","password":"x"}"#.to_vec(), 415),
        ("multipart/form-data", b"--x".to_vec(), 415),
        ("text/plain", b"email=ada@example.org&password=x".to_vec(), 415),
    ];
    for (media_type, body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = client.request(Method::POST, "/sign-in").body(media_type, body).send().await;
        assert_eq!(reply.status, status, "{media_type} {shown}: {}", reply.body);
        assert!(reply.is_page(), "{media_type} {shown}: {}", reply.body);
        assert!(reply.body.contains("href=\"/\""), "the page has a link home: {}", reply.body);
    }
}

#[tokio::test]
async fn invalid_queries_find_nothing() {
    let server = Server::start().await;
    let id = server.book(When::Now).await.id;
    let ada = server.sign_in(&server.patient).await;
    for query in [
        format!("appointmentId={id}&appointmentId={id}"),
        format!("appointmentId={id}&as=nobody"),
        format!("appointmentId={id}&as="),
        format!("appointmentId={id}%00"),
        "appointmentId=%ff".to_owned(),
        "appointmentId=../../etc/passwd".to_owned(),
        format!("appointmentId[]={id}"),
        format!("appointmentid={id}"),
    ] {
        let reply = ada.get(&format!("/video-call/patient?{query}")).await;
        assert!(matches!(reply.status, 400 | 404) && reply.is_page(), "{query}: {} {}", reply.status, reply.body);
    }
    for next in ["%ff", "%00", "a&next=b", &"x".repeat(5000)] {
        let reply = server.client().get(&format!("/sign-in?next={next}")).await;
        assert!(matches!(reply.status, 200 | 400) && reply.is_page(), "{next}: {} {}", reply.status, reply.body);
    }
}

#[tokio::test]
async fn invalid_cookies_do_not_authenticate() {
    let server = Server::start().await;
    let many = (0..200).map(|n| format!("c{n}=x")).collect::<Vec<_>>().join("; ");
    let cookies = [
        "bedside-session=".to_owned(),
        "bedside-session=x; bedside-session=y".to_owned(),
        format!("bedside-session={}", "A".repeat(43)),
        format!("bedside-session={}; bedside-visit={}", "'".repeat(43), "%00".repeat(14)),
        ";;;===".to_owned(),
        format!("bedside-session={}", "A".repeat(8000)),
        many,
    ];
    for cookie in cookies {
        let reply = server.client().request(Method::GET, "/api/appointments/x").header("cookie", &cookie).send().await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "not-signed-in"), "{cookie}");
    }
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: bedside-session=\xff\xfe\r\nConnection: close\r\n\r\n";
    let answer = raw(&server, request).await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused() {
    let server = Server::start().await;
    let huge = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let requests: [&[u8]; 10] = [
        b"\r\n\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        huge.as_bytes(),
        many.as_bytes(),
    ];
    for request in requests {
        let answer = raw(&server, request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
        assert!(refused, "{shown}: {answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(20_000));
    let answer = raw(&server, long).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{}", &answer[..answer.len().min(200)]);
    assert_alive(&server).await;
}
