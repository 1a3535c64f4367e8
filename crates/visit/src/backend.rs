//! Call backends, which carry the media of a visit. A backend never decides who may join.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The service that carries the media of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum CallBackend {
    /// Bedside's own SFU.
    #[default]
    Embedded,
    /// The clinic's CometChat account.
    CometChat,
}

/// The text does not name a call backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown call backend")]
pub struct UnknownCallBackend;

impl CallBackend {
    /// Returns the name used on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::CometChat => "cometchat",
        }
    }
}

impl fmt::Display for CallBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CallBackend {
    type Err = UnknownCallBackend;

    fn from_str(text: &str) -> Result<Self, UnknownCallBackend> {
        [Self::Embedded, Self::CometChat].into_iter().find(|backend| backend.as_str() == text).ok_or(UnknownCallBackend)
    }
}
