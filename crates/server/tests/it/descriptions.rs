//! What the program publishes about itself: OpenAPI, the API's page, health checks, and the browser client's files.

use std::path::Path;

use serde_json::Value;

use crate::support::{Server, raw};

/// Returns the API's routes as defined in the router: everything below `/api/`.
fn api_routes() -> Vec<(String, &'static str)> {
    let mut routes = Vec::new();
    for line in include_str!("../../src/http/router.rs").lines() {
        let Some(rest) = line.trim().strip_prefix(".route(\"/api/") else { continue };
        let (path, handlers) = rest.split_once('"').expect("a path");
        // Webhooks are described by the service that sends them.
        if path.starts_with("webhooks/") {
            continue;
        }
        for method in ["get", "post", "put", "delete"] {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(").{method}(")) {
                routes.push((format!("/api/{path}"), method));
            }
        }
    }
    assert!(routes.len() >= 4, "{routes:?}");
    routes
}

#[tokio::test]
async fn openapi_describes_every_route() {
    let server = Server::start().await;
    let reply = server.client().get("/api/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let api = reply.json();
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", api["openapi"]);
    for member in ["/info/title", "/info/version", "/info/description", "/components/schemas/Problem"] {
        assert!(api.pointer(member).is_some(), "{member}");
    }
    for (path, method) in api_routes() {
        if path == "/api/openapi.json" {
            continue;
        }
        let operation = &api["paths"][&path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        assert!(operation["summary"].as_str().is_some_and(|words| !words.is_empty()), "{path}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(!responses.is_empty(), "{path}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|words| !words.is_empty()), "{path} {status}");
            if status.starts_with('4') {
                // RFC 6749, section 5.2, defines its own media type.
                let is_oauth = path == "/api/token" && ["400", "401"].contains(&status.as_str());
                let media_type = if is_oauth { "application/json" } else { "application/problem+json" };
                assert!(response["content"][media_type].is_object(), "{path} {status}");
            }
        }
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().expect("parameters");
            let named = parameters.iter().find(|parameter| parameter["name"] == name).expect("the path's parameter");
            assert_eq!((&named["in"], &named["required"]), (&Value::from("path"), &Value::from(true)));
        }
    }
    let described = api["paths"].as_object().expect("paths").keys();
    let routes: Vec<String> = api_routes().into_iter().map(|(path, _)| path).collect();
    for path in described {
        assert!(routes.contains(path), "{path} is described but does not exist");
    }
    resolve(&api, &api);
}

/// Checks that every reference resolves.
fn resolve(api: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("a reference inside this document");
                assert!(api.pointer(pointer).is_some(), "{reference}");
            }
            members.values().for_each(|member| resolve(api, member));
        }
        Value::Array(items) => items.iter().for_each(|item| resolve(api, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_apis_page_is_for_people() {
    let server = Server::start().await;
    let page = server.client().get("/api").await;
    assert!(page.status == 200 && page.is_page(), "{}", page.body);
    for (path, method) in api_routes() {
        let heading = format!("<code>{} {path}</code>", method.to_uppercase());
        assert!(path == "/api/openapi.json" || page.body.contains(&heading), "{heading}: {}", page.body);
    }
    assert!(page.body.contains("href=\"/api/openapi.json\""));
    for kind in ["not-signed-in", "not-found", "wrong-role", "cross-origin", "too-many-attempts", "internal"] {
        assert!(page.body.contains(&format!("<code>/problems/{kind}</code>")), "{kind}");
    }
}

#[tokio::test]
async fn health_checks_answer_ok() {
    let server = Server::start().await;
    for path in ["/livez", "/readyz"] {
        let reply = server.client().get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok\n"), "{path}");
    }
}

/// Tests run from checkouts with and without a built browser client.
#[tokio::test]
async fn pages_name_the_built_client_or_say_that_there_is_none() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist/manifest.json");
    let built = std::fs::read(&manifest).ok();
    let server = Server::start().await;
    let client = server.client();
    let page = client.get("/sign-in").await;
    let Some(built) = built else {
        assert!(page.body.contains("The browser client is not built"), "{}", page.body);
        return;
    };
    assert!(!page.body.contains("The browser client is not built"), "{}", page.body);
    let names: Value = serde_json::from_slice(&built).expect("JSON");
    for (plain, media_type) in [("site.css", "text/css; charset=utf-8"), ("site.js", "text/javascript; charset=utf-8")]
    {
        let address = format!("/assets/{}", names[plain].as_str().expect("a name"));
        assert!(page.body.contains(&format!("\"{address}\"")), "{address}: {}", page.body);
        let file = client.get(&address).await;
        assert_eq!((file.status, file.header("content-type")), (200, Some(media_type)), "{address}");
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn nothing_but_the_clients_files_is_served() {
    let server = Server::start().await;
    let tricks = [
        "/assets/none.js",
        "/assets/",
        "/assets/.",
        "/assets/..",
        "/assets/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/assets/..%2fpackage.json",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/%2e%2e%2f%2e%2e%2fCargo.toml",
        "/assets/..%5c..%5cCargo.toml",
        "/assets/%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/site.css%00.js",
        "/assets/%ff",
        "/assets/.%2f..%2f..%2fCargo.toml",
    ];
    for path in tricks {
        let answer = raw(&server, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let status = answer.split(' ').nth(1).expect("a status").to_owned();
        assert!(status == "404" || status == "400", "{path}: {answer}");
        assert!(!answer.contains("[workspace]") && !answer.contains("root:"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
}
