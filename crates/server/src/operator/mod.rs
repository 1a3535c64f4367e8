//! Commands that an operator runs from the command line.

pub(crate) mod backup;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bedside_store::{AuditEntry, Conflict, NewUser, PasswordHash, Store, StoreError, Transaction};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    Appointment, AppointmentId, AuditAction, CallBackend, Clock, EmailAddress, OwnWork, Person, Private, Timestamp,
    UserId, VisitRules,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::auth::{PasswordError, Passwords};
use crate::clinic::bookings::{CancelFault, NewBooking, book, cancel};
use crate::clinic::invites::{add_invite, invite_url};
use crate::clinic::people::{self, PersonFault};
use crate::clinic::resets::{add_reset, reset_url};
use crate::text::{civil_date, rfc3339_exact};

/// Why an operator's command failed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A value is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The user or appointment does not exist.
    #[error("there is no {0}")]
    Missing(String),
    /// Another user has this e-mail address.
    #[error("another user already has this e-mail address")]
    EmailTaken,
    /// The password is not acceptable.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<PersonFault> for OperatorError {
    fn from(fault: PersonFault) -> Self {
        Self::Invalid(fault.words().to_owned())
    }
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict(Conflict::EmailTaken)) { Self::EmailTaken } else { Self::Store(error) }
    }
}

/// A user to add.
#[derive(Debug)]
pub struct UserToAdd {
    /// The name that other users see.
    pub name: String,
    /// The e-mail address for signing in. A user without one can only join by patient link.
    pub email: Option<EmailAddress>,
    /// The password; at least 15 characters.
    pub password: Option<SecretString>,
    /// The specialty of a provider.
    pub specialty: Option<String>,
    /// The date of birth of a patient.
    pub birth_date: Option<Date>,
    /// The clinic role.
    pub clinic_role: Option<ClinicRole>,
}

/// An appointment to book.
#[derive(Debug)]
pub struct AppointmentToAdd {
    /// The patient, by ID or e-mail address.
    pub patient: String,
    /// The provider, by ID or e-mail address.
    pub provider: String,
    /// The start time.
    pub start: Timestamp,
    /// The duration in minutes, 5 to 1440.
    pub minutes: u32,
    /// The visit type.
    pub kind: String,
    /// The reason for the visit.
    pub reason: Option<String>,
    /// The call backend. `None` selects the configured default.
    pub backend: Option<CallBackend>,
}

/// The result of applying the retention period to the text of old appointments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Whether the data was removed. False for a dry run.
    pub applied: bool,
    /// Number of appointments whose text was removed, or would be.
    pub appointments: u64,
    /// Number of reasons among that text.
    pub reasons: u64,
    /// Number of chat messages among that text.
    pub messages: u64,
    /// Number of appointments skipped because of a legal hold.
    pub held: u64,
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { applied, appointments, reasons, messages, held } = self;
        let verb = if *applied { "deleted" } else { "to delete (run again with --apply)" };
        write!(
            f,
            "{verb}: {reasons} reasons and {messages} messages of {appointments} appointments; {held} are under legal hold"
        )
    }
}

/// Runs operator commands on a store.
pub struct Operator {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The visit rules.
    pub rules: VisitRules,
    /// The default call backend.
    pub backend: CallBackend,
    /// The public URL that links begin with.
    pub public_url: String,
}

impl Operator {
    /// Adds a user and returns their ID.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_user(&self, user: UserToAdd) -> Result<UserId, OperatorError> {
        let birth_date = user.birth_date.map(Private::new);
        let person = people::new_person(&user.name, user.specialty, birth_date, self.today())?;
        let password_hash = match user.password {
            Some(password) => {
                let about = [person.name.reveal().as_str(), user.email.as_ref().map_or("", EmailAddress::reveal)];
                Some(PasswordHash::new(Passwords::new(1)?.hash(password, &about).await?))
            }
            None => None,
        };
        let (id, now) = (person.id, self.clock.now());
        let mut transaction = self.store.begin().await?;
        people::add(&mut *transaction, &NewUser { person, email: user.email, password_hash }, None, now).await?;
        if user.clinic_role.is_some() {
            self.change_clinic_role(&mut *transaction, id, user.clinic_role).await?;
        }
        transaction.commit().await?;
        Ok(id)
    }

    /// Returns today's date in UTC: the command line does not know the clinic's time zone.
    pub(crate) fn today(&self) -> Date {
        civil_date(self.clock.now(), &TimeZone::UTC)
    }

    /// Changes a user's clinic role, or removes it.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_clinic_role(&self, named: &str, role: Option<ClinicRole>) -> Result<(), OperatorError> {
        let id = self.person(named).await?.id;
        let mut transaction = self.store.begin().await?;
        self.change_clinic_role(&mut *transaction, id, role).await?;
        Ok(transaction.commit().await?)
    }

    async fn change_clinic_role(
        &self,
        transaction: &mut dyn Transaction,
        id: UserId,
        role: Option<ClinicRole>,
    ) -> Result<(), OperatorError> {
        transaction.update_clinic_role(id, role).await?;
        let entry = AuditEntry::new(self.clock.now(), AuditAction::ClinicRoleChanged).about(id).with_detail("operator");
        Ok(transaction.append_audit(&entry).await?)
    }

    /// Disables or enables a user. A disabled user is signed out everywhere and removed from any visit within a
    /// second.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_disabled(&self, named: &str, disabled: bool) -> Result<(), OperatorError> {
        let id = self.person(named).await?.id;
        let mut transaction = self.store.begin().await?;
        people::set_disabled(&mut *transaction, id, disabled, None, self.clock.now()).await?;
        Ok(transaction.commit().await?)
    }

    /// Resets a user's two-factor authentication, for example after losing a phone.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn forget_second_step(&self, named: &str) -> Result<(), OperatorError> {
        let id = self.person(named).await?.id;
        let mut transaction = self.store.begin().await?;
        transaction.update_second_step(id, None).await?;
        let entry = AuditEntry::new(self.clock.now(), AuditAction::SecondStepRemoved).about(id).with_detail("operator");
        transaction.append_audit(&entry).await?;
        Ok(transaction.commit().await?)
    }

    /// Unlinks one user, or all users, from the OpenID provider `issuer`, and returns the number of links removed. At
    /// their next sign-in through a provider, users without a password, two-factor authentication or passkey are
    /// matched by e-mail address again. All others have to connect their account on the account page.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn unlink_provider(&self, named: Option<&str>, issuer: &str) -> Result<usize, OperatorError> {
        let users = match named {
            Some(named) => vec![self.person(named).await?.id],
            None => self.store.list_provider_links(issuer).await?.into_iter().map(|link| link.user).collect(),
        };
        let mut transaction = self.store.begin().await?;
        let mut removed = 0;
        for user in users {
            if transaction.delete_provider_link(user, issuer).await? {
                let entry = AuditEntry::new(self.clock.now(), AuditAction::ProviderUnlinked).about(user);
                transaction.append_audit(&entry.with_detail("operator")).await?;
                removed += 1;
            }
        }
        transaction.commit().await?;
        Ok(removed)
    }

    /// Removes all passkeys of a user and ends all of their sessions, for example after losing a device.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn forget_passkeys(&self, named: &str) -> Result<(), OperatorError> {
        let id = self.person(named).await?.id;
        let passkeys = self.store.list_passkeys(id).await?;
        let mut transaction = self.store.begin().await?;
        for passkey in passkeys {
            transaction.delete_passkey(id, &passkey.credential_id).await?;
            let entry = AuditEntry::new(self.clock.now(), AuditAction::PasskeyRemoved).about(id);
            transaction.append_audit(&entry.with_detail("operator")).await?;
        }
        transaction.delete_sessions_of(id).await?;
        Ok(transaction.commit().await?)
    }

    /// Creates a link with which a user sets a first or a new password.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn reset_password(&self, email: &EmailAddress) -> Result<String, OperatorError> {
        let account = self.store.get_account(email).await?;
        let account = account.ok_or_else(|| OperatorError::Missing("user with this e-mail address".to_owned()))?;
        if account.disabled_at.is_some() {
            return Err(OperatorError::Invalid(
                "the account is disabled: enable it with `bedside user enable`".to_owned(),
            ));
        }
        let now = self.clock.now();
        let mut transaction = self.store.begin().await?;
        let token = add_reset(&mut *transaction, account.user, now)
            .await
            .map_err(|error| OperatorError::Invalid(error.problem().detail))?;
        let entry = AuditEntry::new(now, AuditAction::PasswordResetAsked).about(account.user).with_detail("operator");
        transaction.append_audit(&entry).await?;
        transaction.commit().await?;
        Ok(reset_url(&self.public_url, &token))
    }

    /// Books an appointment and returns its ID and the patient link.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_appointment(&self, new: AppointmentToAdd) -> Result<(AppointmentId, String), OperatorError> {
        let booking = NewBooking {
            patient: self.person(&new.patient).await?,
            provider: self.person(&new.provider).await?,
            start: new.start,
            minutes: new.minutes,
            kind: new.kind,
            reason: new.reason,
            backend: new.backend.unwrap_or(self.backend),
        };
        let now = self.clock.now();
        let checked = booking.check(&self.rules, None, now);
        let appointment = checked.map_err(|fault| OperatorError::Invalid(fault.words().to_owned()))?;
        let mut transaction = self.store.begin().await?;
        book(&mut *transaction, &appointment, None, now).await?;
        let patient = appointment.participants.patient.id;
        let token = add_invite(&mut *transaction, &appointment, patient, appointment.closes(&self.rules), None, now)
            .await
            .map_err(|error| OperatorError::Invalid(error.problem().detail))?;
        transaction.commit().await?;
        Ok((appointment.id, invite_url(&self.public_url, &token)))
    }

    /// Creates a new patient link for an appointment. Unused links stop working.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn new_link(&self, id: AppointmentId) -> Result<String, OperatorError> {
        let appointment = self.appointment(id).await?;
        let mut transaction = self.store.begin().await?;
        let (patient, closes) = (appointment.participants.patient.id, appointment.closes(&self.rules));
        let token = add_invite(&mut *transaction, &appointment, patient, closes, None, self.clock.now())
            .await
            .map_err(|error| OperatorError::Invalid(error.problem().detail))?;
        transaction.commit().await?;
        Ok(invite_url(&self.public_url, &token))
    }

    /// Cancels an appointment. Its links remain and show that the visit was cancelled.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn cancel_appointment(&self, id: AppointmentId) -> Result<(), OperatorError> {
        let appointment = self.appointment(id).await?;
        let mut transaction = self.store.begin().await?;
        cancel(&mut *transaction, &appointment, None, self.clock.now()).await.map_err(|fault| match fault {
            CancelFault::Missing => OperatorError::Missing(format!("appointment {id}")),
            CancelFault::Store(error) => error.into(),
            CancelFault::Status(_) | CancelFault::UnderWay => OperatorError::Invalid(fault.words().to_owned()),
        })?;
        Ok(transaction.commit().await?)
    }

    /// Lists who gave or withdrew consent to the clinic's terms in the visits of an appointment, with the terms as
    /// they were shown.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn list_consents(&self, id: AppointmentId) -> Result<Vec<Value>, OperatorError> {
        self.appointment(id).await?;
        let mut lines = Vec::new();
        for record in self.store.list_consents(id).await? {
            let terms = self.store.get_terms(record.terms).await?;
            lines.push(json!({
                "at": rfc3339_exact(record.at), "visit": record.visit, "user": record.user,
                "given": record.given, "method": "page", "terms": record.terms.to_string(),
                "language": terms.as_ref().map(|terms| &terms.language), "text": terms.as_ref().map(|terms| &terms.text),
            }));
        }
        Ok(lines)
    }

    /// Places an appointment under legal hold, or lifts the hold.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_held(&self, id: AppointmentId, held: bool) -> Result<(), OperatorError> {
        let patient = self.appointment(id).await?.participants.patient.id;
        let now = self.clock.now();
        let action = if held { AuditAction::AppointmentHeld } else { AuditAction::AppointmentReleased };
        let mut transaction = self.store.begin().await?;
        transaction.update_hold(id, held.then_some(now)).await?;
        let entry = AuditEntry::new(now, action).about(patient).of_appointment(id).with_detail("operator");
        transaction.append_audit(&entry).await?;
        Ok(transaction.commit().await?)
    }

    /// Removes the reasons and chat messages of appointments that were scheduled more than `keeps` ago, if `apply` is
    /// set. Otherwise only counts them. Appointments under legal hold are skipped. Each appointment is processed in
    /// its own transaction, so an interruption leaves none half done.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn forget_old(&self, keeps: Duration, apply: bool) -> Result<Forgotten, OperatorError> {
        let now = self.clock.now();
        let mut forgotten = Forgotten { applied: apply, ..Forgotten::default() };
        for expired in self.store.list_expired(now - keeps).await? {
            if expired.held {
                forgotten.held += 1;
                continue;
            }
            if apply {
                let mut transaction = self.store.begin().await?;
                if !transaction.forget_appointment(expired.appointment, now).await? {
                    continue;
                }
                let entry = AuditEntry::new(now, AuditAction::AppointmentForgotten).about(expired.patient);
                let entry = entry.of_appointment(expired.appointment).with_detail("operator");
                transaction.append_audit(&entry).await?;
                transaction.commit().await?;
            }
            forgotten.appointments += 1;
            forgotten.reasons += u64::from(expired.reason);
            forgotten.messages += expired.messages;
        }
        Ok(forgotten)
    }

    async fn appointment(&self, id: AppointmentId) -> Result<Appointment, OperatorError> {
        let sealed = self.store.get_appointment(id).await?;
        let missing = || OperatorError::Missing(format!("appointment {id}"));
        sealed.map(|sealed| sealed.unseal_for(OwnWork::Operator)).ok_or_else(missing)
    }

    async fn person(&self, named: &str) -> Result<Person, OperatorError> {
        let missing = || OperatorError::Missing(format!("user {named}: add them with `bedside user add`"));
        let id = match (named.parse::<UserId>(), named.parse::<EmailAddress>()) {
            (Ok(id), _) => id,
            (Err(_), Ok(email)) => self.store.get_account(&email).await?.ok_or_else(missing)?.user,
            (Err(_), Err(_)) => {
                return Err(OperatorError::Invalid(format!("{named:?} is neither a user ID nor an e-mail address")));
            }
        };
        self.store.get_person(id).await?.ok_or_else(missing)
    }
}
