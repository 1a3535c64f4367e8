//! What people write to each other in a visit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// How many messages a visit holds.
pub(crate) const MAX_MESSAGES: usize = 500;

/// A message that somebody wrote in a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChatMessage {
    /// Its number in the visit, from 1.
    pub number: u32,
    /// Who wrote it.
    pub from: UserId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: ChatText,
}

/// What a person may write: 1–2,000 characters, of which not all are white space, and no control
/// characters but line breaks. It holds patient data and does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ChatText(String);

/// A text that cannot be sent as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has 1 to 2,000 characters")]
pub struct InvalidChatText;

impl ChatText {
    /// The most characters a message may have.
    pub const MAX: usize = 2_000;

    /// The text, for the database and the page.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ChatText {
    type Error = InvalidChatText;

    fn try_from(text: String) -> Result<Self, InvalidChatText> {
        let text = text.trim();
        let plain = !text.chars().any(|c| c.is_control() && c != '\n');
        if plain && !text.is_empty() && text.chars().count() <= Self::MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidChatText)
        }
    }
}

impl From<ChatText> for String {
    fn from(text: ChatText) -> Self {
        text.0
    }
}

impl fmt::Debug for ChatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(private, {} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_something_and_does_not_print() {
        let text = ChatText::try_from("  take 2\na day ".to_owned()).expect("plain");
        assert_eq!(text.reveal(), "take 2\na day");
        assert_eq!(format!("{text:?}"), "(private, 12 bytes)");
        for bad in ["".to_owned(), " \n ".to_owned(), "bell\u{7}".to_owned(), "x".repeat(2_001)] {
            assert!(ChatText::try_from(bad).is_err());
        }
        assert!(ChatText::try_from("é".repeat(2_000)).is_ok());
    }
}
