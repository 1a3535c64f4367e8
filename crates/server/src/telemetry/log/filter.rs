//! Log filtering: keeps personal data and secrets out of the logs.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

/// Libraries that log secrets at verbose levels, with the highest safe level. The WebSocket library logs whole
/// messages, including names and keys, and so does the passkey library. The ICE library logs the passwords of media
/// connections.
const TALKATIVE: [(&str, LevelFilter); 5] = [
    ("tungstenite", LevelFilter::INFO),
    ("tokio_tungstenite", LevelFilter::INFO),
    ("is", LevelFilter::INFO),
    ("webauthn_rs", LevelFilter::OFF),
    ("webauthn_rs_core", LevelFilter::OFF),
];

/// Creates the filter for the given levels, such as `info` or `bedside=debug`. Falls back to `info` if they cannot be
/// parsed.
///
/// Levels at which a library would log secrets are excluded regardless of the given levels.
pub fn log_filter<S: Subscriber + for<'a> LookupSpan<'a>>(levels: &str) -> impl Filter<S> + use<S> {
    let asked =
        EnvFilter::try_new(levels).unwrap_or_else(|_| EnvFilter::default().add_directive(LevelFilter::INFO.into()));
    asked.and(filter_fn(|event| *event.level() <= harmless(event.target())))
}

fn harmless(target: &str) -> LevelFilter {
    let library = target.split("::").next().unwrap_or_default();
    TALKATIVE.iter().find(|(talkative, _)| *talkative == library).map_or(LevelFilter::TRACE, |(_, level)| *level)
}
