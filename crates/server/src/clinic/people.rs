//! Adding and disabling users, shared by the operator commands, the front desk and the API.

use bedside_store::{Actor, AuditEntry, NewUser, StoreError, Transaction};
use bedside_visit::text::{TextFault, label};
use bedside_visit::{AuditAction, BirthDate, Person, Private, Timestamp, UserId};
use jiff::civil::Date;
use uuid::Uuid;

use crate::app::clock::fresh_id;
use crate::calls::cometchat::revoke_later;
use crate::clinic::bookings::by;
pub(crate) use crate::clinic::person_fault::PersonFault;

/// Maximum length of a name or a specialty, in characters.
pub(crate) const LONGEST_NAME: usize = 200;
/// Maximum age in years.
const OLDEST: i16 = 130;

/// Validates a new person. `today` is the date at the clinic.
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

/// Returns whether a date of birth is plausible. Tomorrow is accepted, because the day may have begun in another time
/// zone.
fn is_birth_date(date: Date, today: Date) -> bool {
    date <= today.tomorrow().unwrap_or(today) && date.year() >= today.year() - OLDEST
}

/// Returns a placeholder for a person who is not known yet.
pub(crate) fn nobody(id: Uuid) -> Person {
    Person { id: UserId::new(id), name: "".into(), specialty: None, birth_date: None, avatar_url: None }
}

/// Saves a new user and writes an audit entry.
///
/// # Errors
/// If the database fails or reports a conflict.
pub(crate) async fn add(
    transaction: &mut dyn Transaction,
    user: &NewUser,
    actor: Option<Actor>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_user(user, now).await?;
    transaction.append_audit(&by(AuditEntry::new(now, AuditAction::UserAdded).about(user.person.id), actor)).await
}

/// Disables a user, which also ends their sessions, or enables them again.
///
/// # Errors
/// If the database fails.
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
