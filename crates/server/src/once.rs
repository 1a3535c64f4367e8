//! Requests that are done once, however often they come: a second click, an answer that was lost, a program that tries
//! again.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use bedside_store::{DoneRequest, RequestHash, Store, Transaction};
use bedside_visit::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::auth::Identity;
use crate::error::Error;

/// How long a request is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The name that a program gave its request, in the header `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut given = parts.headers.get_all("idempotency-key").iter();
        let (Some(key), other) = (given.next(), given.next()) else { return Ok(Self(None)) };
        let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.trim().len()) && other.is_none());
        let key = key.ok_or(Error::BadRequest("Idempotency-Key is one text of 1 to 255 plain characters."))?;
        Ok(Self(Some(key.trim().to_owned())))
    }
}

/// A request that has a name.
#[derive(Debug)]
pub(crate) struct Once {
    key: RequestHash,
    request: RequestHash,
}

impl Once {
    /// A program's: under its name it asks for one thing. `kind`: what for; `asked`: all of it.
    pub(crate) fn of_program(identity: &Identity, kind: &str, key: &IdempotencyKey, asked: &[&str]) -> Option<Self> {
        let key = key.0.as_deref()?;
        let user = identity.principal.user.to_string();
        Some(Self { key: hash(&[&user, kind, key]), request: hash(asked) })
    }

    /// A form's. Who goes back, changes something and sends it again has filled in another form.
    pub(crate) fn of_form(identity: &Identity, kind: &str, key: &str, asked: &[&str]) -> Option<Self> {
        let user = identity.principal.user.to_string();
        let request = hash(asked);
        let parts = [&[user.as_str(), kind, key], asked].concat();
        (!key.is_empty()).then(|| Self { key: hash(&parts), request })
    }

    /// What was made when it came before.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if something else was asked for under its name.
    pub(crate) async fn made(&self, transaction: &mut dyn Transaction) -> Result<Option<Uuid>, Error> {
        match transaction.get_done_request(&self.key).await? {
            Some(done) if done.request == self.request => Ok(Some(done.made)),
            Some(_) => Err(Error::KeyReused),
            None => Ok(None),
        }
    }

    /// The same, before anything is changed.
    ///
    /// # Errors
    /// As [`Once::made`].
    pub(crate) async fn made_before(&self, store: &dyn Store) -> Result<Option<Uuid>, Error> {
        let mut transaction = store.begin().await?;
        self.made(&mut *transaction).await
    }

    /// Remembers what was made.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn keep(&self, transaction: &mut dyn Transaction, made: Uuid, at: Timestamp) -> Result<(), Error> {
        let done = DoneRequest { key: self.key, request: self.request, made, at };
        Ok(transaction.insert_done_request(&done).await?)
    }
}

/// Each part with its length, so that no two lists are alike.
fn hash(parts: &[&str]) -> RequestHash {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    RequestHash::new(hash.finalize().into())
}
