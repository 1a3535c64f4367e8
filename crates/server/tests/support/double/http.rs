//! Routes REST requests, and sends the CORS headers that browsers need.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State as Held};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Fault, Shared, accounts, calls, line, lock, xmpp};

/// Status and body.
pub(super) type Answer = (StatusCode, Value);

pub(super) fn data(value: Value) -> Answer {
    (StatusCode::OK, json!({ "data": value }))
}

pub(super) fn refuse(status: StatusCode, code: &str) -> Answer {
    (status, json!({ "error": { "code": code, "message": code, "devMessage": code, "source": "chat-api" } }))
}

pub(super) fn router(state: Shared) -> Router {
    Router::new().fallback(take).with_state(state)
}

async fn take(Held(state): Held<Shared>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) if parts.uri.path() == "/xmpp-websocket" => {
                upgrade.protocols(["xmpp"]).on_upgrade(|socket| xmpp::run(state, socket))
            }
            Ok(upgrade) => upgrade.on_upgrade(|socket| line::run(state, socket)),
            Err(refused) => refused.into_response(),
        };
    }
    if parts.method == "OPTIONS" {
        return allowed(StatusCode::NO_CONTENT.into_response(), &parts.headers);
    }
    let bytes: Bytes = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let path = parts.uri.path();
    if let Some(path) = path.strip_prefix("/v3/") {
        let fault = lock(&state).faults.pop_front();
        if let Some(fault) = fault {
            return broken(fault).await;
        }
        let (status, body) = accounts::answer(&mut lock(&state), &parts.method, path, &parts.headers, &body);
        return (status, axum::Json(body)).into_response();
    }
    let path = path.strip_prefix("/v3.0/").unwrap_or(path);
    let (status, body) = calls::answer(&mut lock(&state), &parts.method, path, &parts.headers, &body);
    allowed((status, axum::Json(body)).into_response(), &parts.headers)
}

async fn broken(fault: Fault) -> Response {
    match fault {
        Fault::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Fault::Refusal(status, code) => {
            let (status, body) = refuse(StatusCode::from_u16(status).expect("a status"), code);
            (status, axum::Json(body)).into_response()
        }
        Fault::TooMany(seconds) => {
            let (_, body) = refuse(StatusCode::TOO_MANY_REQUESTS, "ERR_TOO_MANY_REQUESTS");
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], axum::Json(body))
                .into_response()
        }
        Fault::Silence => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
    }
}

/// The SDKs run in pages of another origin (Fetch, "CORS protocol").
fn allowed(mut response: Response, asked: &HeaderMap) -> Response {
    let wanted = asked.get("access-control-request-headers").cloned().unwrap_or(HeaderValue::from_static("*"));
    let headers = response.headers_mut();
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-allow-methods", HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"));
    headers.insert(HeaderName::from_static("access-control-allow-headers"), wanted);
    response
}
