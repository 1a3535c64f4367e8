//! Write transactions.

use std::sync::Arc;

use async_trait::async_trait;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    AdmissionId, Appointment, AppointmentId, AppointmentStatus, CallBackend, ChatMessage, ConsentRecord, EmailAddress,
    Guarded, Role, Timestamp, UserId, VisitId, VisitRecord,
};
use sqlx::Sqlite;
use uuid::Uuid;

use super::errors::failed;
use super::timing::Timing;
use super::{
    admissions, appointments, audit, backend_reports, consents, done_requests, integrators, invites, jobs, keys,
    messages, passkeys, password_resets, provider_links, retention, sealing, sessions, users, visits,
};
use crate::{
    Account, AdmissionRecord, AuditEntry, BackendReport, ClientKey, DoneRequest, Invite, InviteHash, Issuer, Job,
    Keyring, NewUser, PasskeyRecord, PasswordHash, PasswordReset, ProviderLink, Receipt, RequestHash, ResetHash,
    RetiredRoot, SealedSecret, SessionHash, SessionRecord, StoreError, Terms, Transaction,
};

/// A transaction on the writer connection. Rolls back when dropped.
pub(super) struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>, Arc<Keyring>, Arc<Timing>);

impl SqliteTransaction {
    pub(super) const fn new(
        begun: sqlx::Transaction<'static, Sqlite>,
        keyring: Arc<Keyring>,
        timing: Arc<Timing>,
    ) -> Self {
        Self(begun, keyring, timing)
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let Self(transaction, _, timing) = *self;
        timing.of(&timing.commits, async { transaction.commit().await.map_err(failed) }).await
    }

    async fn insert_user(&mut self, user: &NewUser, at: Timestamp) -> Result<(), StoreError> {
        users::insert(&mut self.0, &self.1, user, at).await
    }

    async fn get_account(&mut self, email: &EmailAddress) -> Result<Option<Account>, StoreError> {
        users::get_account(&mut self.0, &self.1, email).await
    }

    async fn update_password(&mut self, user: UserId, password: &PasswordHash) -> Result<bool, StoreError> {
        users::update_password(&mut self.0, user, password).await
    }

    async fn update_second_step(&mut self, user: UserId, secret: Option<&SealedSecret>) -> Result<bool, StoreError> {
        users::update_second_step(&mut self.0, user, secret).await
    }

    async fn insert_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError> {
        users::insert_second_step(&mut self.0, user, secret).await
    }

    async fn use_second_step(&mut self, user: UserId, step: u64) -> Result<bool, StoreError> {
        users::use_second_step(&mut self.0, user, step).await
    }

    async fn update_disabled(&mut self, user: UserId, disabled_at: Option<Timestamp>) -> Result<bool, StoreError> {
        users::update_disabled(&mut self.0, user, disabled_at).await
    }

    async fn insert_session(&mut self, session: &SessionRecord) -> Result<(), StoreError> {
        sessions::insert(&mut self.0, session).await
    }

    async fn get_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError> {
        sessions::get(&mut self.0, hash).await
    }

    async fn update_session_seen(&mut self, hash: &SessionHash, now: Timestamp) -> Result<bool, StoreError> {
        sessions::update_seen(&mut self.0, hash, now).await
    }

    async fn delete_session(&mut self, hash: &SessionHash) -> Result<Option<SessionRecord>, StoreError> {
        sessions::delete(&mut self.0, hash).await
    }

    async fn delete_sessions_of(&mut self, user: UserId) -> Result<u64, StoreError> {
        sessions::delete_of(&mut self.0, user).await
    }

    async fn delete_sessions_vouched_by(&mut self, program: UserId) -> Result<u64, StoreError> {
        sessions::delete_vouched_by(&mut self.0, program).await
    }

    async fn delete_all_sessions(&mut self) -> Result<u64, StoreError> {
        password_resets::delete_all(&mut self.0).await?;
        sessions::delete_all(&mut self.0).await
    }

    async fn delete_expired_sessions(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        sessions::delete_expired(&mut self.0, now).await
    }

    async fn update_clinic_role(&mut self, user: UserId, role: Option<ClinicRole>) -> Result<bool, StoreError> {
        users::update_clinic_role(&mut self.0, user, role).await
    }

    async fn insert_client_key(&mut self, key: &ClientKey) -> Result<(), StoreError> {
        integrators::insert_key(&mut self.0, key).await
    }

    async fn delete_client_key(&mut self, id: Uuid) -> Result<bool, StoreError> {
        integrators::delete_key(&mut self.0, id).await
    }

    async fn save_issuer(&mut self, issuer: &Issuer, at: Timestamp) -> Result<bool, StoreError> {
        integrators::save_issuer(&mut self.0, issuer, at).await
    }

    async fn delete_issuer(&mut self, name: &str, user: UserId) -> Result<bool, StoreError> {
        integrators::delete_issuer(&mut self.0, name, user).await
    }

    async fn replace_password_reset(&mut self, reset: &PasswordReset) -> Result<(), StoreError> {
        password_resets::replace(&mut self.0, reset).await
    }

    async fn use_password_reset(&mut self, hash: &ResetHash, now: Timestamp) -> Result<Option<UserId>, StoreError> {
        password_resets::use_up(&mut self.0, hash, now).await
    }

    async fn delete_password_resets_of(&mut self, user: UserId) -> Result<u64, StoreError> {
        password_resets::delete_of(&mut self.0, user).await
    }

    async fn insert_provider_link(&mut self, link: &ProviderLink) -> Result<(), StoreError> {
        provider_links::insert(&mut self.0, link).await
    }

    async fn delete_provider_link(&mut self, user: UserId, issuer: &str) -> Result<bool, StoreError> {
        provider_links::delete(&mut self.0, user, issuer).await
    }

    async fn insert_passkey(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError> {
        passkeys::insert(&mut self.0, passkey).await
    }

    async fn update_passkey_used(
        &mut self,
        credential_id: &[u8],
        credential: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        passkeys::update_used(&mut self.0, credential_id, credential, now).await
    }

    async fn delete_passkey(&mut self, user: UserId, credential_id: &[u8]) -> Result<bool, StoreError> {
        passkeys::delete(&mut self.0, user, credential_id).await
    }

    async fn insert_invite(&mut self, invite: &Invite) -> Result<(), StoreError> {
        invites::insert(&mut self.0, invite).await
    }

    async fn get_invite(&mut self, hash: &InviteHash) -> Result<Option<Invite>, StoreError> {
        invites::get(&mut self.0, hash).await
    }

    async fn use_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        invites::use_for(&mut self.0, hash, session, now).await
    }

    async fn rebind_invite(
        &mut self,
        hash: &InviteHash,
        session: &SessionHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        invites::rebind(&mut self.0, hash, session, now).await
    }

    async fn insert_admission(&mut self, asked: &AdmissionRecord) -> Result<(), StoreError> {
        admissions::insert(&mut self.0, asked).await
    }

    async fn answer_admission(&mut self, id: AdmissionId, admitted: bool, at: Timestamp) -> Result<bool, StoreError> {
        admissions::answer(&mut self.0, id, admitted, at).await
    }

    async fn delete_old_admissions(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        admissions::delete_old(&mut self.0, before).await
    }

    async fn delete_unused_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError> {
        invites::delete_unused(&mut self.0, appointment, user).await
    }

    async fn revoke_invites(&mut self, appointment: AppointmentId, user: UserId) -> Result<u64, StoreError> {
        sessions::delete_of_links(&mut self.0, appointment, user).await?;
        invites::revoke(&mut self.0, appointment, user).await
    }

    async fn insert_companion(
        &mut self,
        appointment: AppointmentId,
        user: UserId,
        role: Role,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        appointments::insert_companion(&mut self.0, appointment, (user, role), at).await
    }

    async fn delete_companion(&mut self, appointment: AppointmentId, user: UserId) -> Result<bool, StoreError> {
        appointments::delete_companion(&mut self.0, appointment, user).await
    }

    async fn insert_appointment(&mut self, appointment: &Appointment, at: Timestamp) -> Result<(), StoreError> {
        appointments::insert(&mut self.0, &self.1, appointment, at).await
    }

    async fn get_appointment(&mut self, id: AppointmentId) -> Result<Option<Guarded<Appointment>>, StoreError> {
        appointments::get(&mut self.0, &self.1, id).await
    }

    async fn update_appointment_status(
        &mut self,
        id: AppointmentId,
        status: AppointmentStatus,
    ) -> Result<bool, StoreError> {
        appointments::update_status(&mut self.0, id, status).await
    }

    async fn update_appointment_backend(
        &mut self,
        id: AppointmentId,
        backend: CallBackend,
    ) -> Result<bool, StoreError> {
        appointments::update_backend(&mut self.0, id, backend).await
    }

    async fn get_open_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError> {
        visits::get_open(&mut self.0, appointment).await
    }

    async fn get_latest_visit(&mut self, appointment: AppointmentId) -> Result<Option<VisitRecord>, StoreError> {
        visits::get_latest(&mut self.0, appointment).await
    }

    async fn save_visit(&mut self, visit: &VisitRecord) -> Result<(), StoreError> {
        visits::save(&mut self.0, visit).await
    }

    async fn insert_message(&mut self, visit: VisitId, message: &ChatMessage) -> Result<(), StoreError> {
        messages::insert(&mut self.0, &self.1, visit, message).await
    }

    async fn insert_terms(&mut self, terms: &Terms, at: Timestamp) -> Result<(), StoreError> {
        consents::insert_terms(&mut self.0, terms, at).await
    }

    async fn insert_consent(&mut self, record: &ConsentRecord) -> Result<(), StoreError> {
        consents::insert(&mut self.0, record).await
    }

    async fn forget_appointment(&mut self, id: AppointmentId, at: Timestamp) -> Result<bool, StoreError> {
        retention::forget(&mut self.0, &self.1, id, at).await
    }

    async fn update_hold(&mut self, id: AppointmentId, since: Option<Timestamp>) -> Result<bool, StoreError> {
        retention::hold(&mut self.0, id, since).await
    }

    async fn insert_backend_report(&mut self, report: &BackendReport) -> Result<Receipt, StoreError> {
        backend_reports::insert(&mut self.0, report).await
    }

    async fn rewrap_keys(&mut self, limit: u32) -> Result<u64, StoreError> {
        keys::rewrap(&mut self.0, &self.1, limit).await
    }

    async fn rotate_keys(&mut self, before: Timestamp, at: Timestamp, limit: u32) -> Result<u64, StoreError> {
        sealing::rotate(&mut self.0, &self.1, before, at, limit).await
    }

    async fn list_second_steps(
        &mut self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<(UserId, SealedSecret)>, StoreError> {
        users::list_second_steps(&mut self.0, after, limit).await
    }

    async fn reseal_second_step(&mut self, user: UserId, secret: &SealedSecret) -> Result<bool, StoreError> {
        users::reseal_second_step(&mut self.0, user, secret).await
    }

    async fn list_retired_roots(&mut self) -> Result<Vec<RetiredRoot>, StoreError> {
        keys::list_retired(&mut self.0).await
    }

    async fn save_retired_root(&mut self, retired: &RetiredRoot) -> Result<(), StoreError> {
        keys::save_retired(&mut self.0, retired).await
    }

    async fn insert_job(&mut self, job: &Job) -> Result<(), StoreError> {
        jobs::insert(&mut self.0, job).await
    }

    async fn postpone_job(&mut self, id: Uuid, until: Timestamp) -> Result<bool, StoreError> {
        jobs::postpone(&mut self.0, id, until).await
    }

    async fn delete_job(&mut self, id: Uuid) -> Result<bool, StoreError> {
        jobs::delete(&mut self.0, id).await
    }

    async fn get_done_request(&mut self, key: &RequestHash) -> Result<Option<DoneRequest>, StoreError> {
        done_requests::get(&mut self.0, key).await
    }

    async fn insert_done_request(&mut self, done: &DoneRequest) -> Result<(), StoreError> {
        done_requests::insert(&mut self.0, done).await
    }

    async fn delete_old_done_requests(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        done_requests::delete_old(&mut self.0, before).await
    }

    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        audit::append(&mut self.0, entry).await
    }

    async fn append_restored(&mut self, at: Timestamp, through: i64) -> Result<(), StoreError> {
        audit::append_restored(&mut self.0, at, through).await
    }
}
