//! The hash of an audit row.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 of an audit row and, through the hash of the row before it, of all earlier rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash([u8; 32]);

/// The text is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 hexadecimal digits")]
pub struct NoHash;

impl AuditHash {
    /// The hash before the first row.
    pub const NONE: Self = Self([0; 32]);

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

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for AuditHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoHash);
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(NoHash)?;
        }
        Ok(Self(hash))
    }
}
