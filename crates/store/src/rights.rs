//! Tracks permission revocations.

use bedside_visit::UserId;

/// Events since an epoch that may have revoked permissions: a session ended, a user was disabled, a clinic role
/// changed, a companion was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightChanges {
    /// The current epoch.
    pub epoch: i64,
    /// The users affected, once per event. `None` if there were too many events to list; any user may be affected.
    pub of: Option<Vec<UserId>>,
}
