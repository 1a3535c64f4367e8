//! Password reset links.

use std::time::Duration;

use bedside_store::{PasswordReset, Transaction};
use bedside_visit::{Timestamp, UserId};

use crate::auth::SecretToken;
use crate::http::error::Error;

/// How long a link is valid.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(30 * 60);

/// Creates a link, replacing the user's older ones.
///
/// # Errors
/// If the database fails, or there is no randomness.
pub(crate) async fn add_reset(
    transaction: &mut dyn Transaction,
    user: UserId,
    now: Timestamp,
) -> Result<SecretToken, Error> {
    let token = SecretToken::draw()?;
    let reset = PasswordReset { token_hash: token.hash().into(), user, created_at: now, expires_at: now + GOOD_FOR };
    transaction.replace_password_reset(&reset).await?;
    Ok(token)
}

/// Returns the URL of a link.
pub(crate) fn reset_url(public_url: &str, token: &SecretToken) -> String {
    format!("{public_url}/reset/{}", token.reveal())
}
