//! Other programs that use the API: what an operator does for them from the command line.

use bedside_store::{AuditEntry, ClientKey, ClientKeyHash, Issuer, NewUser, Transaction};
use bedside_visit::permission::{ClinicRole, Grants};
use bedside_visit::text::label;
use bedside_visit::{AuditAction, UserId};
use uuid::Uuid;

use crate::auth::{SecretToken, check_keys};
use crate::clock::fresh_id;
use crate::operator::{Operator, OperatorError};
use crate::people;

/// A key with which another program gets access tokens. The secret is shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// The program.
    pub user: UserId,
    /// The client id (RFC 6749, section 2.2).
    pub client_id: Uuid,
    /// The client secret.
    pub client_secret: SecretToken,
}

impl Operator {
    /// Adds another program, with a key that may ask for `grants`.
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

    /// Gives a program another key. The ones it has stay good.
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
        let no_randomness = |_| OperatorError::Invalid("the operating system gave no randomness".to_owned());
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

    /// Takes a key away. Tokens that were got with it are good for nothing from now on.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_key(&self, client_id: Uuid) -> Result<(), OperatorError> {
        let missing = || OperatorError::Missing(format!("key {client_id}"));
        let user = self.store.get_client_key(client_id).await?.ok_or_else(missing)?.user;
        let mut transaction = self.store.begin().await?;
        transaction.delete_client_key(client_id).await?;
        self.note(&mut *transaction, user, "key_removed").await?;
        Ok(transaction.commit().await?)
    }

    /// Takes join tokens that a program signs with the keys of `jwks`, under the name `issuer`: for patients and
    /// companions, and for providers only if `providers`. Its earlier keys are good for nothing from now on.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn trust(&self, user: UserId, issuer: &str, jwks: &str, providers: bool) -> Result<(), OperatorError> {
        // It is compared letter by letter: nothing in it may be invisible.
        if label(issuer, 200).as_deref() != Ok(issuer) {
            return Err(OperatorError::Invalid("an issuer is a text of 1 to 200 visible characters".to_owned()));
        }
        let jwks = check_keys(jwks).map_err(OperatorError::Invalid)?;
        let trusted = Issuer { issuer: issuer.to_owned(), user, jwks, vouches_for_providers: providers };
        let mut transaction = self.store.begin().await?;
        if !transaction.save_issuer(&trusted, self.clock.now()).await? {
            return Err(OperatorError::Invalid(format!("another program signs as {issuer}")));
        }
        self.note(&mut *transaction, user, "issuer_trusted").await?;
        Ok(transaction.commit().await?)
    }

    /// Takes no join tokens of that name any more, and ends the sessions that began with a join token of the program.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn distrust(&self, user: UserId, issuer: &str) -> Result<(), OperatorError> {
        let mut transaction = self.store.begin().await?;
        if !transaction.delete_issuer(issuer, user).await? {
            return Err(OperatorError::Missing(format!("issuer {issuer} of that program")));
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
