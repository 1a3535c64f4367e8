//! People at CometChat, and the tokens they sign in there with.

use bedside_visit::{Person, Private, Role, UserId};
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::error::CometChatError;

/// Somebody's id there: ours, opaque, in lower case, since the service writes all ids so.
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

/// What the service is told of a person: a name and a picture, and nothing of why they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) uid: Uid,
    pub(crate) name: Private<String>,
    pub(crate) avatar: Option<String>,
}

/// The longest name that the service takes, characters.
const LONGEST_NAME: usize = 100;

impl Profile {
    /// A provider by name and picture; everybody else by the first name alone.
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

/// The first word that is no title.
fn first_name(name: &str) -> &str {
    name.split_whitespace().find(|word| !word.ends_with('.')).unwrap_or(name)
}

/// What a page signs in there with.
pub(crate) type AuthToken = SecretString;

/// A person as the service has them.
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
    /// Sees to it that the service knows the person as we do, and gives a token for them.
    ///
    /// # Errors
    /// What the service said to it.
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

    /// Sees to it that the service knows the person as we do, without a token.
    ///
    /// # Errors
    /// What the service said to it.
    pub(crate) async fn introduce(&self, person: &Profile) -> Result<(), CometChatError> {
        match self.create(person, false).await {
            Ok(_) => Ok(()),
            Err(CometChatError::UserExists) => self.bring_up_to_date(person).await,
            Err(error) => Err(error),
        }
    }

    /// A token that is new, where an old one does not work any more.
    ///
    /// # Errors
    /// What the service said to it.
    pub(crate) async fn renew_token(&self, person: &Profile) -> Result<AuthToken, CometChatError> {
        match self.mint(&person.uid, true).await {
            Err(CometChatError::NoUser) => self.ensure_user(person).await,
            minted_or_not => minted_or_not,
        }
    }

    /// Takes back all tokens of a person. Who is not there has none.
    ///
    /// # Errors
    /// What the service said to it.
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

    /// The service says of a deactivated person both that they exist and that they do not.
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
