//! The people whom the service knows, as far as this program has seen.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bedside_visit::UserId;

use super::client::Client;
use super::error::CometChatError;
use super::users::{AuthToken, Profile, Uid};

/// How many people are remembered as known. Past it all are forgotten, and asked for again.
const REMEMBERED: usize = 10_000;

/// An account at CometChat and whom it has been told of.
#[derive(Debug)]
pub(crate) struct Directory {
    client: Client,
    told: Mutex<HashMap<UserId, Profile>>,
}

impl Directory {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, told: Mutex::default() }
    }

    /// A token for a person, who is told to the service first if need be.
    ///
    /// # Errors
    /// What the service said to it.
    pub(crate) async fn token(
        &self,
        user: UserId,
        profile: &Profile,
        fresh: bool,
    ) -> Result<AuthToken, CometChatError> {
        let token =
            if fresh { self.client.renew_token(profile).await? } else { self.client.ensure_user(profile).await? };
        self.remember(user, profile);
        Ok(token)
    }

    /// Sees to it that the service knows a person, so that they can be called. `again`: also if it was told before,
    /// for it may have forgotten.
    ///
    /// # Errors
    /// What the service said to it.
    pub(crate) async fn introduce(&self, user: UserId, profile: &Profile, again: bool) -> Result<(), CometChatError> {
        if !again && self.lock().get(&user) == Some(profile) {
            return Ok(());
        }
        self.client.introduce(profile).await?;
        self.remember(user, profile);
        Ok(())
    }

    /// Takes back all tokens of a person.
    ///
    /// # Errors
    /// What the service said to it.
    pub(crate) async fn revoke(&self, user: UserId) -> Result<(), CometChatError> {
        self.client.revoke_tokens(&Uid::of(user)).await
    }

    fn remember(&self, user: UserId, profile: &Profile) {
        let mut told = self.lock();
        if told.len() >= REMEMBERED {
            told.clear();
        }
        told.insert(user, profile.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Profile>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
