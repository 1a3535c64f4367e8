//! Passwords: argon2id on a low-priority thread pool, so that a flood of sign-ins does not slow down other work.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use super::workers::Workers;

/// Minimum length of a new password, characters (NIST SP 800-63B-4: 15 where it is the only factor).
const MIN_LENGTH: usize = 15;
/// Maximum length of a password, characters.
const MAX_LENGTH: usize = 1024;
/// Maximum number of checks waiting for a free worker.
const QUEUE: usize = 32;

/// Reason that a password could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many password checks are pending.
    #[error("too many password checks are pending")]
    Busy,
    /// The password is shorter than 15 characters.
    #[error("the password must have at least {MIN_LENGTH} characters")]
    TooShort,
    /// The password is among the first that an attacker would guess.
    #[error("the password is easy to guess: use four or more unrelated words")]
    TooEasy,
    /// The password is longer than 1024 characters.
    #[error("the password must have at most {MAX_LENGTH} characters")]
    TooLong,
    /// The hashing library failed, or a worker thread panicked.
    #[error("password hashing failed: {0}")]
    Failed(String),
}

/// Hashes and verifies passwords on a bounded worker pool.
#[derive(Clone)]
pub(crate) struct Passwords {
    workers: Workers,
    waiting: Arc<Semaphore>,
    /// Hash verified for unknown accounts, so that they take equally long.
    decoy: Arc<str>,
}

impl Passwords {
    /// Creates a pool of `workers` threads.
    ///
    /// # Errors
    /// [`PasswordError::Failed`] if the hashing library refuses its parameters.
    pub(crate) fn new(workers: usize) -> Result<Self, PasswordError> {
        let decoy = hash_now(b"nobody has this password")?;
        let threads = Workers::new("passwords", workers).map_err(failed)?;
        Ok(Self { workers: threads, waiting: Arc::new(Semaphore::new(workers + QUEUE)), decoy: decoy.into() })
    }

    /// Hashes a password into a PHC string for the database. `about` lists personal and clinic details that an attacker
    /// could guess from.
    ///
    /// # Errors
    /// If the password is too short, too long or too easy to guess, or the pool is busy.
    pub(crate) async fn hash(&self, password: SecretString, about: &[&str]) -> Result<String, PasswordError> {
        if is_too_long(&password) {
            return Err(PasswordError::TooLong);
        }
        let password = composed(&password);
        if password.expose_secret().chars().count() < MIN_LENGTH {
            return Err(PasswordError::TooShort);
        }
        // The strength estimate takes tens of milliseconds, so it runs on the low-priority threads as well.
        let about: Vec<String> = about.iter().map(|&text| text.to_owned()).collect();
        self.run(move || {
            if is_easy(password.expose_secret(), &about.iter().map(String::as_str).collect::<Vec<_>>()) {
                return Err(PasswordError::TooEasy);
            }
            hash_now(password.expose_secret().as_bytes())
        })
        .await?
    }

    /// Verifies `password` against `hash`. Without a hash it takes equally long and returns `false`.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] if too many checks are pending.
    pub(crate) async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, PasswordError> {
        if is_too_long(&password) {
            return Ok(false);
        }
        let typed = composed(&password);
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        // Hashes made before normalization was introduced are of the text as typed. If it equals the normalized form,
        // as it usually does, one verification suffices, so the time does not depend on the account.
        let as_typed = (typed.expose_secret() != password.expose_secret()).then_some(password);
        let matches = self
            .run(move || {
                let matches = |password: &SecretString| verify_now(password.expose_secret().as_bytes(), &hash);
                let composed = matches(&typed);
                as_typed.as_ref().is_some_and(matches) || composed
            })
            .await?;
        Ok(known && matches)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let _place = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        self.workers.run(work).await.ok_or_else(|| failed("a worker panicked"))
    }
}

/// Normalizes a password to Unicode NFC (RFC 8265, section 4.2.2): some keyboards send a base letter and a combining
/// accent, others a single character.
fn composed(password: &SecretString) -> SecretString {
    password.expose_secret().nfc().collect::<String>().into()
}

/// Returns whether a password exceeds the maximum length both as typed and in NFC. Normalization can lengthen or
/// shorten a text.
fn is_too_long(password: &SecretString) -> bool {
    let typed = password.expose_secret();
    // Skips normalization for extremely long input: NFC shortens a text to a third at most.
    typed.chars().count() > MAX_LENGTH && (typed.len() > 12 * MAX_LENGTH || typed.nfc().count() > MAX_LENGTH)
}

/// Returns whether a password is among the first 10^10 guesses, based on lists of common passwords, names and words and
/// on details of the user (NIST SP 800-63B-4, section 3.1.1.2: a blocklist, no composition rules).
fn is_easy(password: &str, about: &[&str]) -> bool {
    // The estimate takes quadratic time, and long passwords score high anyway.
    let beginning: String = password.chars().take(100).collect();
    zxcvbn::zxcvbn(&beginning, about).score() < zxcvbn::Score::Four
}

/// Parameters of OWASP ASVS 5.0, appendix C: argon2id, t = 1, m = 46 MiB, p = 1.
fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(46 * 1024, 1, 1, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &[u8]) -> Result<String, PasswordError> {
    Ok(argon2()?.hash_password(password).map_err(failed)?.to_string())
}

fn verify_now(password: &[u8], hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password, &hash).is_ok()
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::new(1).expect("a pool");
        let hash = passwords.hash("plaid otter sings".into(), &[]).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{hash}");
        assert!(passwords.verify("plaid otter sings".into(), Some(hash.clone())).await.expect("checked"));
        assert!(!passwords.verify("wrong horse battery".into(), Some(hash)).await.expect("checked"));
        assert!(!passwords.verify("nobody has this password".into(), None).await.expect("checked"));
    }

    /// Set on a Mac, entered on a phone.
    #[tokio::test]
    async fn a_password_is_the_same_however_a_keyboard_sends_it() {
        let passwords = Passwords::new(1).expect("a pool");
        let (apart, whole) = ("plaid o\u{308}tter sings softly", "plaid \u{f6}tter sings softly");
        for (set, typed) in [(apart, whole), (whole, apart)] {
            let hash = passwords.hash(set.into(), &[]).await.expect("hashed");
            assert!(passwords.verify(typed.into(), Some(hash)).await.expect("checked"), "{typed:?}");
        }
        // A hash from before passwords were normalized.
        let before = hash_now(apart.as_bytes()).expect("hashed");
        assert!(passwords.verify(apart.into(), Some(before)).await.expect("checked"));
    }

    #[tokio::test]
    async fn what_a_form_allows_is_not_too_long() {
        let passwords = Passwords::new(1).expect("a pool");
        let long: String =
            "umbrella kettle frosty nine ".chars().chain("\u{f6}bcdefghijk".chars().cycle()).take(1024).collect();
        // In the second password, each letter becomes two characters in NFC.
        for long in [long, "umbrella \u{958}\u{959} kettle frosty nine ".chars().cycle().take(1024).collect()] {
            let hash = passwords.hash(long.clone().into(), &[]).await.expect("hashed");
            assert!(passwords.verify(long.into(), Some(hash)).await.expect("checked"));
        }
    }

    #[tokio::test]
    async fn lengths_are_bounded() {
        let passwords = Passwords::new(1).expect("a pool");
        assert!(matches!(passwords.hash("short".into(), &[]).await, Err(PasswordError::TooShort)));
        assert!(matches!(passwords.hash("x".repeat(2000).into(), &[]).await, Err(PasswordError::TooLong)));
        assert!(!passwords.verify("x".repeat(5000).into(), None).await.expect("said no at once"));
    }

    #[tokio::test]
    async fn what_is_tried_first_is_not_taken() {
        let passwords = Passwords::new(1).expect("a pool");
        let about = ["ada.lovelace@example.org", "Ada Lovelace", "Riverside Clinic"];
        for easy in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaaaaaa",
            "123456789012345",
            "qwertyuiopasdfgh",
            "ada.lovelace@example.org",
            "riversideclinic1",
        ] {
            let refused = passwords.hash(easy.into(), &about).await;
            assert!(matches!(refused, Err(PasswordError::TooEasy)), "{easy}: {refused:?}");
        }
        assert!(passwords.hash("umbrella kettle frosty nine".into(), &about).await.is_ok());
    }
}
