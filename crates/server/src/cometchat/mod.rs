//! CometChat, where a clinic has an account there: its REST API v3 as far as a visit needs it.
//!
//! The service carries the call; it never decides who may join. Ids of people there are ours and say
//! nothing; what it is told of a person is a name, of a patient only the first. No token is kept: each is
//! handed to the page that asked and forgotten.

mod client;
mod directory;
mod error;
mod revocation;
mod users;
mod webhook;

use reqwest::Method;

use crate::config::CometChatConfig;

pub(crate) use client::Client;
pub(crate) use directory::Directory;
pub(crate) use error::CometChatError;
pub(crate) use revocation::{REVOCATION, revoke_due, revoke_later};
pub(crate) use users::{Profile, Uid};
pub(crate) use webhook::{Credentials, Report};

/// Asks the service for something that only the right key in the right region may have.
///
/// # Errors
/// What is wrong and what to do about it, in a sentence.
pub async fn check_cometchat(config: &CometChatConfig) -> Result<(), String> {
    let said = |error: CometChatError| format!("[cometchat]: {error}. {}", error.remedy());
    let client = Client::new(config).map_err(said)?;
    client.call::<serde_json::Value>(Method::GET, "/users?perPage=1", None::<&()>).await.map(drop).map_err(said)
}
