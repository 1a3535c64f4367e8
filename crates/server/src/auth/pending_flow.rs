//! Short-lived server-side state for multi-step flows (OpenID Connect, passkeys).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_visit::Timestamp;
use sha2::{Digest as _, Sha256};

use super::SecretToken;
use super::token::TokenHash;
use crate::http::error::Error;

/// Maximum number of pending flows. Beyond it, the oldest are dropped and must be restarted.
const MOST: usize = 20_000;

/// Pending state, keyed by a token that the browser holds. Each entry can be taken once, before it expires.
#[derive(Debug)]
pub(crate) struct PendingFlows<T> {
    good_for: Duration,
    begun: Mutex<HashMap<TokenHash, (T, Timestamp)>>,
}

impl<T> PendingFlows<T> {
    pub(crate) fn new(good_for: Duration) -> Self {
        Self { good_for, begun: Mutex::default() }
    }

    /// Stores the state of a new flow and returns its token.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn begin(&self, first: T, now: Timestamp) -> Result<SecretToken, Error> {
        let token = SecretToken::draw()?;
        let mut begun = self.lock();
        if begun.len() >= MOST {
            make_room(&mut begun, |(_, until)| *until);
        }
        begun.insert(token.hash(), (first, now + self.good_for));
        Ok(token)
    }

    /// Stores the state of one of several attempts in the same browser. Draws a `token` for the browser if it has none.
    /// `attempt` identifies the attempt in the response.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn begin_attempt(
        &self,
        token: Option<SecretToken>,
        attempt: &str,
        first: T,
        now: Timestamp,
    ) -> Result<SecretToken, Error> {
        let token = token.map_or_else(SecretToken::draw, Ok)?;
        let mut begun = self.lock();
        if begun.len() >= MOST {
            make_room(&mut begun, |(_, until)| *until);
        }
        begun.insert(name_of(&token, attempt), (first, now + self.good_for));
        Ok(token)
    }

    /// Takes the state of an attempt of the browser that holds `token`. Returns `None` in the same cases as
    /// [`take`](Self::take).
    pub(crate) fn take_attempt(&self, token: &SecretToken, attempt: &str, now: Timestamp) -> Option<T> {
        self.lock().remove(&name_of(token, attempt)).filter(|(_, until)| now < *until).map(|(first, _)| first)
    }

    /// Takes the state of a flow. `None` if there is none, it has expired, or it was already taken.
    pub(crate) fn take(&self, token: &SecretToken, now: Timestamp) -> Option<T> {
        self.lock().remove(&token.hash()).filter(|(_, until)| now < *until).map(|(first, _)| first)
    }

    /// Removes expired flows.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, (_, until)| now < *until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, (T, Timestamp)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Derives the key of an attempt. It includes the browser's secret, so that only the browser that began the attempt can
/// finish it.
fn name_of(token: &SecretToken, attempt: &str) -> TokenHash {
    let mut hash = Sha256::new();
    hash.update(token.reveal());
    hash.update(attempt);
    hash.finalize().into()
}

/// Drops the older half, so that a flood does not end flows that have just begun.
pub(super) fn make_room<K, V>(kept: &mut HashMap<K, V>, until: impl Fn(&V) -> Timestamp) {
    let mut times: Vec<Timestamp> = kept.values().map(&until).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    kept.retain(|_, value| until(value) > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_of_one_browser_are_kept_apart() {
        let (halves, now) = (PendingFlows::new(Duration::from_secs(60)), Timestamp::from_millis(1_800_000_000_000));
        let token = halves.begin_attempt(None, "one", 1, now).expect("random");
        let same = halves.begin_attempt(Some(token.clone()), "two", 2, now).expect("random");
        assert_eq!(token.reveal(), same.reveal());
        let other = SecretToken::draw().expect("random");
        assert_eq!(halves.take_attempt(&other, "one", now), None, "of another browser");
        assert_eq!(halves.take_attempt(&token, "three", now), None);
        assert_eq!(halves.take_attempt(&token, "two", now), Some(2));
        assert_eq!(halves.take_attempt(&token, "one", now), Some(1));
        assert_eq!(halves.take_attempt(&token, "one", now), None, "once");
    }

    #[test]
    fn what_is_begun_is_finished_once_and_in_time() {
        let minute = Duration::from_secs(60);
        let (halves, now) = (PendingFlows::new(minute), Timestamp::from_millis(1_800_000_000_000));
        let token = halves.begin("a", now).expect("random");
        assert_eq!(halves.take(&SecretToken::draw().expect("random"), now), None);
        assert_eq!(halves.take(&token, now), Some("a"));
        assert_eq!(halves.take(&token, now), None);
        let late = halves.begin("b", now).expect("random");
        assert_eq!(halves.take(&late, now + minute), None);
        halves.begin("c", now).expect("random");
        halves.sweep(now + minute);
        assert!(halves.lock().is_empty());
    }
}
