//! Adding people and shutting them out, for the operator, the front desk and other programs alike.

use bedside_store::{Actor, AuditEntry, NewUser, StoreError, Transaction};
use bedside_visit::{AuditAction, BirthDate, Person, Timestamp, UserId};

use crate::bookings::by;
use crate::clock::fresh_id;

/// Somebody new.
///
/// # Errors
/// What is wrong, for a person.
pub(crate) fn new_person(
    name: &str,
    specialty: Option<String>,
    birth_date: Option<BirthDate>,
) -> Result<Person, &'static str> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err("A name has 1 to 200 characters.");
    }
    let specialty = specialty.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if specialty.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err("A field has at most 200 characters.");
    }
    Ok(Person { id: UserId::new(fresh_id()), name: name.into(), specialty, birth_date, avatar_url: None })
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
    }
    transaction.append_audit(&by(AuditEntry::new(now, action).about(user), actor)).await
}
