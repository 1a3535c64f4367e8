//! HTTP request metrics: counts and latencies.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Histogram bounds, in seconds.
const DURATIONS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Requests by route pattern. Never by request path, because paths contain IDs and link secrets.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
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

    /// Counts a request.
    pub(crate) fn count(&self, route: String, method: &'static str, status: u16, took: Duration) {
        self.seconds.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.answered.get_or_create(&Answered { route, method, status: class_of(status) }).inc();
    }
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
