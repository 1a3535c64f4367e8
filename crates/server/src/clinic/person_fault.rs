//! Faults of a new person's details.

/// Why a person's details are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersonFault {
    /// The name contains no letter or digit.
    NoName,
    /// The name is too long.
    LongName,
    /// The specialty is too long, or contains no letter or digit.
    Specialty,
    /// The date of birth is in the future or too long ago.
    BirthDate,
    /// The name or the specialty contains unreadable characters.
    Unreadable,
}

impl PersonFault {
    /// Returns the message for the user.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NoName => "Give a name with at least one letter or digit.",
            Self::LongName => "A name has at most 200 characters.",
            Self::Specialty => "A specialty has 1 to 200 characters, with at least one letter or digit.",
            Self::BirthDate => "Check the year of the date of birth. It must be within the last 130 years.",
            Self::Unreadable => "Some characters of this text can't be read. Please type it again.",
        }
    }
}
