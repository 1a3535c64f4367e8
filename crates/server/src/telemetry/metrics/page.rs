//! The metrics endpoint.

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

use super::snapshot::Snapshot;
use crate::app::App;
use crate::http::edge::PeerIp;
use crate::http::error::Error;
use crate::pages::error::not_found;

/// The content type of OpenMetrics 1.0, which Prometheus requests.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`. Returns 404 to clients without access.
pub(crate) async fn show(State(app): State<App>, PeerIp(peer): PeerIp, uri: Uri, headers: HeaderMap) -> Response {
    if !app.metrics_access.admits(peer, &headers) {
        return not_found(State(app), uri, headers).await;
    }
    match written(&app).await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot encode metrics");
            Error::Internal.into_response()
        }
    }
}

async fn written(app: &App) -> Result<String, std::fmt::Error> {
    let mut now = Registry::default();
    now.register_collector(Box::new(Snapshot::take(app).await));
    let mut text = String::new();
    encode_registry(&mut text, &app.metrics_registry)?;
    encode_registry(&mut text, &now)?;
    encode_eof(&mut text)?;
    Ok(text)
}
