//! Counts and times requests.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bedside_visit::Timestamp;

use crate::app::App;
use crate::http::request_id::name_of;

/// When a request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived(pub(crate) Timestamp);

/// Middleware that counts and times all requests. It wraps all other middleware except the one that names
/// requests.
pub(crate) async fn count_requests(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = name_of(request.method());
    request.extensions_mut().insert(Arrived(app.clock.now()));
    let begun = now();
    let response = next.run(request).await;
    app.metrics.http.count(route, method, response.status().as_u16(), begun.elapsed());
    response
}

#[expect(clippy::disallowed_methods, reason = "measured for display only; no decision depends on it")]
fn now() -> Instant {
    Instant::now()
}
