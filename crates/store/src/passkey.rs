//! Passkeys (WebAuthn credentials).

use bedside_visit::{Private, Timestamp, UserId};

/// A user's passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// The WebAuthn credential ID, 16 to 1023 bytes. Not a secret.
    pub credential_id: Vec<u8>,
    /// The user.
    pub user: UserId,
    /// The name the user gave it, 1–60 characters.
    pub name: Private<String>,
    /// Public key, signature counter and backup state, serialized by the server. Opaque to the store.
    pub credential: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub used_at: Option<Timestamp>,
}
