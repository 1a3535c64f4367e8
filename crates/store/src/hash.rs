//! Tokens as they are stored: only their hashes.

use std::fmt;

macro_rules! token_hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps a SHA-256.
            #[must_use]
            pub const fn new(hash: [u8; 32]) -> Self {
                Self(hash)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(hash: [u8; 32]) -> Self {
                Self(hash)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("(hash)")
            }
        }
    };
}

token_hash!(
    /// The SHA-256 of a session's token. A type of its own, so that it cannot be passed for an
    /// [`InviteHash`].
    SessionHash
);
token_hash!(
    /// The SHA-256 of an InviteToken, the secret in a patient link.
    InviteHash
);
token_hash!(
    /// The SHA-256 of what names a request that is done once, or of what it asks for.
    RequestHash
);
token_hash!(
    /// The SHA-256 of the secret in a client key.
    ClientKeyHash
);
token_hash!(
    /// The SHA-256 of the token in a link with which somebody sets a new password.
    ResetHash
);
