//! Request IDs. Each log line about a request has its ID, and the response names it, so that a user's report leads to
//! the log lines.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::app::clock::fresh_id;

/// The header of requests, which a reverse proxy may set, and of responses.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of an ID that is taken from a request, in bytes.
const LONGEST: usize = 64;

/// Middleware that gives each request a span with its ID, method and route. It wraps all other middleware. Paths are
/// not logged, because they contain IDs and link secrets.
pub(crate) async fn identify_requests(request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).filter(|id| is_plain(id.as_bytes())).cloned();
    let id = given.or_else(|| HeaderValue::try_from(fresh_id().to_string()).ok());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let text = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    // At the level of errors, so that their lines have the ID whatever level is configured.
    let span = tracing::error_span!("request", id = text, method = name_of(request.method()), route);
    let mut response = next.run(request).instrument(span).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Returns whether an ID cannot break a log line or carry a sentence.
fn is_plain(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Maps unknown methods to one name, because clients can invent them.
pub(crate) fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
