//! Makes single-use form tokens idempotent: if a browser submits a form twice (double click, reload, lost response),
//! the second submission gets the response of the first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_visit::Timestamp;
use sha2::{Digest as _, Sha256};

use super::SecretToken;
use super::pending_flow::make_room;
use super::token::TokenHash;

/// How long a response is kept.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Maximum number of responses kept. Beyond it, the older half is dropped.
const MOST: usize = 10_000;
/// Number of locks that serialize submissions of the same token. Different tokens may share a lock.
const LOCKS: usize = 64;

/// Outcome of a form submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Session that the submission started, if any.
    pub(crate) session: Option<SecretToken>,
    /// Redirect target.
    pub(crate) next: String,
}

/// Outcomes of recent form submissions.
#[derive(Debug)]
pub(crate) struct Repeats {
    followed: Mutex<HashMap<TokenHash, (Followed, Timestamp)>>,
    locks: [tokio::sync::Mutex<()>; LOCKS],
}

impl Default for Repeats {
    fn default() -> Self {
        Self { followed: Mutex::default(), locks: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl Repeats {
    /// Waits until no other submission with this token is in progress.
    pub(crate) async fn turn(&self, token: &SecretToken) -> tokio::sync::MutexGuard<'_, ()> {
        self.locks[usize::from(token.hash()[0]) % LOCKS].lock().await
    }

    /// Returns the outcome of a recent submission with the same token and content.
    pub(crate) fn find(&self, token: &SecretToken, content: &str, now: Timestamp) -> Option<Followed> {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.get(&key(token, content)).filter(|(_, until)| now < *until).map(|(followed, _)| followed.clone())
    }

    /// Keeps an outcome for one minute.
    pub(crate) fn keep(&self, token: &SecretToken, content: &str, followed: Followed, now: Timestamp) {
        let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            make_room(&mut all, |(_, until)| *until);
        }
        all.insert(key(token, content), (followed, now + KEPT_FOR));
    }

    /// Removes expired outcomes.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, until)| now < *until);
    }
}

fn key(token: &SecretToken, content: &str) -> TokenHash {
    let mut hash = Sha256::new();
    hash.update(token.reveal());
    hash.update(content);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_form_gets_the_same_answer_for_a_minute() {
        let (repeats, now) = (Repeats::default(), Timestamp::from_millis(1_800_000_000_000));
        let (token, other) = (SecretToken::draw().expect("random"), SecretToken::draw().expect("random"));
        let followed = Followed { session: Some(other.clone()), next: "/".to_owned() };
        repeats.keep(&token, "123456", followed.clone(), now);
        assert_eq!(repeats.find(&token, "123456", now), Some(followed));
        assert_eq!(repeats.find(&token, "123457", now), None, "another code");
        assert_eq!(repeats.find(&other, "123456", now), None, "another browser");
        assert_eq!(repeats.find(&token, "123456", now + KEPT_FOR), None, "a minute later");
        repeats.sweep(now + KEPT_FOR);
        assert!(repeats.followed.lock().expect("not poisoned").is_empty());
    }
}
