use std::io;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// This machine lacks what is needed.
    #[error("{0}")]
    Unavailable(String),
    /// A program said no.
    #[error("`{command}`: {why}")]
    Command { command: String, why: String },
    /// The operating system said no.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// A server did not do what it must before anything is measured.
    #[error("{0}")]
    Server(String),
}

impl BenchError {
    /// For `map_err`: what was tried, with the system's reason.
    pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what: what.into(), source: source.into() }
    }

    /// For `map_err`: what was asked of a server, and what came of it.
    pub(crate) fn server<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |error| Self::Server(format!("{}: {error}", what.into()))
    }
}
