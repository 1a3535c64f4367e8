use std::io;

/// Why the lab cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// This machine cannot have such a network.
    #[error("no lab here: {0}")]
    Unavailable(String),
    /// A program said no.
    #[error("`{command}`: {why}")]
    Command { command: String, why: String },
    /// The operating system said no.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// A browser, a page or the program did not do what it must before anything is measured.
    #[error("{0}")]
    Stuck(String),
}

impl LabError {
    /// For `map_err`: what was tried, with the system's reason.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what: what.into(), source }
    }
}
