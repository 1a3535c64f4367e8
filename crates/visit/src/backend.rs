//! Who carries the media of a visit. It never decides who may join.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who carries the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum CallBackend {
    /// Bedside's own media server.
    #[default]
    Embedded,
    /// An account of the clinic's at CometChat.
    CometChat,
}

/// A text that is no call backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown call backend")]
pub struct UnknownCallBackend;

impl CallBackend {
    /// The word used on the wire and in the database.
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
