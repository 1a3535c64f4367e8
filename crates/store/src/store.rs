//! The two traits that the rest of the program sees.

use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    AdmissionId, Appointment, AppointmentId, AppointmentStatus, CallBackend, ChatMessage, ConsentRecord, EmailAddress,
    Person, Role, Sealed, TermsId, Timestamp, UserId, VisitId, VisitRecord,
};
use uuid::Uuid;

use crate::{
    Account, AdmissionRecord, AuditEntry, AuditHash, AuditRow, BackendReport, ClientKey, DoneRequest, Expired, Invite,
    InviteHash, Issuer, Job, Listed, NewUser, PasskeyRecord, PasswordHash, PasswordReset, ProviderLink, Receipt,
    RequestHash, ResetHash, RetiredRoot, RightChanges, SealedSecret, SealingReport, SessionHash, SessionRecord,
    StoreError, StoreStatistics, Terms,
};

/// Where things are remembered. Every read sees all that was committed before it began.
///
/// # Errors
/// Every method fails with [`StoreError::Busy`] or [`StoreError::Unavailable`] when the database
/// does, and every read with [`StoreError::Corrupt`] for a row that does not parse. What is sealed can fail with
/// [`StoreError::NoKey`], [`StoreError::OtherKey`] or [`StoreError::ReplacedKey`].
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Begins a transaction. There is one writer at a time: this waits for its turn, for at most
    /// 5 seconds behind the writers of this program and 5 behind another program's, then fails with
    /// [`StoreError::Busy`].
    ///
    /// To begin a second one while holding the first waits in vain.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Brings the database up to date, and seals what an older version left plain. Does nothing if it is.
    ///
    /// # Errors
    /// [`StoreError::Newer`] or [`StoreError::Migration`].
    async fn migrate(&self) -> Result<(), StoreError>;

    /// How many migrations [`Store::migrate`] would apply.
    ///
    /// # Errors
    /// [`StoreError::Newer`].
    async fn pending_migrations(&self) -> Result<usize, StoreError>;

    /// Writes something durably, to prove that the database can be written. Changes nothing that anything reads.
    async fn check_writable(&self) -> Result<(), StoreError>;

    /// Reads all of it, to prove that it is whole.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with [`StorageFault::Damaged`](crate::StorageFault::Damaged).
    async fn check_contents(&self) -> Result<(), StoreError>;

    /// Writes a copy into a new file, as everything is at one moment, while others read and write.
    async fn back_up(&self, file: &Path) -> Result<(), StoreError>;

    /// How long what was written had to wait, since the store was opened.
    fn statistics(&self) -> StoreStatistics;

    /// Waits for what is under way and closes the database. Nothing works after it.
    async fn close(&self);

    /// A person.
    async fn get_person(&self, id: UserId) -> Result<Option<Person>, StoreError>;

    /// The account that signs in with `email`, also if it is disabled.
    async fn get_account(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// The account of a user, also if it is disabled.
    async fn get_account_of(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// How many users there are, disabled ones too.
    async fn count_users(&self) -> Result<u64, StoreError>;

    /// A session, unless its user is disabled. Whether it has expired is for the caller to see.
    async fn get_session(&self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// The sign-ins of a user that have not expired by `now`, the latest used first; not those of patient links.
    async fn list_sign_ins(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError>;

    /// Everyone but other programs, in no order.
    async fn list_people(&self) -> Result<Vec<Listed>, StoreError>;

    /// The key with which another program gets access tokens. `None` also if the program is shut out.
    async fn get_client_key(&self, id: Uuid) -> Result<Option<ClientKey>, StoreError>;

    /// Another program whose join tokens are taken, by its name. `None` also if the program is shut out.
    async fn get_issuer(&self, name: &str) -> Result<Option<Issuer>, StoreError>;

    /// A link to set a new password, unless its user is disabled. Whether it has expired is for the caller to see.
    async fn get_password_reset(&self, hash: &ResetHash) -> Result<Option<PasswordReset>, StoreError>;

    /// Who somebody is that an OpenID provider knows by this subject.
    async fn get_provider_link(&self, issuer: &str, subject: &str) -> Result<Option<ProviderLink>, StoreError>;

    /// Who a user is at an OpenID provider.
    async fn get_provider_link_of(&self, user: UserId, issuer: &str) -> Result<Option<ProviderLink>, StoreError>;

    /// All that an OpenID provider knows of our users, the oldest first.
    async fn list_provider_links(&self, issuer: &str) -> Result<Vec<ProviderLink>, StoreError>;

    /// A passkey, also of a disabled user.
    async fn get_passkey(&self, credential_id: &[u8]) -> Result<Option<PasskeyRecord>, StoreError>;

    /// The passkeys of a user, the oldest first.
    async fn list_passkeys(&self, user: UserId) -> Result<Vec<PasskeyRecord>, StoreError>;

    /// A link, used or not, expired or not.
    async fn get_invite(&self, hash: &InviteHash) -> Result<Option<Invite>, StoreError>;

    /// The link that was used for a session.
    async fn get_invite_of_session(&self, session: &SessionHash) -> Result<Option<Invite>, StoreError>;

    /// A wish to come in on another device, by the session that it is to have.
    async fn get_admission_of_session(&self, session: &SessionHash) -> Result<Option<AdmissionRecord>, StoreError>;

    /// The wishes to come in on another device that came later than `since` and are not answered, the oldest first.
    async fn list_admissions(&self, since: Timestamp) -> Result<Vec<AdmissionRecord>, StoreError>;

    /// An appointment with both its people, for the gate to open.
    async fn get_appointment(&self, id: AppointmentId) -> Result<Option<Sealed<Appointment>>, StoreError>;

    /// The appointments, for the gate to open, that `user` has a part in, whichever, and that start at `from` or later and
    /// before `until`, by start.
    async fn list_appointments(
        &self,
        user: UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Sealed<Appointment>>, StoreError>;

    /// All appointments, or those that somebody booked, for the gate to open, that start at `from` or later and before
    /// `until`, by start.
    async fn list_bookings(
        &self,
        by: Option<UserId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Sealed<Appointment>>, StoreError>;

    /// A number that goes up whenever somebody's right may have gone: a session ended, a user was shut out. By
    /// whichever program.
    async fn get_rights_epoch(&self) -> Result<i64, StoreError>;

    /// Whose rights may have gone since an epoch.
    async fn get_right_changes(&self, after: i64) -> Result<RightChanges, StoreError>;

    /// How many appointments there are.
    async fn count_appointments(&self) -> Result<u64, StoreError>;

    /// The visit of an appointment that has not ended. There is at most one.
    async fn get_open_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// The visit of an appointment that began last, ended or not.
    async fn get_latest_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// All visits that have started and not ended, for a restarted program to continue.
    async fn list_started_visits(&self) -> Result<Vec<VisitRecord>, StoreError>;

    /// What was written in a visit, in order.
    async fn list_messages(&self, visit: VisitId) -> Result<Vec<ChatMessage>, StoreError>;

    /// Who agreed to the clinic's terms, and took it back, in an appointment's visits, in order.
    async fn list_consents(&self, appointment: AppointmentId) -> Result<Vec<ConsentRecord>, StoreError>;

    /// Terms as they were shown.
    async fn get_terms(&self, id: TermsId) -> Result<Option<Terms>, StoreError>;

    /// What is sealed, and under which keys.
    async fn get_sealing_report(&self) -> Result<SealingReport, StoreError>;

    /// The root keys of before, the first one first.
    async fn list_retired_roots(&self) -> Result<Vec<RetiredRoot>, StoreError>;

    /// At most `limit` jobs that are due by now, the first due first.
    async fn list_due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// How many jobs wait.
    async fn count_jobs(&self) -> Result<u64, StoreError>;

    /// Appointments before `before` that are not forgotten and have no visit under way, oldest first.
    async fn list_expired(&self, before: Timestamp) -> Result<Vec<Expired>, StoreError>;

    /// At most `limit` lines of the audit log with a sequence above `after` (0 for the beginning).
    async fn list_audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;

    /// The last line of the audit log and the hash of all lines. `None`: there is none, or it is older than the chain.
    async fn get_audit_end(&self) -> Result<Option<(i64, AuditHash)>, StoreError>;
}

/// A change in the making. [`Transaction::commit`] makes it durable; dropping it undoes all of it.
///
/// # Errors
/// Every method fails as those of [`Store`] do, and every write with [`StoreError::Conflict`] if it
/// contradicts what is stored or [`StoreError::Invalid`] if it breaks a rule of its own. After a
/// failure the transaction is of no more use: drop it.
#[async_trait]
pub trait Transaction: Send {
    /// Makes the change durable: when this returns, it survives a power cut.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Adds a user.
    ///
    /// # Errors
    /// [`Conflict::EmailTaken`](crate::Conflict::EmailTaken),
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists).
    async fn insert_user(&mut self, user: &NewUser, at: Timestamp) -> Result<(), StoreError>;

    /// The account that signs in with `email`, also if it is disabled.
    async fn get_account(&mut self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// Gives a user another password. False: there is no such user.
    async fn update_password(&mut self, user: UserId, password: &PasswordHash) -> Result<bool, StoreError>;

    /// Gives a user a second step of signing in, or with `None` takes it away. False: there is no such user.
    async fn update_second_step(&mut self, user: UserId, secret: Option<&SealedSecret>) -> Result<bool, StoreError>;

    /// Gives a user their first second step. False: they have one already, or there is no such user.
    async fn insert_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError>;

    /// Uses up a time step of a user's one-time passwords, and those before it. False: it was used up already.
    async fn use_second_step(&mut self, user: UserId, step: u64) -> Result<bool, StoreError>;

    /// Shuts a user out, or with `None` lets them in again. False: there is no such user.
    async fn update_disabled(&mut self, user: UserId, disabled_at: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Adds a session.
    async fn insert_session(&mut self, session: &SessionRecord) -> Result<(), StoreError>;

    /// A session, unless its user is disabled.
    async fn get_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// Notes that a session was used. Never moves backwards. False: there is no such session.
    async fn update_session_seen(&mut self, hash: &SessionHash, now: Timestamp) -> Result<bool, StoreError>;

    /// Ends a session, and gives what it was.
    async fn delete_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// Ends all sessions of a user, and tells how many.
    async fn delete_sessions_of(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Ends all sessions that began with a join token of a program, and tells how many.
    async fn delete_sessions_vouched_by(&mut self, program: UserId) -> Result<u64, StoreError>;

    /// Ends every session and everybody's links to set a new password, and tells how many sessions. For a restored copy, in
    /// which sessions live again that had ended.
    async fn delete_all_sessions(&mut self) -> Result<u64, StoreError>;

    /// Removes the sessions whose end has come by `now`, and tells how many.
    async fn delete_expired_sessions(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Gives a user another place in the clinic, or with `None` none. False: there is no such user.
    async fn update_clinic_role(&mut self, user: UserId, role: Option<ClinicRole>) -> Result<bool, StoreError>;

    /// Adds a key with which another program gets access tokens.
    async fn insert_client_key(&mut self, key: &ClientKey) -> Result<(), StoreError>;

    /// Takes a key away. False: there is no such key.
    async fn delete_client_key(&mut self, id: Uuid) -> Result<bool, StoreError>;

    /// Takes join tokens of another program, or keeps the keys it signs with from now on. False: another program has this
    /// name.
    async fn save_issuer(&mut self, issuer: &Issuer, at: Timestamp) -> Result<bool, StoreError>;

    /// Takes no join tokens of that name any more. False: there were none to be taken.
    async fn delete_issuer(&mut self, name: &str, user: UserId) -> Result<bool, StoreError>;

    /// Adds a link.
    /// Adds a link to set a new password, in place of the user's older ones.
    async fn replace_password_reset(&mut self, reset: &PasswordReset) -> Result<(), StoreError>;

    /// Uses up a link to set a new password, and tells whose. `None`: there is none, it has expired, or its user is
    /// disabled.
    async fn use_password_reset(&mut self, hash: &ResetHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;

    /// Removes a user's links to set a new password, and tells how many.
    async fn delete_password_resets_of(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Remembers who a user is at an OpenID provider.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if the subject is somebody, or the user is known to
    /// that provider by another.
    async fn insert_provider_link(&mut self, link: &ProviderLink) -> Result<(), StoreError>;

    /// Forgets who a user is at an OpenID provider. False: it was not known.
    async fn delete_provider_link(&mut self, user: UserId, issuer: &str) -> Result<bool, StoreError>;

    /// Adds a passkey.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if somebody has it.
    async fn insert_passkey(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError>;

    /// Notes that a passkey was used, with what has changed of it. False: there is no such passkey.
    async fn update_passkey_used(
        &mut self,
        credential_id: &[u8],
        credential: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Removes a passkey of a user. False: they have no such passkey.
    async fn delete_passkey(&mut self, user: UserId, credential_id: &[u8]) -> Result<bool, StoreError>;

    /// Adds a patient link.
    async fn insert_invite(&mut self, invite: &Invite) -> Result<(), StoreError>;

    /// A link, used or not, expired or not.
    async fn get_invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StoreError>;

    /// Uses a link for a session. True: it was unused and not expired, and is now bound to
    /// that session; or it was bound to that very session before. False: anything else, and nothing
    /// has changed.
    async fn use_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives a used link to another session. False: it is not used, or was taken away, or its time is over.
    async fn rebind_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Adds a wish to come in on another device.
    async fn insert_admission(&mut self, asked: &AdmissionRecord) -> Result<(), StoreError>;

    /// Answers one. False: there is none, or it was answered before.
    async fn answer_admission(&mut self, id: AdmissionId, admitted: bool, at: Timestamp) -> Result<bool, StoreError>;

    /// Forgets those that came before then, and tells how many.
    async fn delete_old_admissions(&mut self, before: Timestamp) -> Result<u64, StoreError>;

    /// Removes somebody's unused links to an appointment, so that a new one replaces them; tells how many.
    async fn delete_unused_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError>;

    /// Takes somebody's links to an appointment away, used or not, and ends the sessions that came of them; tells how many
    /// links there were.
    async fn revoke_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError>;

    /// Lets somebody come to an appointment as guest, interpreter or observer.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if they may already.
    async fn insert_companion(
        &mut self,
        appointment: AppointmentId,
        user: UserId,
        role: Role,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lets somebody come no more, who was to be guest, interpreter or observer. False: they were none.
    async fn delete_companion(&mut self, appointment: AppointmentId, user: UserId) -> Result<bool, StoreError>;

    /// Books an appointment. Its people must be users; only their identifiers are stored with it.
    async fn insert_appointment(&mut self, appointment: &Appointment, at: Timestamp) -> Result<(), StoreError>;

    /// An appointment with both its people, for the gate to open.
    async fn get_appointment(&mut self, id: AppointmentId) -> Result<Option<Sealed<Appointment>>, StoreError>;

    /// Gives an appointment another status. False: there is no such appointment.
    async fn update_appointment_status(
        &mut self,
        id: AppointmentId,
        status: AppointmentStatus,
    ) -> Result<bool, StoreError>;

    /// Lets another backend carry an appointment's calls. False: there is no such appointment.
    async fn update_appointment_backend(&mut self, id: AppointmentId, backend: CallBackend)
    -> Result<bool, StoreError>;

    /// The visit of an appointment that has not ended.
    async fn get_open_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// The visit of an appointment that began last, ended or not.
    async fn get_latest_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// Stores a visit with its participants, in place of what was stored of it before.
    ///
    /// # Errors
    /// [`Conflict::VisitOpen`](crate::Conflict::VisitOpen) if another visit of the appointment has
    /// not ended; [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if it belongs to
    /// another appointment.
    async fn save_visit(&mut self, visit: &VisitRecord) -> Result<(), StoreError>;

    /// Adds what somebody wrote to a visit that is stored.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) for a number that is taken.
    async fn insert_message(&mut self, visit: VisitId, message: &ChatMessage) -> Result<(), StoreError>;

    /// Keeps terms as they are shown. Those that are known stay as they are.
    async fn insert_terms(&mut self, terms: &Terms, at: Timestamp) -> Result<(), StoreError>;

    /// Adds that somebody agreed to terms that are stored, or took it back, in a visit that is stored.
    async fn insert_consent(&mut self, record: &ConsentRecord) -> Result<(), StoreError>;

    /// Removes what people wrote about an appointment, and in it. Who met whom and when stays, with the audit log and
    /// what was agreed to. `false`: there is none, it is under legal hold, or it was forgotten before.
    async fn forget_appointment(&mut self, id: AppointmentId, at: Timestamp) -> Result<bool, StoreError>;

    /// Puts an appointment under legal hold, or lifts it. `false`: there is none.
    async fn update_hold(&mut self, id: AppointmentId, since: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Remembers what a call backend's service reported. It is about the visit of an earlier
    /// report of the same call, or the last visit of the two people it names.
    async fn insert_backend_report(&mut self, report: &BackendReport) -> Result<Receipt, StoreError>;

    /// Wraps at most `limit` data keys with the current root key that are wrapped with the one before it, and tells how
    /// many.
    async fn rewrap_keys(&mut self, limit: u32) -> Result<u64, StoreError>;

    /// Gives at most `limit` people and appointments another data key whose keys are from before `before`, seals what
    /// belongs to them anew, and tells how many they were.
    async fn rotate_keys(&mut self, before: Timestamp, at: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// At most `limit` second steps of users after `after` (`None`: from the first), by user.
    async fn list_second_steps(
        &mut self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, SealedSecret)>, StoreError>;

    /// The same second step, sealed anew. What was used up stays so. False: the user has none.
    async fn reseal_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError>;

    /// The root keys of before, the first one first.
    async fn list_retired_roots(&mut self) -> Result<Vec<RetiredRoot>, StoreError>;

    /// Keeps what is to be known of a root key of before, in place of what was kept of it.
    async fn save_retired_root(&mut self, retired: &RetiredRoot) -> Result<(), StoreError>;

    /// Has a job done, once this is committed.
    async fn insert_job(&mut self, job: &Job) -> Result<(), StoreError>;

    /// Lets a job that was tried wait. False: it does not wait any more.
    async fn postpone_job(&mut self, id: Uuid, until: Timestamp) -> Result<bool, StoreError>;

    /// Forgets a job: it was done, or cannot be. False: it does not wait any more.
    async fn delete_job(&mut self, id: Uuid) -> Result<bool, StoreError>;

    /// A request that was done under this name.
    async fn get_done_request(&mut self, key: &RequestHash) -> Result<Option<DoneRequest>, StoreError>;

    /// Remembers that a request was done.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if one was done under that name.
    async fn insert_done_request(&mut self, done: &DoneRequest) -> Result<(), StoreError>;

    /// Forgets those that were done before then, and tells how many.
    async fn delete_old_done_requests(&mut self, before: Timestamp) -> Result<u64, StoreError>;

    /// Adds a line to the audit log.
    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Adds the line that the database was put back as it was earlier. `through`: the last line that is known to have been
    /// written after that; 0 if none is known. The detail of the line says it.
    async fn append_restored(&mut self, at: Timestamp, through: i64) -> Result<(), StoreError>;
}
