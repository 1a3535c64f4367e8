//! Idempotent requests: repeating a request (a second click, a lost response, a client retry) does not repeat its
//! effect.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bedside_store::{DoneRequest, RequestHash, Store, Transaction};
use bedside_visit::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::auth::Identity;
use crate::http::error::Error;

/// How long a request is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The value of the `Idempotency-Key` header, if the client sent one.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut given = parts.headers.get_all("idempotency-key").iter();
        let (Some(key), other) = (given.next(), given.next()) else { return Ok(Self(None)) };
        let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.trim().len()) && other.is_none());
        let key = key.ok_or(Error::BadRequest("Idempotency-Key must be one value of 1 to 255 ASCII characters."))?;
        Ok(Self(Some(key.trim().to_owned())))
    }
}

/// A request with an idempotency key.
#[derive(Debug)]
pub(crate) struct Once {
    key: RequestHash,
    request: RequestHash,
}

impl Once {
    /// Creates the key of an API request. A client may use each key for one request only. `kind` is the operation,
    /// and `asked` lists all request parameters.
    pub(crate) fn of_program(identity: &Identity, kind: &str, key: &IdempotencyKey, asked: &[&str]) -> Option<Self> {
        let key = key.0.as_deref()?;
        let user = identity.principal.user.to_string();
        Some(Self { key: hash(&[&user, kind, key]), request: hash(asked) })
    }

    /// Creates the key of a form submission. It includes the form's contents, so a form that was changed and
    /// submitted again counts as another request.
    pub(crate) fn of_form(identity: &Identity, kind: &str, key: &str, asked: &[&str]) -> Option<Self> {
        let user = identity.principal.user.to_string();
        let request = hash(asked);
        let parts = [&[user.as_str(), kind, key], asked].concat();
        (!key.is_empty()).then(|| Self { key: hash(&parts), request })
    }

    /// Returns the ID of what an earlier request with this key created.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if the key was used for a different request.
    pub(crate) async fn made(&self, transaction: &mut dyn Transaction) -> Result<Option<Uuid>, Error> {
        match transaction.get_done_request(&self.key).await? {
            Some(done) if done.request == self.request => Ok(Some(done.made)),
            Some(_) => Err(Error::KeyReused),
            None => Ok(None),
        }
    }

    /// Returns the same as [`Once::made`], in a transaction of its own, before anything is changed.
    ///
    /// # Errors
    /// Those of [`Once::made`].
    pub(crate) async fn made_before(&self, store: &dyn Store) -> Result<Option<Uuid>, Error> {
        let mut transaction = store.begin().await?;
        self.made(&mut *transaction).await
    }

    /// Records what the request created.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn keep(&self, transaction: &mut dyn Transaction, made: Uuid, at: Timestamp) -> Result<(), Error> {
        let done = DoneRequest { key: self.key, request: self.request, made, at };
        Ok(transaction.insert_done_request(&done).await?)
    }
}

/// Hashes each part with its length, so that different lists never produce the same input.
fn hash(parts: &[&str]) -> RequestHash {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    RequestHash::new(hash.finalize().into())
}
