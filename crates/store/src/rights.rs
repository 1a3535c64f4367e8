//! Whose rights may have gone.

use bedside_visit::UserId;

/// What may have taken somebody's right away since an epoch: a session that ended, somebody who was shut out or is
/// something else in the clinic, a companion who was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightChanges {
    /// The epoch now.
    pub epoch: i64,
    /// Whose, each as often as it happened. `None`: too much has happened to tell; it may be anybody's.
    pub of: Option<Vec<UserId>>,
}
