use std::io;

/// An error that prevents a measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// This machine lacks a requirement.
    #[error("{0}")]
    Unavailable(String),
    /// A command failed.
    #[error("`{command}`: {why}")]
    Command { command: String, why: String },
    /// A system call failed.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// A server is not in the state required for measuring.
    #[error("{0}")]
    Server(String),
}

impl BenchError {
    /// For `map_err`: adds what was attempted to the system's error.
    pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what: what.into(), source: source.into() }
    }

    /// For `map_err`: adds what was requested of a server to its error.
    pub(crate) fn server<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |error| Self::Server(format!("{}: {error}", what.into()))
    }
}
