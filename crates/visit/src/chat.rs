//! What people write to each other in a visit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// The most messages of one person in a visit, and of all who come beside patient and provider together.
const MOST_MESSAGES: usize = 250;
/// The most bytes that the messages of one person may take in a page's snapshot: a third of a novel.
const MOST_BYTES: usize = 128 * 1024;
/// The same of all who come beside patient and provider together.
const MOST_BYTES_OF_COMPANY: usize = 256 * 1024;
/// What a message takes in a snapshot beside its text: its number, its writer's id, its time and their names.
const FRAME: usize = 128;

/// What some people have written in a visit. Everybody has a share of their own, so that nobody can use up another's; and
/// what all may write together fits into a snapshot ([`MAX_SERVER_MESSAGE`](crate::signalling::MAX_SERVER_MESSAGE)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    messages: usize,
    bytes: usize,
}

impl Written {
    /// Counts messages.
    pub(crate) fn count<'a>(messages: impl Iterator<Item = &'a ChatMessage>) -> Self {
        messages.fold(Self::default(), |all, message| all.and(&message.text))
    }

    /// With one more.
    pub(crate) fn and(self, text: &ChatText) -> Self {
        Self { messages: self.messages + 1, bytes: self.bytes + FRAME + text.bytes_in_json() }
    }

    /// Whether it is no more than one person's share.
    pub(crate) fn fits_one(self) -> bool {
        self.messages <= MOST_MESSAGES && self.bytes <= MOST_BYTES
    }

    /// Whether it is no more than the share of everyone beside patient and provider.
    pub(crate) fn fits_company(self) -> bool {
        self.messages <= MOST_MESSAGES && self.bytes <= MOST_BYTES_OF_COMPANY
    }
}

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

/// What a person may write: 1–2,000 characters, of which not all are white space. Line breaks and tabs are kept, as in a
/// table that was pasted; what cannot be seen is removed, as from all text
/// ([`text`](crate::text)). It holds patient data and does not
/// print.
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

    /// A message of the database, which an earlier version may have taken by another rule.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// How long it is as a JSON string (RFC 8259, section 7).
    fn bytes_in_json(&self) -> usize {
        let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\t');
        2 + self.0.len() + self.0.bytes().filter(escaped).count()
    }
}

impl TryFrom<String> for ChatText {
    type Error = InvalidChatText;

    fn try_from(text: String) -> Result<Self, InvalidChatText> {
        // Counted as it was typed: the composed form of some letters is longer.
        let typed = text.trim().chars().filter(|c| *c != '\r').count();
        let text = crate::text::message(&text);
        if text.is_empty() || typed > Self::MAX { Err(InvalidChatText) } else { Ok(Self(text)) }
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_says_something_and_does_not_print() {
        let text = ChatText::try_from("  take 2\na day ".to_owned()).expect("plain");
        assert_eq!(text.reveal(), "take 2\na day");
        assert_eq!(format!("{text:?}"), "(private, 12 bytes)");
        for bad in ["".to_owned(), " \n ".to_owned(), " \u{7}\t".to_owned(), "x".repeat(2_001)] {
            assert!(ChatText::try_from(bad).is_err());
        }
        assert!(ChatText::try_from("é".repeat(2_000)).is_ok());
    }

    #[test]
    fn tabs_and_line_breaks_are_kept_and_other_control_characters_taken_out() {
        let text = |text: &str| String::from(ChatText::try_from(text.to_owned()).expect("a text"));
        assert_eq!(text("Aspirin\t100 mg\r\nRamipril\t5 mg\r"), "Aspirin\t100 mg\nRamipril\t5 mg");
        assert_eq!(text("be\u{7}ll \u{0}\u{1b}[1m\u{85}\u{7f}x"), "bell [1m\nx");
        assert_eq!(text("one\u{202e}\u{200b} two\u{2028}three \u{fffd}"), "one two\nthree \u{fffd}");
        // What is in the database already is read as it is.
        assert_eq!(text(&text("a\tb\nc")), "a\tb\nc");
    }

    proptest! {
        #[test]
        fn a_message_takes_no_more_than_is_counted(text in "[\\PC\\n\\t\"\\\\😀é]{1,300}", number in any::<u32>(), at in any::<u32>()) {
            let Ok(text) = ChatText::try_from(text) else { return Ok(()) };
            let counted = Written::default().and(&text).bytes;
            let at = Timestamp::from_millis(i64::from(at) * 1_000);
            let message = ChatMessage { number, from: UserId::new(uuid::Uuid::max()), at, text };
            let json = serde_json::to_string(&message).expect("JSON");
            prop_assert!(json.len() < counted, "{} of {counted}", json.len());
        }
    }
}
