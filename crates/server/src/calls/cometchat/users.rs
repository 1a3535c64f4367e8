//! Users at CometChat and their auth tokens.

use bedside_visit::{Person, Private, Role, UserId};
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::error::CometChatError;

/// A user's ID at CometChat: the opaque Bedside ID in lower case, because CometChat converts all IDs to lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Uid(String);

impl Uid {
    pub(crate) fn of(user: UserId) -> Self {
        Self(user.to_string().to_ascii_lowercase())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The profile sent to CometChat: a name and a picture, and nothing about the visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) uid: Uid,
    pub(crate) name: Private<String>,
    pub(crate) avatar: Option<String>,
}

/// Maximum length of a name at CometChat, in characters.
const LONGEST_NAME: usize = 100;

impl Profile {
    /// Builds a profile: name and picture for providers, only the first name for everyone else.
    pub(crate) fn of(person: &Person, role: Role) -> Self {
        let name = person.name.reveal();
        let (shown, avatar) = match role {
            Role::Provider => (name.as_str(), person.avatar_url.clone().filter(|url| url.starts_with("https://"))),
            Role::Patient | Role::Guest | Role::Interpreter | Role::Observer => (first_name(name), None),
        };
        let name: String = shown.chars().take(LONGEST_NAME).collect();
        Self { uid: Uid::of(person.id), name: Private::new(name), avatar }
    }
}

/// Returns the first word that is not a title such as "Dr.".
fn first_name(name: &str) -> &str {
    name.split_whitespace().find(|word| !word.ends_with('.')).unwrap_or(name)
}

/// The token that a page uses to sign in to CometChat.
pub(crate) type AuthToken = SecretString;

/// A user as returned by CometChat.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(default)]
    name: String,
    avatar: Option<String>,
    auth_token: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    auth_token: SecretString,
}

impl Client {
    /// Creates or updates the user at CometChat and returns an auth token.
    ///
    /// # Errors
    /// The error that CometChat returned.
    pub(crate) async fn ensure_user(&self, person: &Profile) -> Result<AuthToken, CometChatError> {
        match self.create(person, true).await {
            Ok(known) => match known.auth_token {
                Some(token) => Ok(token),
                None => self.mint(&person.uid, false).await,
            },
            Err(CometChatError::UserExists) => {
                self.bring_up_to_date(person).await?;
                self.mint(&person.uid, false).await
            }
            Err(error) => Err(error),
        }
    }

    /// Creates or updates the user at CometChat, without a token.
    ///
    /// # Errors
    /// The error that CometChat returned.
    pub(crate) async fn introduce(&self, person: &Profile) -> Result<(), CometChatError> {
        match self.create(person, false).await {
            Ok(_) => Ok(()),
            Err(CometChatError::UserExists) => self.bring_up_to_date(person).await,
            Err(error) => Err(error),
        }
    }

    /// Returns a new auth token, in place of one that no longer works.
    ///
    /// # Errors
    /// The error that CometChat returned.
    pub(crate) async fn renew_token(&self, person: &Profile) -> Result<AuthToken, CometChatError> {
        match self.mint(&person.uid, true).await {
            Err(CometChatError::NoUser) => self.ensure_user(person).await,
            minted_or_not => minted_or_not,
        }
    }

    /// Revokes all auth tokens of a user. Succeeds if the user does not exist.
    ///
    /// # Errors
    /// The error that CometChat returned.
    pub(crate) async fn revoke_tokens(&self, uid: &Uid) -> Result<(), CometChatError> {
        let path = format!("/users/{}/auth_tokens", uid.as_str());
        match self.call::<serde_json::Value>(Method::DELETE, &path, None::<&()>).await {
            Ok(_) | Err(CometChatError::NoUser) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, person: &Profile, with_token: bool) -> Result<Known, CometChatError> {
        let mut body = json!({ "uid": person.uid, "name": person.name.reveal(), "withAuthToken": with_token });
        if let Some(avatar) = &person.avatar {
            body["avatar"] = json!(avatar);
        }
        self.call(Method::POST, "/users", Some(&body)).await
    }

    /// Updates an existing user. For a deactivated user CometChat reports both that they exist and that they do not,
    /// so "not found" means that the user has to be reactivated.
    async fn bring_up_to_date(&self, person: &Profile) -> Result<(), CometChatError> {
        let path = format!("/users/{}", person.uid.as_str());
        let known = match self.call::<Known>(Method::GET, &path, None::<&()>).await {
            Err(CometChatError::NoUser) => {
                let body = json!({ "uidsToActivate": [person.uid] });
                self.call::<serde_json::Value>(Method::PUT, "/users", Some(&body)).await?;
                self.call::<Known>(Method::GET, &path, None::<&()>).await?
            }
            known_or_not => known_or_not?,
        };
        if &known.name == person.name.reveal() && known.avatar == person.avatar {
            return Ok(());
        }
        let mut body = json!({ "name": person.name.reveal() });
        match &person.avatar {
            Some(avatar) => body["avatar"] = json!(avatar),
            None if known.avatar.is_some() => body["unset"] = json!(["avatar"]),
            None => {}
        }
        self.call::<serde_json::Value>(Method::PUT, &path, Some(&body)).await.map(drop)
    }

    async fn mint(&self, uid: &Uid, force: bool) -> Result<AuthToken, CometChatError> {
        let path = format!("/users/{}/auth_tokens", uid.as_str());
        let body = if force { json!({ "force": true }) } else { json!({}) };
        self.call::<Minted>(Method::POST, &path, Some(&body)).await.map(|minted| minted.auth_token)
    }
}

#[cfg(test)]
mod tests {
    use super::first_name;

    #[test]
    fn a_patient_goes_by_the_first_name() {
        for (name, first) in [("Ada Lovelace", "Ada"), ("Dr. Grace Hopper", "Grace"), ("Cher", "Cher"), ("Dr.", "Dr.")]
        {
            assert_eq!(first_name(name), first);
        }
    }
}
