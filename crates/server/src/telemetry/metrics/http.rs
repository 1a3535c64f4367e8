//! HTTP request metrics: counts and latencies.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use bedside_visit::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::App;

/// Histogram bounds, in seconds.
const DURATIONS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Requests by route pattern. Never by request path, because paths contain IDs and link secrets.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

impl Default for Requests {
    fn default() -> Self {
        Self { answered: Family::default(), seconds: Family::new_with_constructor(|| Histogram::new(DURATIONS)) }
    }
}

impl Requests {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("bedside_http_requests", "HTTP requests", self.answered.clone());
        let seconds = self.seconds.clone();
        registry.register("bedside_http_request_duration_seconds", "Time until the response head is sent", seconds);
    }
}

/// When a request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived(pub(crate) Timestamp);

/// Middleware that counts and times all requests. It wraps all other middleware.
pub(crate) async fn count_requests(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let requests = &app.metrics.http;
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = name_of(request.method());
    request.extensions_mut().insert(Arrived(app.clock.now()));
    let begun = now();
    let response = next.run(request).await;
    requests.seconds.get_or_create(&Route { route: route.clone() }).observe(begun.elapsed().as_secs_f64());
    let status = class_of(response.status().as_u16());
    requests.answered.get_or_create(&Answered { route, method, status }).inc();
    response
}

/// Maps unknown methods to one label to bound cardinality.
fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

fn class_of(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[expect(clippy::disallowed_methods, reason = "measured for display only; no decision depends on it")]
fn now() -> Instant {
    Instant::now()
}
