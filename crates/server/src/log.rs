//! What is logged.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

/// Libraries whose tracing writes secrets: the WebSocket library whole messages, with names and keys, and the ICE
/// library the passwords that media connections begin with.
const TALKATIVE: [&str; 3] = ["tungstenite", "tokio_tungstenite", "is"];

/// The levels asked for, such as `info` or `bedside=debug`; `info` if they cannot be read.
///
/// What a library writes that would write secrets is never among them, whatever is asked for.
pub fn log_filter<S: Subscriber + for<'a> LookupSpan<'a>>(levels: &str) -> impl Filter<S> + use<S> {
    let asked =
        EnvFilter::try_new(levels).unwrap_or_else(|_| EnvFilter::default().add_directive(LevelFilter::INFO.into()));
    asked.and(filter_fn(|event| *event.level() <= Level::INFO || !is_talkative(event.target())))
}

fn is_talkative(target: &str) -> bool {
    TALKATIVE.contains(&target.split("::").next().unwrap_or_default())
}
