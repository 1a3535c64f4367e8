//! Adding people and shutting them out, for the operator, the front desk and other programs alike.

use bedside_store::{Actor, AuditEntry, NewUser, StoreError, Transaction};
use bedside_visit::text::{TextFault, label};
use bedside_visit::{AuditAction, BirthDate, Person, Private, Timestamp, UserId};
use jiff::civil::Date;
use uuid::Uuid;

use crate::bookings::by;
use crate::clock::fresh_id;
use crate::cometchat::revoke_later;

/// The most characters that a name or a provider's field may have.
pub(crate) const LONGEST_NAME: usize = 200;
/// Nobody is older, as far as is known.
const OLDEST: i16 = 130;

/// Why somebody cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersonFault {
    /// The name has no letter or digit.
    NoName,
    /// The name is too long.
    LongName,
    /// The field is too long, or has no letter or digit.
    Specialty,
    /// The date of birth lies ahead, or too far back.
    BirthDate,
    /// The name or the field has characters that cannot be read.
    Unreadable,
}

impl PersonFault {
    /// The sentence for a person.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NoName => "Give a name with at least one letter or digit.",
            Self::LongName => "A name has at most 200 characters.",
            Self::Specialty => "A specialty has 1 to 200 characters, with at least one letter or digit.",
            Self::BirthDate => "Check the year of the date of birth: it lies in the last 130 years.",
            Self::Unreadable => "Some characters of this text can't be read. Please type it again.",
        }
    }
}

/// Somebody new. `today`: in the clinic.
///
/// # Errors
/// [`PersonFault`].
pub(crate) fn new_person(
    name: &str,
    specialty: Option<String>,
    birth_date: Option<BirthDate>,
    today: Date,
) -> Result<Person, PersonFault> {
    let name = label(name, LONGEST_NAME).map_err(|fault| match fault {
        TextFault::Unreadable => PersonFault::Unreadable,
        TextFault::Empty => PersonFault::NoName,
        TextFault::TooLong => PersonFault::LongName,
    })?;
    let specialty = specialty.filter(|text| !text.trim().is_empty()).map(|text| label(&text, LONGEST_NAME));
    let specialty = specialty.transpose().map_err(|fault| match fault {
        TextFault::Unreadable => PersonFault::Unreadable,
        TextFault::Empty | TextFault::TooLong => PersonFault::Specialty,
    })?;
    if birth_date.as_ref().is_some_and(|date| !is_birth_date(*date.reveal(), today)) {
        return Err(PersonFault::BirthDate);
    }
    Ok(Person { id: UserId::new(fresh_id()), name: Private::new(name), specialty, birth_date, avatar_url: None })
}

/// Whether somebody can be born then. The day may have begun elsewhere.
fn is_birth_date(date: Date, today: Date) -> bool {
    date <= today.tomorrow().unwrap_or(today) && date.year() >= today.year() - OLDEST
}

/// In the place of somebody who is not known yet.
pub(crate) fn nobody(id: Uuid) -> Person {
    Person { id: UserId::new(id), name: "".into(), specialty: None, birth_date: None, avatar_url: None }
}

/// Writes somebody new down.
///
/// # Errors
/// If the store fails, or has a conflict.
pub(crate) async fn add(
    transaction: &mut dyn Transaction,
    user: &NewUser,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_user(user, now).await?;
    transaction.append_audit(&by(AuditEntry::new(now, AuditAction::UserAdded).about(user.person.id), actor)).await
}

/// Shuts somebody out, signed out everywhere, or lets them in again.
///
/// # Errors
/// If the store fails.
pub(crate) async fn set_disabled(
    transaction: &mut dyn Transaction,
    user: UserId,
    disabled: bool,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let action = if disabled { AuditAction::UserDisabled } else { AuditAction::UserEnabled };
    transaction.update_disabled(user, disabled.then_some(now)).await?;
    if disabled {
        transaction.delete_sessions_of(user).await?;
        transaction.delete_sessions_vouched_by(user).await?;
        revoke_later(transaction, user, now).await?;
    }
    transaction.append_audit(&by(AuditEntry::new(now, action).about(user), actor)).await
}
