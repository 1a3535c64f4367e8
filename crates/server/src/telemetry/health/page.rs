//! Handlers of `GET /livez`, `GET /readyz` and `GET /healthz`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};

use super::Status;
use crate::app::App;
use crate::http::edge::PeerIp;
use crate::http::error::not_serving;

/// Handles `GET /livez`. Checks nothing else, because an orchestrator must not kill a process that is draining or whose
/// disk is full.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Handles `GET /readyz`: whether the instance accepts new visits.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    if app.hub.is_stopping() {
        return not_serving("stopping\n");
    }
    match app.health.report(&app).await.worst() {
        Status::Ok | Status::Degraded => "ok\n".into_response(),
        Status::Failing => not_serving("failing\n"),
    }
}

/// Handles `GET /healthz`: all details for clients that may read `/metrics`, a single word for others.
pub(crate) async fn report(State(app): State<App>, PeerIp(peer): PeerIp, headers: HeaderMap) -> Response {
    let report = app.health.report(&app).await;
    let stopping = app.hub.is_stopping();
    let word = if stopping { "stopping" } else { report.worst().as_str() };
    let body = if app.metrics_access.admits(peer, &headers) {
        Json(report.to_json(word)).into_response()
    } else {
        format!("{word}\n").into_response()
    };
    if stopping || report.worst() == Status::Failing { not_serving(body) } else { body }
}
