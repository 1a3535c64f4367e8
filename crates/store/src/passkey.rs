//! Passkeys: keys that people's devices hold for them.

use bedside_visit::{Private, Timestamp, UserId};

/// The public half of a key that somebody's device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// The device's name for it, 16 to 1023 bytes. No secret.
    pub credential_id: Vec<u8>,
    /// Whose.
    pub user: UserId,
    /// What they call it, 1–60 characters.
    pub name: Private<String>,
    /// Public key, counter and backup state. The program alone reads it.
    pub credential: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody last signed in with it.
    pub used_at: Option<Timestamp>,
}
