//! The SQLite implementation of the store: one file, one writer, several readers.
//!
//! WAL with `synchronous=FULL`: readers never wait for the writer, and a commit that returned is on disk. The writer
//! uses `BEGIN IMMEDIATE`, so that lock contention occurs at the start of a transaction and never half-way. Reader
//! connections are read-only.

mod addresses;
mod admissions;
mod appointments;
mod audit;
mod backend_reports;
mod check;
mod consents;
mod done_requests;
mod errors;
mod integrators;
mod invites;
mod jobs;
mod keys;
mod messages;
mod migrations;
mod open;
mod passkeys;
mod password_resets;
mod provider_links;
mod retention;
mod rights;
mod row;
mod sealing;
mod sessions;
#[cfg(test)]
mod tests;
mod timing;
mod transaction;
mod users;
mod visits;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bedside_visit::{
    Appointment, AppointmentId, ChatMessage, ConsentRecord, EmailAddress, Guarded, Person, TermsId, Timestamp, UserId,
    VisitId, VisitRecord,
};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Sqlite, SqlitePool};
use uuid::Uuid;

use self::errors::failed;
use self::timing::Timing;
use self::transaction::SqliteTransaction;
use crate::seal::Unopened;
use crate::{
    Account, AdmissionRecord, AuditHash, AuditRow, ClientKey, Expired, Invite, InviteHash, Issuer, Job, Keyring,
    Listed, PasskeyRecord, PasswordReset, ProviderLink, ResetHash, RetiredRoot, RightChanges, RootId, SealingReport,
    SessionHash, SessionRecord, Store, StoreError, StoreStatistics, Terms, Transaction,
};

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    /// A pool of one connection, which serializes writers.
    writer: SqlitePool,
    readers: SqlitePool,
    keyring: Arc<Keyring>,
    timing: Arc<Timing>,
}

impl SqliteStore {
    /// Opens the database file at `path`, or creates an empty one readable only by the current OS user. Its directory
    /// must exist. Does not migrate, and cannot read encrypted values: see [`SqliteStore::with_keys`].
    ///
    /// # Errors
    /// [`StoreError::Open`] with the file and the reason; [`StoreError::Newer`]; or [`StoreError::Busy`] if another
    /// process keeps the database locked.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let timing = Arc::default();
        let (writer, readers) = open::pools(path, &timing).await?;
        let store = Self { writer, readers, keyring: Arc::default(), timing };
        store.pending_migrations().await?;
        Ok(store)
    }

    /// Sets the keys for encrypted values.
    ///
    /// # Errors
    /// [`StoreError::OtherKey`] if anything is encrypted under another root key.
    pub async fn with_keys(mut self, keyring: Keyring) -> Result<Self, StoreError> {
        for root in self.list_roots().await? {
            if !keyring.has(root) {
                return Err(row::unopened(&keyring, "data_keys", "root", root, Unopened::Locked));
            }
        }
        self.keyring = Arc::new(keyring);
        Ok(self)
    }

    /// Returns the root keys that are in use in this database.
    ///
    /// # Errors
    /// See [`Store`].
    pub async fn list_roots(&self) -> Result<Vec<RootId>, StoreError> {
        let mut reader = self.reader().await?;
        if !keys::has_table(&mut reader, "data_keys").await? {
            return Ok(vec![]);
        }
        Ok(keys::roots(&mut reader).await?.into_iter().map(|(root, _)| root).collect())
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(failed)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let begun = async { self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed) };
        let transaction = self.timing.of(&self.timing.waits, begun).await?;
        Ok(Box::new(SqliteTransaction::new(transaction, Arc::clone(&self.keyring), Arc::clone(&self.timing))))
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        migrations::run(&mut connection).await?;
        addresses::normalize(&mut connection).await?;
        sealing::seal_plain(&mut connection, &self.keyring).await
    }

    async fn pending_migrations(&self) -> Result<usize, StoreError> {
        migrations::pending(&mut *self.reader().await?).await
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        check::write(&mut connection).await
    }

    async fn check_contents(&self) -> Result<(), StoreError> {
        check::contents(&mut *self.reader().await?).await
    }

    async fn back_up(&self, file: &Path) -> Result<(), StoreError> {
        // Reads a snapshot of the database and does not block the writer. `VACUUM INTO` needs a writable connection for
        // the copy.
        let mut connection = SqliteConnection::connect_with(&self.writer.connect_options()).await.map_err(failed)?;
        check::copy(&mut connection, file).await?;
        connection.close().await.map_err(failed)
    }

    fn statistics(&self) -> StoreStatistics {
        self.timing.statistics()
    }

    async fn close(&self) {
        self.readers.close().await;
        // Closed last, so that it is the only connection left and checkpoints the WAL into the file.
        self.writer.close().await;
    }

    async fn get_person(&self, id: UserId) -> Result<Option<Person>, StoreError> {
        users::get_person(&mut *self.reader().await?, &self.keyring, id).await
    }

    async fn get_account(&self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        users::get_account(&mut *self.reader().await?, &self.keyring, email).await
    }

    async fn get_account_of(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        users::get_account_of(&mut *self.reader().await?, &self.keyring, user).await
    }

    async fn count_users(&self) -> Result<u64, StoreError> {
        users::count(&mut *self.reader().await?).await
    }

    async fn get_session(&self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError> {
        sessions::get(&mut *self.reader().await?, hash).await
    }

    async fn list_sign_ins(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError> {
        sessions::list_sign_ins(&mut *self.reader().await?, user, now).await
    }

    async fn list_people(&self) -> Result<Vec<Listed>, StoreError> {
        users::list(&mut *self.reader().await?, &self.keyring).await
    }

    async fn get_client_key(&self, id: Uuid) -> Result<Option<ClientKey>, StoreError> {
        integrators::get_key(&mut *self.reader().await?, id).await
    }

    async fn get_issuer(&self, name: &str) -> Result<Option<Issuer>, StoreError> {
        integrators::get_issuer(&mut *self.reader().await?, name).await
    }

    async fn get_password_reset(&self, hash: &ResetHash) -> Result<Option<PasswordReset>, StoreError> {
        password_resets::get(&mut *self.reader().await?, hash).await
    }

    async fn get_provider_link(&self, issuer: &str, subject: &str) -> Result<Option<ProviderLink>, StoreError> {
        provider_links::get(&mut *self.reader().await?, issuer, subject).await
    }

    async fn get_provider_link_of(&self, user: UserId, issuer: &str) -> Result<Option<ProviderLink>, StoreError> {
        provider_links::get_of(&mut *self.reader().await?, user, issuer).await
    }

    async fn list_provider_links(&self, issuer: &str) -> Result<Vec<ProviderLink>, StoreError> {
        provider_links::list(&mut *self.reader().await?, issuer).await
    }

    async fn get_passkey(&self, credential_id: &[u8]) -> Result<Option<PasskeyRecord>, StoreError> {
        passkeys::get(&mut *self.reader().await?, credential_id).await
    }

    async fn list_passkeys(&self, user: UserId) -> Result<Vec<PasskeyRecord>, StoreError> {
        passkeys::list(&mut *self.reader().await?, user).await
    }

    async fn get_invite(&self, hash: &InviteHash) -> Result<Option<Invite>, StoreError> {
        invites::get(&mut *self.reader().await?, hash).await
    }

    async fn get_invite_of_session(&self, session: &SessionHash) -> Result<Option<Invite>, StoreError> {
        invites::get_of_session(&mut *self.reader().await?, session).await
    }

    async fn get_admission_of_session(&self, session: &SessionHash) -> Result<Option<AdmissionRecord>, StoreError> {
        admissions::get_of_session(&mut *self.reader().await?, session).await
    }

    async fn list_admissions(&self, since: Timestamp) -> Result<Vec<AdmissionRecord>, StoreError> {
        admissions::list_waiting(&mut *self.reader().await?, since).await
    }

    async fn get_appointment(&self, id: AppointmentId) -> Result<Option<Guarded<Appointment>>, StoreError> {
        appointments::get(&mut *self.reader().await?, &self.keyring, id).await
    }

    async fn list_appointments(
        &self,
        user: UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Guarded<Appointment>>, StoreError> {
        appointments::list(&mut *self.reader().await?, &self.keyring, user, from, until).await
    }

    async fn list_bookings(
        &self,
        by: Option<UserId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Guarded<Appointment>>, StoreError> {
        appointments::list_booked(&mut *self.reader().await?, &self.keyring, by, from, until).await
    }

    async fn count_appointments(&self) -> Result<u64, StoreError> {
        appointments::count(&mut *self.reader().await?).await
    }

    async fn get_open_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError> {
        visits::get_open(&mut *self.reader().await?, appointment).await
    }

    async fn get_latest_visit(&self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError> {
        visits::get_latest(&mut *self.reader().await?, appointment).await
    }

    async fn list_started_visits(&self) -> Result<Vec<VisitRecord>, StoreError> {
        visits::list_started(&mut *self.reader().await?).await
    }

    async fn list_messages(&self, visit: VisitId) -> Result<Vec<ChatMessage>, StoreError> {
        messages::list(&mut *self.reader().await?, &self.keyring, visit).await
    }

    async fn list_consents(&self, appointment: AppointmentId) -> Result<Vec<ConsentRecord>, StoreError> {
        consents::list(&mut *self.reader().await?, appointment).await
    }

    async fn get_terms(&self, id: TermsId) -> Result<Option<Terms>, StoreError> {
        consents::get_terms(&mut *self.reader().await?, id).await
    }

    async fn get_sealing_report(&self) -> Result<SealingReport, StoreError> {
        sealing::report(&mut *self.reader().await?).await
    }

    async fn list_retired_roots(&self) -> Result<Vec<RetiredRoot>, StoreError> {
        keys::list_retired(&mut *self.reader().await?).await
    }

    async fn list_due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        jobs::list_due(&mut *self.reader().await?, now, limit).await
    }

    async fn count_jobs(&self) -> Result<u64, StoreError> {
        jobs::count(&mut *self.reader().await?).await
    }

    async fn list_expired(&self, before: Timestamp) -> Result<Vec<Expired>, StoreError> {
        retention::list(&mut *self.reader().await?, before).await
    }

    async fn get_rights_epoch(&self) -> Result<i64, StoreError> {
        rights::get_epoch(&mut *self.reader().await?).await
    }

    async fn get_right_changes(&self, after: i64) -> Result<RightChanges, StoreError> {
        rights::get_changes(&mut *self.reader().await?, after).await
    }

    async fn list_audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        audit::list(&mut *self.reader().await?, after, limit).await
    }

    async fn get_audit_end(&self) -> Result<Option<(i64, AuditHash)>, StoreError> {
        audit::get_end(&mut *self.reader().await?).await
    }
}
