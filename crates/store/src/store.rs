//! The two traits of the store.

use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    AdmissionId, Appointment, AppointmentId, AppointmentStatus, CallBackend, ChatMessage, ConsentRecord, EmailAddress,
    Guarded, Person, Role, TermsId, Timestamp, UserId, VisitId, VisitRecord,
};
use uuid::Uuid;

use crate::{
    Account, AdmissionRecord, AuditEntry, AuditHash, AuditRow, BackendReport, ClientKey, DoneRequest, Expired, Invite,
    InviteHash, Issuer, Job, Listed, NewUser, PasskeyRecord, PasswordHash, PasswordReset, ProviderLink, Receipt,
    RequestHash, ResetHash, RetiredRoot, RightChanges, SealedSecret, SealingReport, SessionHash, SessionRecord,
    StoreError, StoreStatistics, Terms,
};

/// The storage backend. Every read sees everything that was committed before it began.
///
/// # Errors
/// Every method fails with [`StoreError::Busy`] or [`StoreError::Unavailable`] when the database does, and every read
/// with [`StoreError::Corrupt`] for a row that cannot be parsed. Methods that read or write encrypted data can fail
/// with [`StoreError::NoKey`], [`StoreError::OtherKey`] or [`StoreError::ReplacedKey`].
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Begins a transaction. There is one writer at a time. Waits for at most 5 seconds for other writers in this
    /// process and 5 seconds for other processes, then fails with [`StoreError::Busy`].
    ///
    /// A caller must not begin a second transaction while holding the first: it would wait until it times out.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Migrates the database and encrypts values that an older version stored in plain text. Does nothing if the
    /// database is up to date.
    ///
    /// # Errors
    /// [`StoreError::Newer`] or [`StoreError::Migration`].
    async fn migrate(&self) -> Result<(), StoreError>;

    /// Returns how many migrations [`Store::migrate`] would apply.
    ///
    /// # Errors
    /// [`StoreError::Newer`].
    async fn pending_migrations(&self) -> Result<usize, StoreError>;

    /// Checks that the database is writable by committing a change to a value that nothing reads.
    async fn check_writable(&self) -> Result<(), StoreError>;

    /// Reads the whole database to check its integrity.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with [`StorageFault::Damaged`](crate::StorageFault::Damaged).
    async fn check_contents(&self) -> Result<(), StoreError>;

    /// Writes a consistent copy to a new file, while other connections read and write.
    async fn back_up(&self, file: &Path) -> Result<(), StoreError>;

    /// Returns latency statistics since the store was opened.
    fn statistics(&self) -> StoreStatistics;

    /// Waits for running operations and closes the database. No method works afterwards.
    async fn close(&self);

    /// Returns a person.
    async fn get_person(&self, id: UserId) -> Result<Option<Person>, StoreError>;

    /// Returns the account that signs in with `email`, even if it is disabled.
    async fn get_account(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// Returns the account of a user, even if it is disabled.
    async fn get_account_of(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// Returns the number of users, including disabled ones.
    async fn count_users(&self) -> Result<u64, StoreError>;

    /// Returns a session unless its user is disabled. The caller must check whether it has expired.
    async fn get_session(&self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// Returns a user's sign-in sessions that have not expired by `now`, most recently used first. Sessions opened by
    /// patient links are not included.
    async fn list_sign_ins(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError>;

    /// Returns all people except integrators, in no particular order.
    async fn list_people(&self) -> Result<Vec<Listed>, StoreError>;

    /// Returns a client key by client ID. `None` also if the integrator is disabled.
    async fn get_client_key(&self, id: Uuid) -> Result<Option<ClientKey>, StoreError>;

    /// Returns the integrator whose join tokens have this issuer. `None` also if the integrator is disabled.
    async fn get_issuer(&self, name: &str) -> Result<Option<Issuer>, StoreError>;

    /// Returns a password reset link unless its user is disabled. The caller must check whether it has expired.
    async fn get_password_reset(&self, hash: &ResetHash) -> Result<Option<PasswordReset>, StoreError>;

    /// Returns the account linked to a subject of an OpenID provider.
    async fn get_provider_link(&self, issuer: &str, subject: &str) -> Result<Option<ProviderLink>, StoreError>;

    /// Returns the OpenID provider identity linked to a user.
    async fn get_provider_link_of(&self, user: UserId, issuer: &str) -> Result<Option<ProviderLink>, StoreError>;

    /// Returns all account links of an OpenID provider, oldest first.
    async fn list_provider_links(&self, issuer: &str) -> Result<Vec<ProviderLink>, StoreError>;

    /// Returns a passkey, even of a disabled user.
    async fn get_passkey(&self, credential_id: &[u8]) -> Result<Option<PasskeyRecord>, StoreError>;

    /// Returns the passkeys of a user, oldest first.
    async fn list_passkeys(&self, user: UserId) -> Result<Vec<PasskeyRecord>, StoreError>;

    /// Returns a link, whether used or expired or not.
    async fn get_invite(&self, hash: &InviteHash) -> Result<Option<Invite>, StoreError>;

    /// Returns the link that was used to open a session.
    async fn get_invite_of_session(&self, session: &SessionHash) -> Result<Option<Invite>, StoreError>;

    /// Returns the request to join from another device that would get this session.
    async fn get_admission_of_session(&self, session: &SessionHash) -> Result<Option<AdmissionRecord>, StoreError>;

    /// Returns the pending requests to join from another device that were made after `since`, oldest first.
    async fn list_admissions(&self, since: Timestamp) -> Result<Vec<AdmissionRecord>, StoreError>;

    /// Returns an appointment with its participants. Reading it requires a permission check.
    async fn get_appointment(&self, id: AppointmentId) -> Result<Option<Guarded<Appointment>>, StoreError>;

    /// Returns the appointments in which `user` has any role that start within `from..until`, ordered by start. Reading
    /// them requires a permission check.
    async fn list_appointments(
        &self,
        user: UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Guarded<Appointment>>, StoreError>;

    /// Returns all appointments, or those booked by one user, that start within `from..until`, ordered by start.
    /// Reading them requires a permission check.
    async fn list_bookings(
        &self,
        by: Option<UserId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Guarded<Appointment>>, StoreError>;

    /// Returns a counter that increases whenever a permission may have been revoked, e.g. because a session ended or a
    /// user was disabled, by this process or another.
    async fn get_rights_epoch(&self) -> Result<i64, StoreError>;

    /// Returns the users whose permissions may have been revoked since an epoch.
    async fn get_right_changes(&self, after: i64) -> Result<RightChanges, StoreError>;

    /// Returns the number of appointments.
    async fn count_appointments(&self) -> Result<u64, StoreError>;

    /// Returns the visit of an appointment that has not ended. There is at most one.
    async fn get_open_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// Returns the most recently begun visit of an appointment, whether it has ended or not.
    async fn get_latest_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// Returns all visits that have started and not ended, to be resumed after a restart.
    async fn list_started_visits(&self) -> Result<Vec<VisitRecord>, StoreError>;

    /// Returns the chat messages of a visit, in order.
    async fn list_messages(&self, visit: VisitId) -> Result<Vec<ChatMessage>, StoreError>;

    /// Returns the consents given and withdrawn in an appointment's visits, in order.
    async fn list_consents(&self, appointment: AppointmentId) -> Result<Vec<ConsentRecord>, StoreError>;

    /// Returns terms as they were displayed.
    async fn get_terms(&self, id: TermsId) -> Result<Option<Terms>, StoreError>;

    /// Returns what is encrypted and under which keys.
    async fn get_sealing_report(&self) -> Result<SealingReport, StoreError>;

    /// Returns the previous root keys, oldest first.
    async fn list_retired_roots(&self) -> Result<Vec<RetiredRoot>, StoreError>;

    /// Returns at most `limit` jobs due by `now`, in the order in which they are due.
    async fn list_due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// Returns the number of queued jobs.
    async fn count_jobs(&self) -> Result<u64, StoreError>;

    /// Returns appointments before `before` that still hold free text and have no visit under way, oldest first.
    async fn list_expired(&self, before: Timestamp) -> Result<Vec<Expired>, StoreError>;

    /// Returns at most `limit` rows of the audit log with a sequence above `after` (0 for the beginning).
    async fn list_audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;

    /// Returns the last row of the audit log and the hash over all rows. `None` if there is none, or if it was written
    /// before the hash chain was introduced.
    async fn get_audit_end(&self) -> Result<Option<(i64, AuditHash)>, StoreError>;
}

/// A write transaction. [`Transaction::commit`] makes it durable; dropping it rolls it back.
///
/// # Errors
/// Every method fails as those of [`Store`] do. Every write also fails with [`StoreError::Conflict`] if it conflicts
/// with stored data or [`StoreError::Invalid`] if it violates a constraint. After an error, the transaction cannot be
/// used any further and must be dropped.
#[async_trait]
pub trait Transaction: Send {
    /// Commits. When this returns, the change survives a power failure.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Adds a user.
    ///
    /// # Errors
    /// [`Conflict::EmailTaken`](crate::Conflict::EmailTaken),
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists).
    async fn insert_user(&mut self, user: &NewUser, at: Timestamp) -> Result<(), StoreError>;

    /// Returns the account that signs in with `email`, even if it is disabled.
    async fn get_account(&mut self, email: &EmailAddress) -> Result<Option<Account>, StoreError>;

    /// Sets a user's password. Returns `false` if there is no such user.
    async fn update_password(&mut self, user: UserId, password: &PasswordHash) -> Result<bool, StoreError>;

    /// Sets or, with `None`, removes a user's TOTP secret. Returns `false` if there is no such user.
    async fn update_second_step(&mut self, user: UserId, secret: Option<&SealedSecret>) -> Result<bool, StoreError>;

    /// Sets a user's TOTP secret if they have none. Returns `false` if they have one, or if there is no such user.
    async fn insert_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError>;

    /// Marks a TOTP time step and all earlier ones as used. Returns `false` if it was already used.
    async fn use_second_step(&mut self, user: UserId, step: u64) -> Result<bool, StoreError>;

    /// Disables a user or, with `None`, enables them again. Returns `false` if there is no such user.
    async fn update_disabled(&mut self, user: UserId, disabled_at: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Adds a session.
    async fn insert_session(&mut self, session: &SessionRecord) -> Result<(), StoreError>;

    /// Returns a session unless its user is disabled.
    async fn get_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// Records that a session was used. The time never moves backwards. Returns `false` if there is no such session.
    async fn update_session_seen(&mut self, hash: &SessionHash, now: Timestamp) -> Result<bool, StoreError>;

    /// Ends a session and returns it.
    async fn delete_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError>;

    /// Ends all sessions of a user and returns their number.
    async fn delete_sessions_of(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Ends all sessions opened with an integrator's join tokens and returns their number.
    async fn delete_sessions_vouched_by(&mut self, program: UserId) -> Result<u64, StoreError>;

    /// Ends all sessions and deletes all password reset links. Returns the number of sessions. For a database restored
    /// from backup, in which ended sessions would be valid again.
    async fn delete_all_sessions(&mut self) -> Result<u64, StoreError>;

    /// Deletes the sessions that have expired by `now` and returns their number.
    async fn delete_expired_sessions(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Sets or, with `None`, removes a user's clinic role. Returns `false` if there is no such user.
    async fn update_clinic_role(&mut self, user: UserId, role: Option<ClinicRole>) -> Result<bool, StoreError>;

    /// Adds a client key of an integrator.
    async fn insert_client_key(&mut self, key: &ClientKey) -> Result<(), StoreError>;

    /// Deletes a client key. Returns `false` if there is no such key.
    async fn delete_client_key(&mut self, id: Uuid) -> Result<bool, StoreError>;

    /// Accepts an integrator's join tokens, or replaces its signing keys. Returns `false` if another integrator has
    /// this issuer name.
    async fn save_issuer(&mut self, issuer: &Issuer, at: Timestamp) -> Result<bool, StoreError>;

    /// Stops accepting join tokens with this issuer name. Returns `false` if there is no such issuer.
    async fn delete_issuer(&mut self, name: &str, user: UserId) -> Result<bool, StoreError>;

    /// Adds a password reset link and deletes the user's older ones.
    async fn replace_password_reset(&mut self, reset: &PasswordReset) -> Result<(), StoreError>;

    /// Uses up a password reset link and returns its user. `None` if there is no such link, it has expired, or its user
    /// is disabled.
    async fn use_password_reset(&mut self, hash: &ResetHash, now: Timestamp) -> Result<Option<UserId>, StoreError>;

    /// Deletes a user's password reset links and returns their number.
    async fn delete_password_resets_of(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Links a user's account to an OpenID provider identity.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if the subject is linked to an account, or the user
    /// is linked to another subject of that OpenID provider.
    async fn insert_provider_link(&mut self, link: &ProviderLink) -> Result<(), StoreError>;

    /// Unlinks a user's account from an OpenID provider. Returns `false` if it was not linked.
    async fn delete_provider_link(&mut self, user: UserId, issuer: &str) -> Result<bool, StoreError>;

    /// Adds a passkey.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if the credential ID is already registered.
    async fn insert_passkey(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError>;

    /// Records that a passkey was used, with its updated state. Returns `false` if there is no such passkey.
    async fn update_passkey_used(
        &mut self,
        credential_id: &[u8],
        credential: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes a passkey of a user. Returns `false` if the user has no such passkey.
    async fn delete_passkey(&mut self, user: UserId, credential_id: &[u8]) -> Result<bool, StoreError>;

    /// Adds a patient link.
    async fn insert_invite(&mut self, invite: &Invite) -> Result<(), StoreError>;

    /// Returns a link, whether used or expired or not.
    async fn get_invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StoreError>;

    /// Uses a link for a session. Returns `true` if it was unused and not expired and is now bound to that session, or
    /// if it was already bound to that session. Otherwise returns `false` and changes nothing.
    async fn use_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Binds a used link to another session. Returns `false` if it is unused, revoked or expired.
    async fn rebind_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Adds a request to join from another device.
    async fn insert_admission(&mut self, asked: &AdmissionRecord) -> Result<(), StoreError>;

    /// Answers such a request. Returns `false` if there is none or it was already answered.
    async fn answer_admission(&mut self, id: AdmissionId, admitted: bool, at: Timestamp) -> Result<bool, StoreError>;

    /// Deletes such requests made before `before` and returns their number.
    async fn delete_old_admissions(&mut self, before: Timestamp) -> Result<u64, StoreError>;

    /// Deletes a user's unused links to an appointment, before a new one replaces them. Returns their number.
    async fn delete_unused_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError>;

    /// Revokes a user's links to an appointment, used or not, and ends the sessions they opened. Returns the number of
    /// links.
    async fn revoke_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError>;

    /// Adds a guest, interpreter or observer to an appointment.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if they were already added.
    async fn insert_companion(
        &mut self,
        appointment: AppointmentId,
        user: UserId,
        role: Role,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Removes a guest, interpreter or observer from an appointment. Returns `false` if they were none of these.
    async fn delete_companion(&mut self, appointment: AppointmentId, user: UserId) -> Result<bool, StoreError>;

    /// Books an appointment. Its participants must be existing users; only their IDs are stored with it.
    async fn insert_appointment(&mut self, appointment: &Appointment, at: Timestamp) -> Result<(), StoreError>;

    /// Returns an appointment with its participants. Reading it requires a permission check.
    async fn get_appointment(&mut self, id: AppointmentId) -> Result<Option<Guarded<Appointment>>, StoreError>;

    /// Sets an appointment's status. Returns `false` if there is no such appointment.
    async fn update_appointment_status(
        &mut self,
        id: AppointmentId,
        status: AppointmentStatus,
    ) -> Result<bool, StoreError>;

    /// Sets an appointment's call backend. Returns `false` if there is no such appointment.
    async fn update_appointment_backend(&mut self, id: AppointmentId, backend: CallBackend)
    -> Result<bool, StoreError>;

    /// Returns the visit of an appointment that has not ended.
    async fn get_open_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// Returns the most recently begun visit of an appointment, whether it has ended or not.
    async fn get_latest_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError>;

    /// Saves a visit with its participants, replacing what was stored before.
    ///
    /// # Errors
    /// [`Conflict::VisitOpen`](crate::Conflict::VisitOpen) if another visit of the appointment has not ended;
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if it belongs to another appointment.
    async fn save_visit(&mut self, visit: &VisitRecord) -> Result<(), StoreError>;

    /// Adds a chat message to a stored visit.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if the number is taken.
    async fn insert_message(&mut self, visit: VisitId, message: &ChatMessage) -> Result<(), StoreError>;

    /// Stores terms as they are displayed. Terms already stored are not changed.
    async fn insert_terms(&mut self, terms: &Terms, at: Timestamp) -> Result<(), StoreError>;

    /// Records that consent was given or withdrawn. The terms and the visit must be stored.
    async fn insert_consent(&mut self, record: &ConsentRecord) -> Result<(), StoreError>;

    /// Deletes an appointment's free text and the chat messages of its visits. Participants, times, the audit log and
    /// consents are kept. Returns `false` if there is no such appointment, it is under legal hold, or this was done
    /// before.
    async fn forget_appointment(&mut self, id: AppointmentId, at: Timestamp) -> Result<bool, StoreError>;

    /// Puts an appointment under legal hold or lifts it. Returns `false` if there is no such appointment.
    async fn update_hold(&mut self, id: AppointmentId, since: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Stores a report from a call backend's service. It is assigned to the visit of an earlier report of the same
    /// call, or to the last visit of the two users it names.
    async fn insert_backend_report(&mut self, report: &BackendReport) -> Result<Receipt, StoreError>;

    /// Re-wraps at most `limit` data keys from the previous root key to the current one, and returns their number.
    async fn rewrap_keys(&mut self, limit: u32) -> Result<u64, StoreError>;

    /// Re-encrypts the data of at most `limit` users and appointments whose data keys were created before `before`
    /// under new data keys, and returns their number.
    async fn rotate_keys(&mut self, before: Timestamp, at: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Returns at most `limit` TOTP secrets of users after `after` (`None` to start), ordered by user.
    async fn list_second_steps(
        &mut self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, SealedSecret)>, StoreError>;

    /// Replaces a TOTP secret by the same secret encrypted again. Used time steps stay used. Returns `false` if the
    /// user has none.
    async fn reseal_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError>;

    /// Returns the previous root keys, oldest first.
    async fn list_retired_roots(&mut self) -> Result<Vec<RetiredRoot>, StoreError>;

    /// Saves data about a previous root key, replacing what was saved before.
    async fn save_retired_root(&mut self, retired: &RetiredRoot) -> Result<(), StoreError>;

    /// Queues a job. It runs once this transaction is committed.
    async fn insert_job(&mut self, job: &Job) -> Result<(), StoreError>;

    /// Postpones a job after a failed attempt. Returns `false` if it is no longer queued.
    async fn postpone_job(&mut self, id: Uuid, until: Timestamp) -> Result<bool, StoreError>;

    /// Removes a job from the queue because it succeeded or cannot succeed. Returns `false` if it is no longer queued.
    async fn delete_job(&mut self, id: Uuid) -> Result<bool, StoreError>;

    /// Returns the completed request with this idempotency key.
    async fn get_done_request(&mut self, key: &RequestHash) -> Result<Option<DoneRequest>, StoreError>;

    /// Records a completed request.
    ///
    /// # Errors
    /// [`Conflict::AlreadyExists`](crate::Conflict::AlreadyExists) if the idempotency key was used.
    async fn insert_done_request(&mut self, done: &DoneRequest) -> Result<(), StoreError>;

    /// Deletes requests completed before `before` and returns their number.
    async fn delete_old_done_requests(&mut self, before: Timestamp) -> Result<u64, StoreError>;

    /// Appends an entry to the audit log.
    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Appends the row that records a restore from backup. `through` is the last row known to have been written after
    /// the backup, or 0 if none is known. It is stored in the row's detail.
    async fn append_restored(&mut self, at: Timestamp, through: i64) -> Result<(), StoreError>;
}
