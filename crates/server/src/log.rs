//! What is logged.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The levels asked for, such as `info` or `bedside=debug`; `info` if they cannot be read.
///
/// The tracing of the WebSocket library is never among them, nor that of the passkeys': they write whole messages, with
/// names and keys.
#[must_use]
pub fn log_filter(levels: &str) -> EnvFilter {
    let filter =
        EnvFilter::try_new(levels).unwrap_or_else(|_| EnvFilter::default().add_directive(LevelFilter::INFO.into()));
    ["tungstenite=info", "tokio_tungstenite=info", "webauthn_rs=off", "webauthn_rs_core=off"]
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive)
}
