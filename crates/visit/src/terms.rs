//! The clinic's terms for video visits, and users' consent to them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId, VisitId};

/// Identifies one version of the terms: 32 hexadecimal digits derived from language and text. Changing the text changes
/// the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct TermsId(u128);

/// The text is not a terms identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("terms are named by 32 hexadecimal digits")]
pub struct InvalidTermsId;

impl TermsId {
    /// Creates an identifier from the first half of a SHA-256 hash.
    #[must_use]
    pub const fn new(hash: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(hash))
    }
}

impl fmt::Display for TermsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TermsId {
    type Err = InvalidTermsId;

    fn from_str(text: &str) -> Result<Self, InvalidTermsId> {
        let ours = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !ours {
            return Err(InvalidTermsId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidTermsId)
    }
}

impl TryFrom<String> for TermsId {
    type Error = InvalidTermsId;

    fn try_from(text: String) -> Result<Self, InvalidTermsId> {
        text.parse()
    }
}

impl From<TermsId> for String {
    fn from(id: TermsId) -> Self {
        id.to_string()
    }
}

/// A consent that was given and has not been withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// When it was given.
    pub at: Timestamp,
    /// The terms consented to.
    pub terms: TermsId,
}

/// One consent given or withdrawn. Written once and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentRecord {
    /// The visit in which it happened.
    pub visit: VisitId,
    /// The user.
    pub user: UserId,
    /// `true` if consent was given, `false` if it was withdrawn.
    pub given: bool,
    /// The terms concerned.
    pub terms: TermsId,
    /// When it happened.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_terms_is_32_small_hexadecimal_digits() {
        let id = TermsId::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "0", "+00102030405060708090a0b0c0d0eff", "000102030405060708090A0B0C0D0EFF", "é"] {
            assert_eq!(wrong.parse::<TermsId>(), Err(InvalidTermsId), "{wrong}");
        }
    }
}
