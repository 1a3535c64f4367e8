//! The CometChat call backend, for clinics with a CometChat account. Uses the parts of its REST API v3 that a visit
//! needs.
//!
//! CometChat carries the call; it never decides who may join. User IDs at CometChat are opaque IDs assigned by
//! Bedside. CometChat receives a name and, for patients, only the first name. Auth tokens are not stored: each one is
//! returned to the page that requested it.

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

/// Checks the configuration with a request that succeeds only with the right key in the right region.
///
/// # Errors
/// A sentence that describes the problem and its remedy.
pub async fn check_cometchat(config: &CometChatConfig) -> Result<(), String> {
    let said = |error: CometChatError| format!("[cometchat]: {error}. {}", error.remedy());
    let client = Client::new(config).map_err(said)?;
    client.call::<serde_json::Value>(Method::GET, "/users?perPage=1", None::<&()>).await.map(drop).map_err(said)
}
