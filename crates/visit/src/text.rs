//! Text that people and programs give: names, kinds of visits, reasons. One rule for all of it, kept where it comes in.
//!
//! What cannot be seen is removed, so that two names that look alike are alike, and nothing that stands beside a name is
//! read in another order than it was written. What is left is in Unicode's composed form (NFC).

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// Why a text cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// It has characters that stand for something unreadable.
    #[error("a text that cannot be read")]
    Unreadable,
    /// It has nothing that can be seen, or no letter or digit where one is needed.
    #[error("a text without a letter or digit")]
    Empty,
    /// It is longer than it may be.
    #[error("a text that is too long")]
    TooLong,
}

/// A text of one line with at least one letter or digit, such as a name. At most `longest` characters.
///
/// # Errors
/// [`TextFault`].
pub fn label(text: &str, longest: usize) -> Result<String, TextFault> {
    let text = taken(text, longest)?;
    let line = cleaned(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().any(char::is_alphanumeric) { Ok(line) } else { Err(TextFault::Empty) }
}

/// A text of several lines, such as a reason; `None` if nothing of it can be seen. At most `longest` characters.
///
/// # Errors
/// [`TextFault::Unreadable`] or [`TextFault::TooLong`].
pub fn note(text: &str, longest: usize) -> Result<Option<String>, TextFault> {
    let text = cleaned(&taken(text, longest)?);
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// What people write to each other: line breaks and tabs are kept, what cannot be seen is removed. What stands for something
/// unreadable stays, where the reader sees that something is missing.
pub(crate) fn message(text: &str) -> String {
    cleaned(&with_plain_line_breaks(text)).trim().to_owned()
}

/// With a frame around it that keeps what is written from right to left to itself (Unicode Annex 9, isolates). For places
/// that hold plain text only, such as a choice of a list; elsewhere there is `<bdi>`.
#[must_use]
pub fn isolated(text: &str) -> Cow<'_, str> {
    if text.chars().any(has_direction) { Cow::Owned(format!("\u{2068}{text}\u{2069}")) } else { Cow::Borrowed(text) }
}

/// The length is counted as it was typed, a line break as one character, before anything is taken out.
fn taken(text: &str, longest: usize) -> Result<String, TextFault> {
    let text = with_plain_line_breaks(text);
    if text.chars().any(is_unreadable) {
        return Err(TextFault::Unreadable);
    }
    if text.trim().chars().count() > longest { Err(TextFault::TooLong) } else { Ok(text) }
}

fn with_plain_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'], "\n")
}

fn cleaned(text: &str) -> String {
    let seen: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).collect();
    let stands = |at: Option<usize>| {
        let beside = at.and_then(|at| seen.get(at));
        beside.is_some_and(|c| !c.is_whitespace() && !is_joiner(*c))
    };
    // Joiners shape the letters of some scripts; where there is nothing to join they only hide.
    let kept = seen
        .iter()
        .enumerate()
        .filter(|(at, c)| !is_joiner(**c) || (stands(at.checked_sub(1)) && stands(at.checked_add(1))));
    kept.map(|(_, c)| *c).nfc().collect()
}

/// What stands where something could not be decoded, and what is no character (Unicode, section 23.7).
const fn is_unreadable(c: char) -> bool {
    matches!(c, '\u{fffd}' | '\u{fdd0}'..='\u{fdef}') || (c as u32) & 0xfffe == 0xfffe
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Control characters but tabs and line breaks, marks that turn the direction of writing, and letters that are blank.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// Letters of scripts that are written from right to left, and marks that turn the direction, which names from before
/// this rule may have.
const fn has_direction(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_taken_out_of_a_name() {
        for (given, kept) in [
            ("  Ada   Lovelace ", "Ada Lovelace"),
            ("Ada\u{202e}\u{200b} Lovelace", "Ada Lovelace"),
            ("Ada\r\nLovelace\t", "Ada Lovelace"),
            ("\u{feff}A\u{0}d\u{7}a\u{3164}", "Ada"),
            ("Ada\u{a0}\u{3000}Lovelace", "Ada Lovelace"),
            // Composed, whichever way a keyboard has it.
            ("Zofia Za\u{17c}o\u{301}\u{142}c\u{301}", "Zofia Zażółć"),
            // A joiner is a part of words in Persian, and nothing at their ends.
            ("\u{200c}مي\u{200c}خواهم\u{200d} ", "مي\u{200c}خواهم"),
            ("👩\u{200d}⚕️ Grace 1", "👩\u{200d}⚕️ Grace 1"),
            ("李 小龙", "李 小龙"),
        ] {
            assert_eq!(label(given, 200).as_deref(), Ok(kept), "{given:?}");
        }
        for nothing in ["", " \n", "\u{3164}", "\u{200b}\u{202e}", "-", "\u{2800}", "👩", "\u{301}"] {
            assert_eq!(label(nothing, 200), Err(TextFault::Empty), "{nothing:?}");
        }
        for unreadable in ["Ada \u{fffd}", "Ada\u{ffff}", "\u{fdd0}Ada"] {
            assert_eq!(label(unreadable, 200), Err(TextFault::Unreadable), "{unreadable:?}");
        }
    }

    #[test]
    fn a_note_keeps_its_lines() {
        assert_eq!(note(" A rash\r\n\tsince\u{202e} Monday\r\n", 100), Ok(Some("A rash\n\tsince Monday".to_owned())));
        assert_eq!(note("\u{200b}\n ", 100), Ok(None));
        assert_eq!(note("ok \u{fffd}", 100), Err(TextFault::Unreadable));
    }

    /// A form counts what it allows in units of UTF-16, and a line break as one; the API's description in characters.
    #[test]
    fn lengths_are_counted_as_they_are_typed() {
        assert!(label(&"𝔸".repeat(100), 100).is_ok());
        assert_eq!(label(&"a".repeat(101), 100), Err(TextFault::TooLong));
        assert!(note(&"a\r\n".repeat(50), 100).is_ok());
        // Each of these is two characters when composed.
        assert!(label(&"\u{958}".repeat(100), 100).is_ok());
        assert!(label(&format!("  {}  ", "a".repeat(100)), 100).is_ok());
    }

    #[test]
    fn what_is_written_from_right_to_left_keeps_to_itself() {
        assert_eq!(isolated("Ada Lovelace"), "Ada Lovelace");
        assert_eq!(isolated("עדה"), "\u{2068}עדה\u{2069}");
        assert_eq!(isolated("Ada\u{202e}"), "\u{2068}Ada\u{202e}\u{2069}");
    }

    proptest! {
        #[test]
        fn what_was_cleaned_stays_as_it_is(text in "\\PC{0,40}|[\\x00-\\u{2100}]{0,40}|[a\u{200c}\u{200d}\u{301}\u{ad} \n]{0,12}") {
            if let Ok(once) = label(&text, 10_000) {
                prop_assert_eq!(label(&once, 10_000), Ok(once.clone()));
                prop_assert!(!once.chars().any(|c| c.is_control() || is_invisible(c)));
            }
            if let Ok(Some(once)) = note(&text, 10_000) {
                prop_assert_eq!(note(&once, 10_000), Ok(Some(once.clone())));
            }
        }
    }
}
