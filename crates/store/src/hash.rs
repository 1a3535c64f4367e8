//! Hashes of tokens. Tokens themselves are never stored.

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

            /// Returns the bytes.
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
    /// The SHA-256 of a session token. A separate type, so that it cannot be passed as an [`InviteHash`].
    SessionHash
);
token_hash!(
    /// The SHA-256 of an InviteToken, the secret in a patient link.
    InviteHash
);
token_hash!(
    /// The SHA-256 of an idempotency key or of a request's content.
    RequestHash
);
token_hash!(
    /// The SHA-256 of the secret of a client key.
    ClientKeyHash
);
token_hash!(
    /// The SHA-256 of the token in a password reset link.
    ResetHash
);
