//! CometChat errors and their remedies.

/// Why a CometChat request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CometChatError {
    /// No response within the time limit, after retries.
    #[error("CometChat cannot be reached ({0})")]
    Unreachable(String),
    /// The rate limit was reached, after retries.
    #[error("CometChat rate limit reached")]
    Busy,
    /// The key is unknown, or belongs to another app or region.
    #[error("CometChat does not accept the API key for this app and region ({0})")]
    WrongKey(String),
    /// The key does not have the required permission.
    #[error("the CometChat API key lacks a permission ({0})")]
    NoAccess(String),
    /// The account's plan does not include the feature.
    #[error("the CometChat plan does not include this feature ({0})")]
    Plan(String),
    /// The user does not exist or is deactivated.
    #[error("the user does not exist at CometChat")]
    NoUser,
    /// The user already exists.
    #[error("the user already exists at CometChat")]
    UserExists,
    /// Any other error code returned by CometChat.
    #[error("CometChat refused the request: {0}")]
    Refused(String),
    /// A response that does not match CometChat's documentation.
    #[error("unexpected response from CometChat ({0})")]
    Unexpected(String),
}

impl CometChatError {
    /// Returns what an operator can do about the error.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "Check cometchat.region, and that this machine can reach *.cometchat.io on port 443."
            }
            Self::Busy => "Wait, or ask CometChat for a higher limit. The free plan allows 500 requests per minute.",
            Self::WrongKey(_) => {
                "Check cometchat.app_id, cometchat.region and cometchat.api_key against the app's dashboard."
            }
            Self::NoAccess(_) => "Use the REST API key (scope fullAccess), not the auth key.",
            Self::Plan(_) => "Check the plan and its limits in CometChat's dashboard.",
            Self::NoUser | Self::UserExists | Self::Refused(_) | Self::Unexpected(_) => {
                "Try again. If the error persists, send the code to CometChat's support."
            }
        }
    }

    /// Classifies a CometChat error code, with the HTTP status as a fallback.
    pub(super) fn of(status: u16, code: &str) -> Self {
        match (code, status) {
            ("ERR_UID_ALREADY_EXISTS", _) | (_, 409) => Self::UserExists,
            ("ERR_UID_NOT_FOUND", _) => Self::NoUser,
            ("ERR_TOO_MANY_REQUESTS", _) | (_, 429) => Self::Busy,
            (
                "AUTH_ERR_APIKEY_NOT_FOUND"
                | "AUTH_ERR_EMPTY_APIKEY"
                | "AUTH_ERR_EMPTY_APPID"
                | "AUTH_ERR_INVALID_APPID",
                _,
            ) => Self::WrongKey(code.to_owned()),
            ("AUTH_ERR_NO_ACCESS", _) => Self::NoAccess(code.to_owned()),
            ("ERR_PLAN_RESTRICTION" | "ERR_SUBSCRIPTION_EXPIRED" | "ERR_PLAN_QUOTA_RESTRICTION", _) => {
                Self::Plan(code.to_owned())
            }
            ("", 401 | 403) => Self::WrongKey(format!("HTTP {status}")),
            ("", _) => Self::Unexpected(format!("HTTP {status}")),
            _ => Self::Refused(code.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_user_is_told_by_code_or_by_status() {
        assert_eq!(CometChatError::of(400, "ERR_UID_ALREADY_EXISTS"), CometChatError::UserExists);
        assert_eq!(CometChatError::of(409, "ERR_SOMETHING_NEW"), CometChatError::UserExists);
        assert_eq!(CometChatError::of(400, "ERR_BAD_REQUEST"), CometChatError::Refused("ERR_BAD_REQUEST".to_owned()));
    }
}
