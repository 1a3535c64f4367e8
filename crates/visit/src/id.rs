//! Identifiers. Each is a type of its own, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier")]
pub struct InvalidId;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an identifier that the shell drew.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The identifier as the shell knows it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts the hyphenated lower-case form only, so that a thing has one address.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                let mut buffer = Uuid::encode_buffer();
                if id.hyphenated().encode_lower(&mut buffer) == text {
                    Ok(Self(id))
                } else {
                    Err(InvalidId)
                }
            }
        }
    };
}

uuid_id!(
    /// A person, as a patient or a provider.
    UserId
);
uuid_id!(
    /// A booking.
    AppointmentId
);
uuid_id!(
    /// Somebody's wish to come in on another device than the one that used their link.
    AdmissionId
);
uuid_id!(
    /// One meeting of an appointment. "Start new meeting" after the end makes another.
    VisitId
);

/// One page's signalling connection. Drawn by the shell, never reused while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

macro_rules! plain_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let fits = (1..=64).contains(&text.len());
                let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                if fits && plain { Ok(Self(text)) } else { Err(InvalidId) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

plain_id!(
    /// A page's own name for a command, echoed in the acknowledgement: 1–64 characters of
    /// `[A-Za-z0-9_-]`.
    CommandId
);
plain_id!(
    /// A page's own name for itself, drawn when it is loaded and kept over every reconnect: 1–64
    /// characters of `[A-Za-z0-9_-]`. It tells a reconnecting page from a second one.
    PageId
);

impl PageId {
    /// Of a page that did not give its name: it is like no other, not even like itself.
    #[must_use]
    pub fn of_stranger(connection: ConnectionId) -> Self {
        Self(format!("_{}", connection.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_spelling() {
        let text = "0192d3a0-7c1e-7000-8000-000000000001";
        assert_eq!(text.parse::<UserId>().map(|id| id.to_string()), Ok(text.to_owned()));
        for other in [
            "",
            "1",
            "0192D3A0-7C1E-7000-8000-00000000000A",
            "0192d3a07c1e70008000000000000001",
            "{0192d3a0-7c1e-7000-8000-000000000001}",
            "../etc/passwd",
        ] {
            assert_eq!(other.parse::<UserId>(), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn a_command_id_is_short_and_plain() {
        assert!(CommandId::try_from("c-1".to_owned()).is_ok());
        for bad in [String::new(), "a b".into(), "é".into(), "x".repeat(65)] {
            assert!(CommandId::try_from(bad).is_err());
        }
    }
}
