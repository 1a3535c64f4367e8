//! The security headers that every response has.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::desk::{Desk, Serving, free_port};
use crate::matrix::routes_of_the_router;
use crate::support::{Client, Page, Reply, Server, When, raw};

const FIXED: [(&str, &str); 5] = [
    ("cross-origin-embedder-policy", "require-corp"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Permissions that a call needs, and the most significant ones that it does not need.
const PERMISSIONS: [&str; 8] = [
    "camera=(self)",
    "microphone=(self)",
    "display-capture=(self)",
    "screen-wake-lock=(self)",
    "geolocation=()",
    "payment=()",
    "usb=()",
    "clipboard-read=()",
];

fn assert_secure(what: &str, headers: &HeaderMap) {
    for (name, value) in FIXED {
        let all: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{what}: {name}");
    }
    let policy = headers.get("content-security-policy").unwrap_or_else(|| panic!("{what}")).to_str().expect("text");
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split("; ").any(|part| part.trim() == directive), "{what}: {directive} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    let permissions = headers.get("permissions-policy").unwrap_or_else(|| panic!("{what}")).to_str().expect("text");
    let permissions: Vec<&str> = permissions.split(", ").collect();
    assert!(PERMISSIONS.iter().all(|one| permissions.contains(one)), "{what}: {permissions:?}");
    let is_restricted = |one: &&str| one.ends_with("=(self)") || one.ends_with("=()");
    assert!(permissions.iter().all(is_restricted), "{what}: {permissions:?}");
    assert!(headers.contains_key("cache-control"), "{what}");
    assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"), "{what}");
    assert!(!headers.contains_key("access-control-allow-origin"), "{what}: other origins cannot read it");
}

async fn answers(server: &Server) -> Vec<(&'static str, Reply)> {
    let visit = server.book(When::Now).await;
    let (later, path) = (server.book(When::Later).await, format!("/api/appointments/{}", visit.id));
    let link = server.link(visit.id).await.replace(&server.origin, "");
    let (anonymous, grace) = (server.client(), server.sign_in(&server.provider).await);
    let ada = server.sign_in(&server.patient).await;
    let page = format!("/appointment/{}", visit.id);
    let invites = format!("{path}/invites");
    vec![
        ("day", grace.get("/").await),
        ("to sign-in", anonymous.get("/").await),
        ("sign-in", anonymous.get("/sign-in").await),
        ("wrong password", anonymous.try_sign_in("x@example.org", "x").await),
        ("signed in", server.client().try_sign_in("james@example.org", crate::support::PASSWORD).await),
        ("link for a password", anonymous.get(&format!("/reset/{}", "A".repeat(43))).await),
        ("no link for a password", anonymous.get("/reset").await),
        ("passkeys", anonymous.post_json("/sign-in/passkey/options", &json!({})).await),
        ("no provider", anonymous.get("/sign-in/provider").await),
        ("link", anonymous.get(&link).await),
        ("joined", server.client().post(&link, &[]).await),
        ("used link", server.client().get(&link).await),
        ("call page", grace.get(&page).await),
        ("early", ada.get(&format!("/appointment/{}", later.id)).await),
        ("wrong role", ada.get(&format!("/video-call/provider?appointmentId={}", visit.id)).await),
        ("no id", ada.get("/video-call/patient").await),
        ("last page", anonymous.get("/ended").await),
        ("API's page", anonymous.get("/api").await),
        ("demo", anonymous.get("/demo/x").await),
        ("appointment", grace.get(&path).await),
        ("not signed in", anonymous.get(&path).await),
        ("new link", grace.post_json(&invites, &json!({})).await),
        ("malformed", grace.request(Method::POST, &invites).body("application/json", "{").send().await),
        ("wrong type", grace.request(Method::POST, &invites).body("text/plain", "").send().await),
        ("too large", grace.request(Method::POST, &invites).body("application/json", "x".repeat(70_000)).send().await),
        ("wrong method", grace.request(Method::DELETE, &path).send().await),
        ("other site", grace.request(Method::POST, &invites).origin(Some("https://evil.example")).send().await),
        ("no WebSocket", grace.get(&format!("{path}/signalling")).await),
        ("OpenAPI", anonymous.get("/api/openapi.json").await),
        ("no asset", anonymous.get("/assets/none.js").await),
        ("health", anonymous.get("/healthz").await),
        ("metrics", anonymous.get("/metrics").await),
        ("no metrics", anonymous.request(Method::GET, "/metrics").header("x-forwarded-for", "192.0.2.1").send().await),
        ("nothing", anonymous.get("/nothing").await),
        ("options", anonymous.request(Method::OPTIONS, "/").send().await),
        ("head", anonymous.request(Method::HEAD, "/sign-in").send().await),
        ("signed out", ada.post("/sign-out", &[]).await),
    ]
}

#[tokio::test]
async fn every_answer_carries_them() {
    let server = Server::start().await;
    for (what, reply) in answers(&server).await {
        assert_secure(what, &reply.headers);
        assert!(reply.header("strict-transport-security").is_none(), "{what}: not over http");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
    }
}

/// Every route and method, requested by every kind of client for existing and missing resources, with valid and invalid
/// requests: all responses.
#[tokio::test]
async fn every_answer_of_every_route_carries_them() {
    let server = Server::start_with(|config| config.server.limits.websockets_per_network = 1).await;
    let visit = server.book(When::Now).await;
    let link = server.link(visit.id).await.replace(&server.origin, "");
    let token = link.rsplit('/').next().expect("a secret").to_owned();
    let grace = server.sign_in(&server.provider).await;
    let by_link = server.client();
    by_link.join_by_link(&server.link(visit.id).await).await;
    let (anonymous, ada) = (server.client(), server.sign_in(&server.patient).await);
    let asset =
        grace.get("/").await.body.split("/assets/").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let paths: BTreeSet<String> =
        routes_of_the_router().iter().map(|route| route.split_once(' ').expect("a path").1.to_owned()).collect();
    let mut seen = BTreeSet::new();
    let mut check = |what: &str, reply: &Reply| {
        assert_secure(what, &reply.headers);
        let is_file = what.contains("/assets/") && reply.status == 200;
        let kept = if is_file { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(reply.header("cache-control"), Some(kept), "{what}");
        seen.insert(reply.status);
    };
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"];
    for path in paths.iter().map(String::as_str).chain(["/nothing", "/api/nothing", "/assets/", "/%ff"]) {
        let there = path.replace("{id}", &visit.id.to_string()).replace("{token}", &token);
        let there = there.replace("{name}", asset.as_deref().unwrap_or("none.js"));
        let not_there = path.replace("{id}", "nonsense").replace("{token}", "x").replace("{name}", "none.js");
        for (method, client) in
            methods.iter().flat_map(|method| [&anonymous, &grace, &ada].map(|client| (method, client)))
        {
            for address in [&there, &not_there] {
                // Cookies that one request changes do not affect the next one.
                let client = client.with_same_cookies();
                let request = || client.request(Method::from_bytes(method.as_bytes()).expect("a method"), address);
                let what = format!("{method} {address}");
                check(&what, &request().send().await);
                if *method == "POST" {
                    check(&what, &request().json(&json!({})).send().await);
                    check(&what, &request().form(&[("email", "x"), ("password", "x")]).send().await);
                    check(&what, &request().body("application/json", "{").send().await);
                    check(&what, &request().body("text/plain", "x").send().await);
                    check(&what, &request().body("application/x-www-form-urlencoded", "x".repeat(70_000)).send().await);
                    check(&what, &request().origin(Some("https://evil.example")).send().await);
                }
            }
        }
    }
    let too_long = "x".repeat(1025);
    for n in 0..70 {
        check("POST /sign-in", &anonymous.try_sign_in(&format!("n{n}@example.org"), &too_long).await);
    }
    // Idle pages are closed soon, so the page is opened when it is needed.
    let _page = Page::open(&server, &by_link, visit.id).await;
    let opening = grace.request(Method::GET, &format!("/api/appointments/{}/signalling", visit.id));
    let opening =
        opening.header("connection", "upgrade").header("upgrade", "websocket").header("origin", &server.origin);
    let opening = opening.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    check("a second WebSocket", &opening.send().await);
    server.store.close().await;
    for path in &paths {
        check(&format!("{path} without a database"), &ada.get(&path.replace("{id}", &visit.id.to_string())).await);
    }
    for status in [200, 303, 400, 401, 403, 404, 405, 413, 415, 429, 500, 503] {
        assert!(seen.contains(&status), "{status} is not among {seen:?}");
    }
}

#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there() {
    let server = Server::start_with(|config| config.server.public_url = "https://visits.example.org".to_owned()).await;
    for (what, reply) in answers(&server).await {
        assert_secure(what, &reply.headers);
        let strict = reply.header("strict-transport-security");
        assert_eq!(strict, Some("max-age=31536000; includeSubDomains"), "{what}");
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.contains("connect-src 'self' wss://visits.example.org;"), "{what}: {policy}");
    }
}

#[tokio::test]
async fn the_opening_of_a_websocket_carries_them_too() {
    let server = Server::start().await;
    let request = |origin: &str| {
        format!(
            "GET /api/appointments/x/signalling HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n\r\n"
        )
    };
    let opened = raw(&server, request(&server.origin)).await;
    assert!(opened.starts_with("HTTP/1.1 101"), "{opened}");
    for (name, value) in FIXED {
        assert!(opened.contains(&format!("{name}: {value}\r\n")), "{name}: {opened}");
    }
    assert!(opened.contains("permissions-policy: camera=(self), "), "{opened}");
}

/// Pages contain nothing inline that the policy would have to allow.
#[tokio::test]
async fn pages_have_no_script_or_style_in_them() {
    let server = Server::start().await;
    for (what, reply) in answers(&server).await {
        if !reply.is_page() {
            continue;
        }
        for (at, _) in reply.body.match_indices("<script") {
            let tag = reply.body[at..].split('>').next().expect("a tag");
            let is_data = tag == r#"<script type="application/json""#;
            assert!(is_data || tag.contains("src=\"/assets/"), "{what}: {tag}");
        }
        for inline in ["<style", " style=\"", " onclick=", " onload=", " onsubmit=", "javascript:", "http-equiv"] {
            assert!(!reply.body.contains(inline), "{what}: {inline}");
        }
    }
}

#[tokio::test]
async fn each_response_has_a_request_id_and_a_plain_one_is_kept() {
    let server = Server::start().await;
    let client = server.client();
    let id = |reply: &Reply| reply.header("x-request-id").expect("an ID").to_owned();
    let first = id(&client.get("/sign-in").await);
    assert_eq!(first.len(), 36, "{first}");
    assert_ne!(id(&client.get("/nothing-here").await), first);
    let asks = |given: &'static str| client.request(Method::GET, "/livez").header("x-request-id", given).send();
    assert_eq!(id(&asks("proxy-7.2_A").await), "proxy-7.2_A");
    for wrong in ["", "a b", "ada@example.org", &*"x".repeat(65).leak()] {
        assert_eq!(id(&asks(wrong).await).len(), 36, "{wrong:?}");
    }
}

/// The level of the log does not matter. The line is a warning.
#[tokio::test]
async fn a_log_line_has_the_id_of_its_request_and_the_route_without_secrets() {
    for levels in ["info", "warn"] {
        let (desk, port) = (Desk::new(), free_port());
        let file = desk.path("log");
        let log = std::fs::File::create(&file).expect("a file");
        let serving = Serving::start_saying(&desk, &["serve"], port, levels, log.into());
        let client = Client::new(&serving);
        let link = format!("/v/{}", "A".repeat(43));
        let refused = client.request(Method::POST, &link).header("x-request-id", "report-1");
        assert_eq!(refused.origin(Some("https://evil.example")).send().await.status, 403);
        serving.terminate();
        let log = std::fs::read_to_string(&file).expect("text");
        let line = log.lines().find(|line| line.contains("cross-origin request refused")).expect("a line");
        assert!(line.contains("request{id=\"report-1\" method=\"POST\" route=\"/v/{token}\"}"), "{line}");
        assert!(!log.contains("AAAA"), "{log}");
    }
}
