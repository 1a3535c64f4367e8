//! Secret tokens that are handed out once and stored only as a hash.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// 256 random bits as unpadded base64url (43 characters). `Debug` does not reveal it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretToken(String);

/// SHA-256 of a [`SecretToken`], as stored in the database.
pub(crate) type TokenHash = [u8; 32];

impl SecretToken {
    /// Generates a token from the operating system's random number generator.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Parses a token from a cookie or URL. `None` if it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (text.len() == 43 && plain).then(|| Self(text.to_owned()))
    }

    /// Returns the hash stored in the database. A plain hash suffices because 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Returns the secret itself, for the cookie or the link.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_ones_parse_and_differ() {
        let (one, two) = (SecretToken::draw().expect("random"), SecretToken::draw().expect("random"));
        assert_ne!(one, two);
        assert_eq!(SecretToken::parse(one.reveal()), Some(one.clone()));
        assert_ne!(one.hash(), two.hash());
        assert_eq!(format!("{one:?}"), "(secret)");
    }

    #[test]
    fn other_texts_do_not() {
        for text in ["", "short", &"a".repeat(44), &format!("{}=", "a".repeat(42)), &"é".repeat(21)] {
            assert_eq!(SecretToken::parse(text), None);
        }
    }
}
