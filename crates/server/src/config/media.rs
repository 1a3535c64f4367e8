//! Placeholder.

/// Media.
#[derive(Debug, Clone)]
pub struct MediaConfig;
