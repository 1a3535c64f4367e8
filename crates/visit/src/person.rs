//! People and their roles in an appointment.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::text;
use crate::{Private, UserId};

/// A participant's role in a visit (FHIR: participant type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The patient the appointment is for.
    Patient,
    /// The clinician.
    Provider,
    /// A family member or friend who accompanies the patient.
    Guest,
    /// An interpreter.
    Interpreter,
    /// An observer, who receives media but sends none.
    Observer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Patient, Self::Provider, Self::Guest, Self::Interpreter, Self::Observer];

    /// Returns the name used on the wire, in the database and in URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Provider => "provider",
            Self::Guest => "guest",
            Self::Interpreter => "interpreter",
            Self::Observer => "observer",
        }
    }

    /// Returns the role that this role's page shows as the other side: the patient for the provider, the provider for
    /// everyone else.
    #[must_use]
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Patient,
            Self::Patient | Self::Guest | Self::Interpreter | Self::Observer => Self::Provider,
        }
    }

    /// Returns whether this role may send audio and video.
    #[must_use]
    pub const fn publishes(self) -> bool {
        match self {
            Self::Patient | Self::Provider | Self::Guest | Self::Interpreter => true,
            Self::Observer => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = crate::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(crate::InvalidId)
    }
}

/// A date of birth.
pub type BirthDate = Private<Date>;

/// A person as listed in an appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their user ID.
    pub id: UserId,
    /// Display name, 1–200 characters.
    pub name: Private<String>,
    /// A provider's specialty, such as "Dermatology".
    pub specialty: Option<String>,
    /// A patient's date of birth.
    pub birth_date: Option<BirthDate>,
    /// URL of a picture, on this server or `https`.
    pub avatar_url: Option<String>,
}

/// A participant other than the patient and the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Their role: guest, interpreter or observer.
    pub role: Role,
    /// The person.
    pub person: Person,
}

/// The participants of an appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participants {
    /// The patient the appointment is for.
    pub patient: Person,
    /// The clinician.
    pub provider: Person,
    /// Guests, interpreters and observers.
    pub companions: Vec<Companion>,
}

impl Participants {
    /// Creates the participants of an appointment without companions.
    #[must_use]
    pub const fn two(patient: Person, provider: Person) -> Self {
        Self { patient, provider, companions: Vec::new() }
    }

    /// Iterates over all participants with their roles: patient first, then the provider. Each person has one role.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &Person)> {
        let two = [(Role::Patient, &self.patient), (Role::Provider, &self.provider)];
        two.into_iter().chain(self.companions.iter().map(|companion| (companion.role, &companion.person)))
    }

    /// Returns the person shown as the other side to a role (see [`Role::counterpart`]).
    #[must_use]
    pub const fn counterpart(&self, role: Role) -> &Person {
        match role {
            Role::Provider => &self.patient,
            Role::Patient | Role::Guest | Role::Interpreter | Role::Observer => &self.provider,
        }
    }

    /// Returns the role and details of `user`, if they are a participant.
    #[must_use]
    pub fn find(&self, user: UserId) -> Option<(Role, &Person)> {
        self.iter().find(|(_, person)| person.id == user)
    }

    /// Returns the role of `user`, if they are a participant.
    #[must_use]
    pub fn role_of(&self, user: UserId) -> Option<Role> {
        self.find(user).map(|(role, _)| role)
    }
}

/// Returns the age in whole years on `today`, or `None` if `birth` is in the future. In common years, a person born on
/// 29 February turns a year older on 1 March.
#[must_use]
pub fn age_on(birth: Date, today: Date) -> Option<u16> {
    if birth > today {
        return None;
    }
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    let years = today.year() - birth.year() - i16::from(!had_birthday);
    u16::try_from(years).ok()
}

/// An e-mail address used as a sign-in name: 3–254 characters, one `@` with text on both sides, no white space or
/// invisible characters. Each address has one normalized form whatever the keyboard or browser: NFC, ASCII letters in
/// lower case, and the domain in its DNS form (`müller.example` is `xn--mller-kva.example`).
///
/// Letters beyond ASCII are not case-folded before the `@`. Some of them fold to ASCII letters, such as the Kelvin sign
/// to `k`, which would match another user's mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress(String);

/// The text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// Wraps an address from the database, which an earlier version may have accepted under other rules.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the address, for the database and for mail.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(private)")
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEmailAddress> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(InvalidEmailAddress)?;
        let local: String = local.nfc().collect::<String>().to_ascii_lowercase();
        let visible = text::label(text, 254).is_ok_and(|cleaned| cleaned == text.nfc().collect::<String>());
        // Some letters become ASCII letters in composed form.
        let passes_for_ascii = |c: char| !c.is_ascii() && std::iter::once(c).nfc().all(|c| c.is_ascii());
        let is_disguised = text.split('@').next().is_some_and(|local| local.chars().any(passes_for_ascii));
        if local.is_empty() || is_disguised || !visible || text.contains(char::is_whitespace) {
            return Err(InvalidEmailAddress);
        }
        // UTS 46, as browsers apply it to host names.
        let domain = idna::domain_to_ascii(domain).map_err(|_| InvalidEmailAddress)?;
        let address = format!("{local}@{domain}");
        let fits = !domain.is_empty() && !domain.contains('@') && (3..=254).contains(&address.chars().count());
        if fits { Ok(Self(address)) } else { Err(InvalidEmailAddress) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn age_counts_birthdays() {
        let birth = date(1980, 6, 15);
        assert_eq!(age_on(birth, date(2026, 6, 14)), Some(45));
        assert_eq!(age_on(birth, date(2026, 6, 15)), Some(46));
        assert_eq!(age_on(date(2000, 2, 29), date(2026, 2, 28)), Some(25));
        assert_eq!(age_on(date(2027, 1, 1), date(2026, 6, 15)), None);
    }

    /// All spellings that keyboards and browsers produce for an address normalize to the same address, and never to
    /// another user's.
    #[test]
    fn one_address_has_one_form() {
        let parsed = |text: &str| text.parse::<EmailAddress>().map(|address| address.reveal().to_owned());
        let one = Ok("jo\u{eb}l@xn--mller-kva.example".to_owned());
        for same in
            ["jo\u{eb}l@m\u{fc}ller.example", "joe\u{308}l@mu\u{308}ller.EXAMPLE", "JO\u{eb}L@xn--mller-kva.example"]
        {
            assert_eq!(parsed(same), one, "{same}");
        }
        assert_eq!(parsed("ada@EXAMPLE\u{3002}org"), Ok("ada@example.org".to_owned()), "a full stop of another script");
        // The Kelvin sign is not a `k`, and a dotless i is not an `i`.
        assert_ne!(parsed("\u{212a}ate@example.org"), parsed("kate@example.org"));
        assert_ne!(parsed("ada\u{131}@example.org"), parsed("adai@example.org"));
        assert!(parsed(&format!("{}@b.example", "a".repeat(245))).is_err());
        assert!(parsed(&format!("{}@b.example", "\u{eb}".repeat(244))).is_ok_and(|it| it.chars().count() == 254));
    }

    #[test]
    fn addresses_are_folded_and_checked() {
        let parsed = " Ada@Example.ORG ".parse::<EmailAddress>();
        assert_eq!(parsed.as_ref().map(EmailAddress::reveal), Ok("ada@example.org"));
        assert_eq!(format!("{parsed:?}"), "Ok((private))");
        for bad in ["", "ada", "@x", "ada@", "a@b@c", "a b@c", "a\u{0}@b", "a\u{200b}@b", "a@b c", "a@xn--a"] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }
}
