//! Operator commands that manage API clients (integrators).

use bedside_store::{AuditEntry, ClientKey, ClientKeyHash, Issuer, NewUser, Transaction};
use bedside_visit::permission::{ClinicRole, Grants};
use bedside_visit::text::label;
use bedside_visit::{AuditAction, UserId};
use uuid::Uuid;

use crate::app::clock::fresh_id;
use crate::auth::{SecretToken, check_keys};
use crate::clinic::people;
use crate::operator::{Operator, OperatorError};

/// New client key. The secret is shown only once.
#[derive(Debug)]
pub struct NewKey {
    /// User ID of the integrator.
    pub user: UserId,
    /// Client ID (RFC 6749, section 2.2).
    pub client_id: Uuid,
    /// Client secret.
    pub client_secret: SecretToken,
}

impl Operator {
    /// Adds an integrator with a client key for the scopes `grants`.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_integrator(&self, name: &str, grants: Grants) -> Result<NewKey, OperatorError> {
        let person = people::new_person(name, None, None, self.today())?;
        let (user, now) = (person.id, self.clock.now());
        let mut transaction = self.store.begin().await?;
        people::add(&mut *transaction, &NewUser { person, email: None, password_hash: None }, None, now).await?;
        transaction.update_clinic_role(user, Some(ClinicRole::Integrator)).await?;
        let key = self.add_key(&mut *transaction, user, grants).await?;
        transaction.commit().await?;
        Ok(key)
    }

    /// Adds a client key to an integrator. Existing keys stay valid.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn new_key(&self, user: UserId, grants: Grants) -> Result<NewKey, OperatorError> {
        let mut transaction = self.store.begin().await?;
        let key = self.add_key(&mut *transaction, user, grants).await?;
        transaction.commit().await?;
        Ok(key)
    }

    async fn add_key(
        &self,
        transaction: &mut dyn Transaction,
        user: UserId,
        grants: Grants,
    ) -> Result<NewKey, OperatorError> {
        let no_randomness = |_| OperatorError::Invalid("no random numbers available".to_owned());
        let client_secret = SecretToken::draw().map_err(no_randomness)?;
        let now = self.clock.now();
        let key = ClientKey {
            id: fresh_id(),
            user,
            secret_hash: ClientKeyHash::new(client_secret.hash()),
            grants,
            created_at: now,
        };
        transaction.insert_client_key(&key).await?;
        self.note(transaction, user, "key_added").await?;
        Ok(NewKey { user, client_id: key.id, client_secret })
    }

    /// Revokes a client key and invalidates its tokens.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_key(&self, client_id: Uuid) -> Result<(), OperatorError> {
        let missing = || OperatorError::Missing(format!("client key {client_id}"));
        let user = self.store.get_client_key(client_id).await?.ok_or_else(missing)?.user;
        let mut transaction = self.store.begin().await?;
        transaction.delete_client_key(client_id).await?;
        self.note(&mut *transaction, user, "key_removed").await?;
        Ok(transaction.commit().await?)
    }

    /// Accepts join tokens that an integrator signs with the keys of `jwks` as `issuer`: for patients and companions,
    /// and for providers only if `providers`. Replaces the keys previously registered for the issuer.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn trust(&self, user: UserId, issuer: &str, jwks: &str, providers: bool) -> Result<(), OperatorError> {
        // Issuers are compared exactly, so invisible characters are not allowed.
        if label(issuer, 200).as_deref() != Ok(issuer) {
            return Err(OperatorError::Invalid("the issuer must have 1 to 200 visible characters".to_owned()));
        }
        let jwks = check_keys(jwks).map_err(OperatorError::Invalid)?;
        let trusted = Issuer { issuer: issuer.to_owned(), user, jwks, vouches_for_providers: providers };
        let mut transaction = self.store.begin().await?;
        if !transaction.save_issuer(&trusted, self.clock.now()).await? {
            return Err(OperatorError::Invalid(format!("the issuer {issuer} belongs to another integrator")));
        }
        self.note(&mut *transaction, user, "issuer_trusted").await?;
        Ok(transaction.commit().await?)
    }

    /// Stops accepting join tokens of an issuer, and ends all sessions that began with a join token of the integrator.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn distrust(&self, user: UserId, issuer: &str) -> Result<(), OperatorError> {
        let mut transaction = self.store.begin().await?;
        if !transaction.delete_issuer(issuer, user).await? {
            return Err(OperatorError::Missing(format!("issuer {issuer} of this integrator")));
        }
        transaction.delete_sessions_vouched_by(user).await?;
        self.note(&mut *transaction, user, "issuer_distrusted").await?;
        Ok(transaction.commit().await?)
    }

    async fn note(
        &self,
        transaction: &mut dyn Transaction,
        user: UserId,
        what: &'static str,
    ) -> Result<(), OperatorError> {
        let entry = AuditEntry::new(self.clock.now(), AuditAction::IntegratorChanged).about(user).with_detail(what);
        Ok(transaction.append_audit(&entry).await?)
    }
}
