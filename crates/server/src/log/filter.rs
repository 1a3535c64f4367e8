//! Log filtering: keeps personal data and secrets out of the logs.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

/// Libraries whose tracing writes secrets, and what of it does not: the WebSocket library writes whole messages, with names
/// and keys, so does that of passkeys, and the ICE library the passwords that media connections begin with.
const TALKATIVE: [(&str, LevelFilter); 5] = [
    ("tungstenite", LevelFilter::INFO),
    ("tokio_tungstenite", LevelFilter::INFO),
    ("is", LevelFilter::INFO),
    ("webauthn_rs", LevelFilter::OFF),
    ("webauthn_rs_core", LevelFilter::OFF),
];

/// The levels asked for, such as `info` or `bedside=debug`; `info` if they cannot be read.
///
/// What a library writes that would write secrets is never among them, whatever is asked for.
pub fn log_filter<S: Subscriber + for<'a> LookupSpan<'a>>(levels: &str) -> impl Filter<S> + use<S> {
    let asked =
        EnvFilter::try_new(levels).unwrap_or_else(|_| EnvFilter::default().add_directive(LevelFilter::INFO.into()));
    asked.and(filter_fn(|event| *event.level() <= harmless(event.target())))
}

fn harmless(target: &str) -> LevelFilter {
    let library = target.split("::").next().unwrap_or_default();
    TALKATIVE.iter().find(|(talkative, _)| *talkative == library).map_or(LevelFilter::TRACE, |(_, level)| *level)
}
