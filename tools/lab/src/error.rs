use std::io;

/// An error that ends the lab.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// This machine cannot provide the network.
    #[error("the lab cannot run on this machine: {0}")]
    Unavailable(String),
    /// A command failed.
    #[error("`{command}`: {why}")]
    Command { command: String, why: String },
    /// A system call failed.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// A browser, a page or the server is not in the state required for measuring.
    #[error("{0}")]
    Stuck(String),
}

impl LabError {
    /// For `map_err`: adds what was attempted to the system's error.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what: what.into(), source }
    }
}
