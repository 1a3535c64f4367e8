//! Chat messages of a visit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// Maximum number of messages per participant in a visit. All companions together share one such quota.
const MOST_MESSAGES: usize = 250;
/// Maximum size in bytes of one participant's messages in a snapshot.
const MOST_BYTES: usize = 128 * 1024;
/// Maximum size in bytes of all companions' messages together in a snapshot.
const MOST_BYTES_OF_COMPANY: usize = 256 * 1024;
/// Size in bytes of a message in a snapshot besides its text: number, sender ID, time and field names.
const FRAME: usize = 128;

/// How much has been written in a visit. Each participant has a separate quota, so that nobody can use up another's,
/// and all quotas together fit into one snapshot ([`MAX_SERVER_MESSAGE`](crate::signalling::MAX_SERVER_MESSAGE)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    messages: usize,
    bytes: usize,
}

impl Written {
    /// Adds up messages.
    pub(crate) fn count<'a>(messages: impl Iterator<Item = &'a ChatMessage>) -> Self {
        messages.fold(Self::default(), |all, message| all.and(&message.text))
    }

    /// Returns the total including one more message.
    pub(crate) fn and(self, text: &ChatText) -> Self {
        Self { messages: self.messages + 1, bytes: self.bytes + FRAME + text.bytes_in_json() }
    }

    /// Returns whether the total is within one participant's quota.
    pub(crate) fn fits_one(self) -> bool {
        self.messages <= MOST_MESSAGES && self.bytes <= MOST_BYTES
    }

    /// Returns whether the total is within the companions' shared quota.
    pub(crate) fn fits_company(self) -> bool {
        self.messages <= MOST_MESSAGES && self.bytes <= MOST_BYTES_OF_COMPANY
    }
}

/// A chat message in a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChatMessage {
    /// Its number in the visit, counting from 1.
    pub number: u32,
    /// The sender.
    pub from: UserId,
    /// When it was sent.
    pub at: Timestamp,
    /// Its text.
    pub text: ChatText,
}

/// The text of a chat message: 1–2,000 characters, not all of them white space. Line breaks and tabs are kept, e.g. in
/// a pasted table; invisible characters are removed, as from all text ([`text`](crate::text)). It holds patient data, so
/// `Debug` output is redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ChatText(String);

/// The text is not valid as a chat message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has 1 to 2,000 characters")]
pub struct InvalidChatText;

impl ChatText {
    /// Maximum length in characters.
    pub const MAX: usize = 2_000;

    /// Returns the text, for the database and the page.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Wraps a message from the database, which an earlier version may have accepted under other rules.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the length as a JSON string in bytes (RFC 8259, section 7).
    fn bytes_in_json(&self) -> usize {
        let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\t');
        2 + self.0.len() + self.0.bytes().filter(escaped).count()
    }
}

impl TryFrom<String> for ChatText {
    type Error = InvalidChatText;

    fn try_from(text: String) -> Result<Self, InvalidChatText> {
        // The length is checked as typed, because the composed form of some letters is longer.
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
        // Normalizing a normalized text changes nothing.
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
