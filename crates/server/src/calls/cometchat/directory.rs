//! The users already created at CometChat, as far as this process knows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bedside_visit::UserId;

use super::client::Client;
use super::error::CometChatError;
use super::users::{AuthToken, Profile, Uid};

/// Maximum number of users remembered. When it is reached, all are forgotten and sent to CometChat again.
const REMEMBERED: usize = 10_000;

/// A CometChat account and the users created there.
#[derive(Debug)]
pub(crate) struct Directory {
    client: Client,
    told: Mutex<HashMap<UserId, Profile>>,
}

impl Directory {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, told: Mutex::default() }
    }

    /// Returns an auth token for a user, creating or updating the user at CometChat if needed.
    ///
    /// # Errors
    /// The error that CometChat returned.
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

    /// Ensures that a user exists at CometChat, so that they can be called. `again` sends the profile even if it was
    /// sent before, because CometChat may have deleted the user.
    ///
    /// # Errors
    /// The error that CometChat returned.
    pub(crate) async fn introduce(&self, user: UserId, profile: &Profile, again: bool) -> Result<(), CometChatError> {
        if !again && self.lock().get(&user) == Some(profile) {
            return Ok(());
        }
        self.client.introduce(profile).await?;
        self.remember(user, profile);
        Ok(())
    }

    /// Revokes all auth tokens of a user.
    ///
    /// # Errors
    /// The error that CometChat returned.
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
