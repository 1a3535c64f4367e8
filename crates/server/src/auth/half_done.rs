//! What is begun here and goes on elsewhere before it is finished here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_visit::Timestamp;

use super::SecretToken;
use super::token::TokenHash;
use crate::error::Error;

/// How many may be under way at a time. Past it, those who came first begin again.
const MOST: usize = 20_000;

/// Keeps the first half for whoever holds the token. Each is finished once, and in time.
#[derive(Debug)]
pub(crate) struct HalfDone<T> {
    good_for: Duration,
    begun: Mutex<HashMap<TokenHash, (T, Timestamp)>>,
}

impl<T> HalfDone<T> {
    pub(crate) fn new(good_for: Duration) -> Self {
        Self { good_for, begun: Mutex::default() }
    }

    /// Keeps the first half.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn begin(&self, first: T, now: Timestamp) -> Result<SecretToken, Error> {
        let token = SecretToken::draw()?;
        let mut begun = self.lock();
        if begun.len() >= MOST {
            begun.clear();
        }
        begun.insert(token.hash(), (first, now + self.good_for));
        Ok(token)
    }

    /// Takes the first half out. `None`: there is none, or it is too late, or it was taken before.
    pub(crate) fn take(&self, token: &SecretToken, now: Timestamp) -> Option<T> {
        self.lock().remove(&token.hash()).filter(|(_, until)| now < *until).map(|(first, _)| first)
    }

    /// Forgets what was not finished.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, (_, until)| now < *until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, (T, Timestamp)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_finished_once_and_in_time() {
        let minute = Duration::from_secs(60);
        let (halves, now) = (HalfDone::new(minute), Timestamp::from_millis(1_800_000_000_000));
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
